/** The clones of this machine, as checkouts use them. */
import { referenceSchema, type Reference } from '../../protocol/ids.ts';
import { toFailure } from '../../protocol/errors.ts';
import type { Clones } from '../clones/clones.ts';
import type { ServiceContext } from '../context.ts';
import type { Environments } from '../environments/environments.ts';
import { exclusiveLane } from '../laneKeys.ts';
import type { HostClones } from './hostClones.ts';

const ref = (id: string): Reference => referenceSchema.parse(id);

export function createOwnClones(
  { store, catalog, runner, vault, storage, log }: ServiceContext,
  clones: Clones,
  environments: Pick<Environments, 'deleteSnapshot'>,
): HostClones {
  return {
    host: null,
    bindsAs: null,
    copiesLive: storage.capabilities.live,
    outOfReach: () => undefined,
    awaken: () => Promise.resolve(),
    environments: () => store.environments.list(),
    latestSnapshot: (environment) => catalog.latestSnapshot(environment),
    clones: () => store.clones.list(),
    clone: (id) => store.clones.get(id),
    find: (reference) => catalog.clone(reference),
    nameOf: ({ name }) => name,
    jobOn: (clone) => runner.holder([exclusiveLane(clone)]),
    job: (id) => runner.get(id),
    ended: (id) => runner.ended(id),
    create: async ({ environment, snapshot, ...request }, user) =>
      clones.create(
        {
          ...request,
          environment: ref(environment),
          ...(snapshot === undefined ? {} : { snapshot: ref(snapshot) }),
        },
        { user },
      ),
    start: async (clone, user) => clones.start(ref(clone), { user }),
    bind: async (clone, to, password, user) => clones.bind(ref(clone), to, password, { user }),
    keepState: async (clone, message, user) =>
      clones.commit(ref(clone), { message, origin: 'branch' }, { user }),
    dropSnapshot(snapshot, user) {
      try {
        environments.deleteSnapshot(ref(snapshot), { user });
      } catch (error) {
        // best effort: it stays as a snapshot like any other, and people can delete it
        log.warning('a snapshot is left over', { snapshot, problem: toFailure(error).message });
      }
    },
    passwordOf: async ({ id }) => vault.open(catalog.clone(ref(id)).sealedPassword),
    rememberWorktree(id, worktree) {
      const clone = store.clones.get(id);
      if (clone !== undefined && clone.worktree !== worktree) store.clones.put({ ...clone, worktree });
    },
    rememberFinished(id, finished, now) {
      const clone = store.clones.get(id);
      if (clone !== undefined && JSON.stringify(clone.finished) !== JSON.stringify(finished))
        store.clones.put({ ...clone, finished, countedAt: now });
    },
    moveTimes: () => undefined,
    destroy: async (clone, user) => clones.destroy(ref(clone), { user }),
    remembered: (id) => store.clones.get(id) ?? { worktree: null, finished: null },
    reads: clones.reads,
    wayTo: async () => ({ portOf: ({ port }) => port, far: undefined }),
  };
}
