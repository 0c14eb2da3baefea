/** Finds clones of branches that are merged or gone and of removed working trees, and lets them go where that was asked for. */
import { durationMs } from '../../domain/expiry.ts';
import { propose } from '../../domain/proposals.ts';
import type { RepositoryReport, WorkingTree } from '../../git/git.ts';
import type { Proposal } from '../../protocol/entities.ts';
import { toFailure } from '../../protocol/errors.ts';
import { cloneNameSchema } from '../../protocol/ids.ts';
import type { FollowedTree } from '../checkouts/checkouts.ts';
import type { ServiceContext } from '../context.ts';
import type { HostClones, Remembered } from '../checkouts/hostClones.ts';
import { boundHere, type BoundClone, type CleanUpParts } from './cleanUpParts.ts';
import { takeRenamedAlong } from './renamedBranches.ts';

const lookIntervalMs = 3_600_000;

export interface CleanUp {
  /** A repository that can't be read proposes nothing. */
  proposals(signal?: AbortSignal): Promise<Proposal[]>;
  /** Looks now and then, until the signal aborts, and destroys what is past its grace period. */
  run(signal: AbortSignal): Promise<void>;
}

interface Found {
  proposal: Proposal;
  /** Who has the clone. */
  at: HostClones;
  automatic: boolean;
}

export function createCleanUp(parts: CleanUpParts): CleanUp {
  const { context, hosts, followed, time } = parts;
  const { clock, log } = context;

  const look = async (signal?: AbortSignal): Promise<Found[]> => {
    const found: Found[] = [];
    // What nobody reaches is not destroyed either.
    for (const at of hosts.all().filter((each) => each.outOfReach() === undefined)) {
      const bound = boundHere(at);
      for (const repository of new Set(bound.map((clone) => clone.repository))) {
        const ofIt = bound.filter((clone) => clone.repository === repository);
        found.push(...(await lookAtRepository(parts, at, repository, ofIt, signal)));
      }
    }
    return found;
  };

  const cleanUp = async (signal: AbortSignal): Promise<void> => {
    // Nobody knows what became of branches meanwhile: their clones' time is not counted.
    const away = hosts.all().filter((each) => each.outOfReach() !== undefined);
    for (const at of away) at.moveTimes(lookIntervalMs, time.now().toISOString());
    for (const { proposal, at, automatic } of await look(signal)) {
      if (!automatic) continue;
      const { clone, name, branch, reason, repository } = proposal;
      // Other repositories were looked at since, and somebody may have bound it elsewhere or use it.
      const isAsFound = boundHere(at).some(
        (each) => each.id === clone && each.branch === branch && each.repository === repository,
      );
      if (!isAsFound || followed().some((each) => each.clone === clone)) continue;
      log.info('destroying the clone of a finished branch', { clone, name, branch, reason });
      try {
        await at.destroy(clone, `clean-up of ${reason} branches`);
      } catch (error) {
        // best effort: it is busy or became protected, and is looked at again later
        log.info('it stays for now', { clone, problem: toFailure(error).message });
      }
    }
  };

  return {
    async proposals(signal) {
      return (await look(signal)).map(({ proposal }) => proposal);
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

async function lookAtRepository(
  { context, followed, time }: CleanUpParts,
  at: HostClones,
  repository: string,
  bound: readonly BoundClone[],
  signal: AbortSignal | undefined,
): Promise<Found[]> {
  const trees = followed().filter((each) => each.repository === repository);
  const tree = trees.find(({ isThere }) => isThere)?.tree ?? itself(repository);
  const state = await readRepository(context, tree, signal);
  const renamed = state === undefined ? new Set() : await takeRenamedAlong(context, at, tree, state, bound);
  const { shared, grace } = await settingsOf(context, trees);
  const inUse = new Set(followed().map((each) => each.clone));
  const now = time.now();
  // As they are now: a jump of the clock moved their times along.
  const mine = bound.flatMap(({ id, branch }) => {
    const clone = renamed.has(id) ? undefined : at.clone(id);
    return clone?.branch === branch && clone.repository === repository
      ? [{ ...clone, branch, ...at.remembered(id) }]
      : [];
  });
  const proposals = propose({
    repository: state,
    clones: mine.map((clone) => ({ ...clone, isInUse: inUse.has(clone.id) })),
    shared,
    before: mine.flatMap(({ id, finished }) =>
      finished === null ? [] : [{ clone: id, branch: finished.branch, sinceMs: Date.parse(finished.since) }],
    ),
    me: trees[0]?.createdBy ?? '',
    grace,
    now: { ms: now.getTime(), text: now.toISOString() },
  });
  return mine.flatMap((clone) => {
    const proposal = proposals.find((each) => each.clone === clone.id);
    // What can't be read now says nothing about what was known before.
    if (state !== undefined) at.rememberFinished(clone.id, finishedBy(proposal), now.toISOString());
    if (proposal === undefined) return [];
    const { branch, reason, sinceMs, isProtected, destroyAtMs, automatic } = proposal;
    return {
      proposal: {
        ...{ clone: clone.id, name: cloneNameSchema.parse(at.nameOf(clone)), environment: clone.environment },
        ...{ repository, branch, reason, since: new Date(sinceMs).toISOString() },
        ...{ createdAt: clone.createdAt, createdBy: clone.createdBy, bytes: clone.bytes, isProtected },
        destroyAt: destroyAtMs === null ? null : new Date(destroyAtMs).toISOString(),
      },
      ...{ at, automatic },
    };
  });
}

/**
 * As the files are now: nothing tells of one that was saved while HEAD stood still. Working trees may differ: the longest time
 * counts, and what can't be read asks for nothing.
 */
async function settingsOf(
  { workspaceFiles }: ServiceContext,
  trees: readonly FollowedTree[],
): Promise<{ shared: readonly string[]; grace: string | undefined }> {
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
}

const finishedBy = (
  proposal: { branch: string; reason: Proposal['reason']; sinceMs: number } | undefined,
): Remembered['finished'] =>
  proposal === undefined
    ? null
    : {
        branch: proposal.branch,
        reason: proposal.reason,
        since: new Date(proposal.sinceMs).toISOString(),
      };

/** A working tree that was removed can't be asked about its repository; the repository itself can. */
const itself = (repository: string): WorkingTree => ({
  ...{ path: repository, gitDirectory: repository, commonDirectory: repository },
  kind: 'main',
});

async function readRepository(
  { git, log }: ServiceContext,
  tree: WorkingTree,
  signal: AbortSignal | undefined,
): Promise<RepositoryReport | undefined> {
  try {
    return await git.branches(tree, signal);
  } catch (error) {
    log.info('a repository can not be read, so nothing is proposed for it', {
      repository: tree.commonDirectory,
      problem: toFailure(error).message,
    });
    return undefined;
  }
}
