/** Finds clones of branches that are merged or gone and of removed working trees, and lets them go where that was asked for. */
import { isPattern } from '../domain/branches.ts';
import { durationMs } from '../domain/expiry.ts';
import { propose } from '../domain/janitor.ts';
import type { RepositoryReport, WorkingTree } from '../git/git.ts';
import type { Proposal } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import { referenceSchema, type CloneId } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { FollowedTree } from './checkouts/checkouts.ts';
import type { Clones } from './clones/clones.ts';
import type { ServiceContext } from './context.ts';
import type { CountedTime } from './countedTime.ts';

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
  time: CountedTime,
): Janitor {
  const { store, git, clock, log, workspaceFiles } = context;

  const look = async (signal?: AbortSignal): Promise<Found[]> => {
    const found: Found[] = [];
    const bound = store.clones
      .list()
      .filter((clone): clone is CloneRecord & { repository: string; branch: string } =>
        [clone.repository, clone.branch].every((part) => part !== null),
      );
    for (const repository of new Set(bound.map((clone) => clone.repository))) {
      const trees = followed().filter((each) => each.repository === repository);
      const tree = trees.find(({ isThere }) => isThere)?.tree ?? itself(repository);
      const state = await readRepository(tree, signal);
      const all = bound.filter((clone) => clone.repository === repository);
      const renamed = state === undefined ? new Set() : await takeRenamedAlong(tree, state, all);
      const { shared, grace } = await settingsOf(trees);
      const inUse = new Set(followed().map((each) => each.clone));
      const now = time.now();
      // As they are now: a jump of the clock moved their times along.
      const mine = all.flatMap(({ id, branch }) => {
        const clone = renamed.has(id) ? undefined : store.clones.get(id);
        return clone?.branch === branch && clone.repository === repository ? [{ ...clone, branch }] : [];
      });
      const proposals = propose({
        repository: state,
        clones: mine.map((clone) => ({ ...clone, isInUse: inUse.has(clone.id) })),
        shared,
        before: mine.flatMap(({ id, finished }) =>
          finished === null
            ? []
            : [{ clone: id, branch: finished.branch, sinceMs: Date.parse(finished.since) }],
        ),
        me: trees[0]?.createdBy ?? '',
        grace,
        now: { ms: now.getTime(), text: now.toISOString() },
      });
      for (const clone of mine) {
        const proposal = proposals.find((each) => each.clone === clone.id);
        // What can't be read now says nothing about what was known before.
        if (state !== undefined) remember(clone, proposal, now);
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

  /**
   * As the files are now: nothing tells of one that was saved while HEAD stood still. Working trees may differ: the longest time
   * counts, and what can't be read asks for nothing.
   */
  const settingsOf = async (
    trees: readonly FollowedTree[],
  ): Promise<{ shared: readonly string[]; grace: string | undefined }> => {
    const shared = trees.flatMap(({ workspace }) => workspace?.branches?.shared ?? []);
    const times: string[] = [];
    let isReadable = true;
    for (const { tree } of trees.filter(({ isThere }) => isThere)) {
      const { workspace, problem } = await workspaceFiles.read(tree.path);
      isReadable &&= problem === null;
      shared.push(...(workspace?.branches?.shared ?? []));
      if (workspace?.branches?.cleanUpAfter !== undefined) times.push(workspace.branches.cleanUpAfter);
    }
    const [longest] = times.sort((one, other) => durationMs(other) - durationMs(one));
    return { shared, grace: isReadable ? longest : undefined };
  };

  const remember = (
    { id }: CloneRecord,
    proposal: { branch: string; reason: Proposal['reason']; sinceMs: number } | undefined,
    now: Date,
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
    if (JSON.stringify(clone.finished) !== JSON.stringify(finished))
      store.clones.put({ ...clone, finished, countedAt: now.toISOString() });
  };

  /** A working tree that was removed can't be asked about its repository; the repository itself can. */
  const itself = (repository: string): WorkingTree => ({
    ...{ path: repository, gitDirectory: repository, commonDirectory: repository },
    kind: 'main',
  });

  const readRepository = async (
    tree: WorkingTree,
    signal?: AbortSignal,
  ): Promise<RepositoryReport | undefined> => {
    try {
      return await git.branches(tree, signal);
    } catch (error) {
      log.info('a repository can not be read, so nothing is proposed for it', {
        repository: tree.commonDirectory,
        problem: toFailure(error).message,
      });
      return undefined;
    }
  };

  /** A branch that is gone because it has another name now keeps its clone, also before it is checked out again. */
  const takeRenamedAlong = async (
    tree: WorkingTree,
    { branches }: RepositoryReport,
    bound: readonly (CloneRecord & { branch: string })[],
  ): Promise<Set<CloneId>> => {
    const taken = new Set<CloneId>();
    const lost = bound.filter(
      ({ branch }) => !isPattern(branch) && !branches.some(({ name }) => name === branch),
    );
    if (lost.length === 0) return taken;
    for (const { name } of branches) {
      const hasOne = new Set(bound.filter(({ branch }) => branch === name).map((each) => each.environment));
      const open = lost.filter(({ id, environment }) => !taken.has(id) && !hasOne.has(environment));
      if (open.length === 0) continue;
      const former = await git.formerNames(tree, name);
      for (const environment of new Set(open.map((each) => each.environment))) {
        const clone = former
          .map((before) => open.find((each) => each.environment === environment && each.branch === before))
          .find((each) => each !== undefined);
        if (clone === undefined) continue;
        taken.add(clone.id);
        try {
          const to = { repository: tree.commonDirectory, branch: name };
          clones.bind(referenceSchema.parse(clone.id), to, undefined, { user: clone.createdBy });
        } catch (error) {
          // best effort: it is busy, and taken along at the next look
          log.info('a renamed branch', { clone: clone.id, problem: toFailure(error).message });
        }
      }
    }
    return taken;
  };

  const cleanUp = async (signal: AbortSignal): Promise<void> => {
    for (const { clone, name, branch, reason, automatic } of await look(signal)) {
      if (!automatic) continue;
      // Other repositories were looked at since, and somebody may have bound it elsewhere or use it.
      const isAsFound = store.clones.get(clone)?.branch === branch;
      if (!isAsFound || followed().some((each) => each.clone === clone)) continue;
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
