/** What the routes of hosts do, and the overview, which begins with them. */
import type { Machine } from '../../machine/machine.ts';
import type { Host } from '../../protocol/entities.ts';
import type { Clock } from '../../ports/clock.ts';
import { fail } from '../../protocol/errors.ts';
import { examineHost, hostCertificate, hostEntity, type Examine } from '../../services/upkeep/hosts.ts';
import type { HandlersOf, OfTheHub } from '../server.ts';
import type { EngineAccess } from './access.ts';

export interface HostHandlerOptions {
  access: EngineAccess;
  host: () => Machine;
  /** Of this engine. */
  version: () => string;
  examine: readonly Examine[];
  clock: Pick<Clock, 'sleep'>;
}

export function hostHandlers({
  access: { running },
  host,
  version,
  examine,
  clock,
}: HostHandlerOptions): Omit<HandlersOf<'host' | 'overview'>, OfTheHub> {
  const hosts = async (): Promise<Host[]> => {
    const machine = host();
    try {
      const { context, blocked } = await running();
      return [await hostEntity(machine, context.storage, blocked, version())];
    } catch (error) {
      return [
        await hostEntity(
          machine,
          undefined,
          error instanceof Error ? error.message : String(error),
          version(),
        ),
      ];
    }
  };
  const theHost = async (reference: string): Promise<Host> => {
    const all = await hosts();
    const found = all.find(({ name }) => name === (reference as typeof name));
    if (found === undefined)
      throw fail('not_found', { kind: 'host', name: reference, known: all.map(({ name }) => name) });
    return found;
  };

  return {
    overview: async () => {
      const list = await hosts();
      try {
        const { context, services } = await running();
        return context.catalog.overview(list, services.checkouts.list());
      } catch {
        // best effort: the host entity carries the reason, and everything else waits for it to be mended
        return {
          epoch: 'unusable',
          seq: 0,
          hosts: list,
          environments: [],
          snapshots: [],
          clones: [],
          checkouts: [],
          jobs: [],
        };
      }
    },
    hostList: async () => ({ items: await hosts() }),
    hostShow: ({ params }) => theHost(params.host),
    hostDoctor: async ({ params }) => {
      await theHost(params.host);
      return { items: await examineHost(examine, clock) };
    },
    hostCertificate: async ({ params }) => {
      await theHost(params.host);
      return hostCertificate((await running()).context.certificates);
    },
  };
}
