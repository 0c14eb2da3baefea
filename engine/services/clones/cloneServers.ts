/** Starts and stops all servers of a clone, and brings its row to what really runs. */
import { onDatasets, tellServers, type MemberDataset } from '../../domain/cloneRow.ts';
import type { Login } from '../../database/database.ts';
import { isDurable } from '../../domain/durability.ts';
import { limitsOf } from '../../domain/serverLimits.ts';
import { cloneUser } from '../../domain/naming.ts';
import type { PortLease } from '../../machine/machine.ts';
import type { CloneId } from '../../protocol/ids.ts';
import type { StopMode } from '../../runtime/runtime.ts';
import type { CloneRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import { cloneOf } from './rows.ts';
import type { Servers, StartOptions } from './servers.ts';

type Member = CloneRecord['members'][number];

export interface StartCloneOptions {
  /** Not all of them. */
  members?: readonly Member[];
  /** As of `Servers.start`. */
  isFresh?: boolean;
  signal?: AbortSignal | undefined;
}

export interface CloneServers {
  /** Starts the servers, or finds them running; resolves when all answer with the clone's password. */
  start(clone: CloneRecord, options?: StartCloneOptions): Promise<void>;
  startMember(
    clone: CloneRecord,
    member: Member,
    options: { lease?: PortLease; isFresh?: boolean | undefined; signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** As `Servers.prepare`, of all members. */
  prepare(clone: CloneRecord): Promise<void>;
  stop(clone: Pick<CloneRecord, 'members'>, mode: StopMode): Promise<void>;
  /** In the order of its members. */
  running(clone: Pick<CloneRecord, 'members'>): Promise<boolean[]>;
  /** The password of the row counts from now on: in running servers at once, in stopped ones when they start. */
  setPassword(clone: CloneRecord, signal?: AbortSignal): Promise<void>;
  /** The change that brings a clone's row to what its servers really are, on these datasets. */
  settle(
    id: CloneId,
    problem: string | null,
    options?: { datasets?: readonly MemberDataset[]; change?: Partial<CloneRecord> },
  ): Promise<() => void>;
  /**
   * The clone as it was before a job that is taken back: the last undo. Servers that ran then, or were to, are started
   * again, the others are not: the steps stopped them, or the machine went down with the engine.
   */
  bringBack(id: CloneId, problem: string, datasets?: readonly MemberDataset[]): Promise<() => void>;
}

/** How the servers of a clone are started. */
export function startOptions(
  { catalog }: ServiceContext,
  { name, environment }: CloneRecord,
): Pick<StartOptions, 'title' | 'durable' | 'limits'> {
  const { definition } = catalog.environment(environment);
  return { title: name, durable: isDurable(definition), limits: limitsOf(definition) };
}

/** Who may log in to a member: the one that its row names since it was made, also after a reset. */
export const loginOf = ({ vault }: ServiceContext, clone: CloneRecord, { user }: Member): Login => ({
  ...{ user, password: vault.open(clone.sealedPassword), isOfSource: user !== cloneUser },
});

export function createCloneServers(context: ServiceContext, servers: Servers): CloneServers {
  const { store, log } = context;

  const startMember: CloneServers['startMember'] = (clone, member, options) =>
    servers.start(member, {
      ...startOptions(context, clone),
      login: loginOf(context, clone, member),
      ...options,
    });

  const start: CloneServers['start'] = async (clone, { members = clone.members, isFresh, signal } = {}) => {
    await all(members, (member) => startMember(clone, member, { isFresh, signal }));
  };

  const running: CloneServers['running'] = ({ members }) => all(members, (member) => servers.running(member));

  const settle: CloneServers['settle'] = async (id, problem, { datasets = [], change = {} } = {}) => {
    const found = await running(onDatasets(cloneOf(context, id), datasets));
    return () => {
      const clone = { ...onDatasets(cloneOf(context, id), datasets), ...change };
      store.clones.put(tellServers(clone, found, problem));
    };
  };

  return {
    start,
    startMember,
    async prepare(clone) {
      const options = startOptions(context, clone);
      await all(clone.members, (member) => servers.prepare(member, options));
    },
    async stop({ members }, mode) {
      await all(members, (member) => servers.stop(member, mode));
    },
    running,
    async setPassword(clone, signal) {
      await all(clone.members, async (member) => {
        if (await servers.running(member)) await startMember(clone, member, { signal });
      });
    },
    settle,
    async bringBack(id, problem, datasets = []) {
      const clone = onDatasets(cloneOf(context, id), datasets);
      const members = clone.members.filter(({ state }) => state === 'ready' || state === 'starting');
      try {
        await start(clone, { members });
      } catch (error) {
        // best effort: the row then says which servers run, and why the clone is stopped
        log.warning('a clone could not be started again', { clone: id, problem: String(error) });
      }
      const before = clone.stoppedBy === null ? 'It was stopped before. Start it again.' : null;
      const told = members.length === 0 ? before : problem;
      return settle(id, told, { datasets });
    },
  };
}
