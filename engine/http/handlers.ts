/** What each route does: use cases, found through whatever the engine runs on at the moment. */
import type { Machine } from '../machine/machine.ts';
import type { EngineInfo, SshName } from '../protocol/entities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Examine } from '../services/upkeep/hosts.ts';
import { createEngineAccess, type AccessOptions } from './handlers/access.ts';
import { checkoutHandlers } from './handlers/checkouts.ts';
import { cloneHandlers } from './handlers/clones.ts';
import { environmentHandlers } from './handlers/environments.ts';
import { hostHandlers } from './handlers/hosts.ts';
import { jobHandlers } from './handlers/jobs.ts';
import { snapshotHandlers } from './handlers/snapshots.ts';
import { storageHandlers, type StorageHandlerOptions } from './handlers/storage.ts';
import type { Handlers, OfTheHub } from './server.ts';

export interface HandlerDependencies extends AccessOptions {
  info: () => EngineInfo;
  host: () => Machine;
  examine: readonly Examine[];
  clock: Pick<Clock, 'sleep'>;
  /** `ifIdle`: rejects with `busy` while a job runs. */
  stop: (ifIdle: boolean) => Promise<void>;
  /** What people may choose from when they add a host. */
  sshNames: () => Promise<SshName[]>;
  planSetUp: StorageHandlerOptions['plan'];
  rebuild: () => Promise<{ snapshots: number; clones: number; keptAs: string | null }>;
}

/** What is not of the hosts together. */
export type OwnHandlers = Omit<Handlers, OfTheHub>;

export function createHandlers(dependencies: HandlerDependencies): OwnHandlers {
  const { info, host, examine, clock, stop, rebuild, sshNames, planSetUp } = dependencies;
  const access = createEngineAccess(dependencies);
  return {
    engineInfo: () => info(),
    engineStop: async ({ query }) => {
      await stop(query.unless === 'working');
      return { stopping: true };
    },
    engineRebuild: () => rebuild(),
    sshNameList: async () => ({ items: await sshNames() }),
    ...hostHandlers({ access, host, version: () => info().version, examine, clock }),
    ...storageHandlers({ access, plan: planSetUp }),
    ...environmentHandlers(access),
    ...snapshotHandlers(access),
    ...cloneHandlers(access),
    ...checkoutHandlers(access),
    ...jobHandlers(access),
  };
}
