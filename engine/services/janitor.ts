/** Finds clones of branches that are merged or gone and of removed working trees, and lets them go where that was asked for. */
import { propose } from '../domain/janitor.ts';
import type { WorkingTree } from '../git/git.ts';
import type { Proposal } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import { referenceSchema } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { FollowedTree } from './checkouts.ts';
import type { Clones } from './clones.ts';
import type { ServiceContext } from './context.ts';

const lookIntervalMs = 3_600_000;

export interface Janitor {
  /** A repository that can't be read proposes nothing. */
  proposals(signal?: AbortSignal): Promise<Proposal[]>;
  /** Looks now and then, until the signal aborts, and destroys what is past its grace period. */
  run(signal: AbortSignal): Promise<void>;
}

interface Found extends Proposal {
  automatic: boolean;
}

export function createJanitor(
  context: ServiceContext,
  clones: Clones,
  /** The working trees that are followed, by repository. */
  followed: () => readonly FollowedTree[],
): Janitor {
  const { store, git, clock, log } = context;

  const look = async (signal?: AbortSignal): Promise<Found[]> => {
    const found: Found[] = [];
    const bound = store.clones
      .list()
      .filter((clone): clone is CloneRecord & { repository: string; branch: string } =>
        [clone.repository, clone.branch].every((part) => part !== null),
      );
    for (const repository of new Set(bound.map((clone) => clone.repository))) {
      const trees = followed().filter((each) => each.repository === repository);
      const state = await readRepository(repository, trees, signal);
      const mine = bound.filter((clone) => clone.repository === repository);
      const now = clock.now();
      const proposals = propose({
        repository: state,
        clones: mine,
        shared: trees.flatMap(({ workspace }) => workspace?.branches?.shared ?? []),
        before: mine.flatMap(({ id, finished }) =>
          finished === null
            ? []
            : [{ clone: id, branch: finished.branch, sinceMs: Date.parse(finished.since) }],
        ),
        me: trees[0]?.createdBy ?? '',
        grace: trees.flatMap(({ workspace }) => workspace?.branches?.cleanUpAfter ?? [])[0],
        now: { ms: now.getTime(), text: now.toISOString() },
      });
      for (const clone of mine) {
        const proposal = proposals.find((each) => each.clone === clone.id);
        // What can't be read now says nothing about what was known before.
        if (state !== undefined) remember(clone, proposal);
        if (proposal === undefined) continue;
        const { branch, reason, sinceMs, isProtected, destroyAtMs, automatic } = proposal;
        found.push({
          ...{
            clone: clone.id,
            name: clone.name,
            environment: clone.environment,
            repository,
            branch,
            reason,
          },
          since: new Date(sinceMs).toISOString(),
          ...{ createdAt: clone.createdAt, createdBy: clone.createdBy, bytes: clone.bytes, isProtected },
          destroyAt: destroyAtMs === null ? null : new Date(destroyAtMs).toISOString(),
          automatic,
        });
      }
    }
    return found;
  };

  const remember = (
    { id }: CloneRecord,
    proposal: { branch: string; reason: Proposal['reason']; sinceMs: number } | undefined,
  ): void => {
    const clone = store.clones.get(id);
    if (clone === undefined) return;
    const finished =
      proposal === undefined
        ? null
        : {
            branch: proposal.branch,
            reason: proposal.reason,
            since: new Date(proposal.sinceMs).toISOString(),
          };
    if (JSON.stringify(clone.finished) !== JSON.stringify(finished)) store.clones.put({ ...clone, finished });
  };

  const readRepository = async (repository: string, trees: readonly FollowedTree[], signal?: AbortSignal) => {
    // A working tree that was removed can't be asked about its repository; the repository itself can.
    const itself: WorkingTree = {
      ...{ path: repository, gitDirectory: repository, commonDirectory: repository },
      kind: 'main',
    };
    const living = trees.find(({ isThere }) => isThere)?.tree ?? itself;
    try {
      return await git.branches(living, signal);
    } catch (error) {
      log.info('a repository can not be read, so nothing is proposed for it', {
        repository,
        problem: toFailure(error).message,
      });
      return undefined;
    }
  };

  const cleanUp = async (signal: AbortSignal): Promise<void> => {
    for (const { clone, name, branch, reason, automatic } of await look(signal)) {
      if (!automatic) continue;
      log.info('destroying the clone of a finished branch', { clone, name, branch, reason });
      try {
        clones.destroy(referenceSchema.parse(clone), { user: `clean-up of ${reason} branches` });
      } catch (error) {
        // best effort: it is busy or became protected, and is looked at again later
        log.info('it stays for now', { clone, problem: toFailure(error).message });
      }
    }
  };

  return {
    async proposals(signal) {
      return (await look(signal)).map(({ automatic: _automatic, ...proposal }) => proposal);
    },
    async run(signal) {
      for (;;) {
        try {
          await clock.sleep(lookIntervalMs, signal);
          await cleanUp(signal);
        } catch (error) {
          if (signal.aborted) return;
          log.warning('finished branches', { problem: toFailure(error).message });
        }
      }
    },
  };
}
