/** Which clones nobody seems to need any more, by what became of their branches. Missing knowledge never proposes. */
import type { Clone } from '../protocol/entities.ts';
import type { CloneId } from '../protocol/ids.ts';
import { durationMs, isProtected } from './expiry.ts';
import { isPattern, matches } from './branches.ts';

/** The part of a repository's report that counts here; engine/git/git.ts says what the fields mean. */
export interface RepositoryState {
  defaultBranch: string | null;
  branches: readonly {
    name: string;
    upstream: string | null;
    isUpstreamGone: boolean;
    mergedInto: string | null;
  }[];
  worktrees: readonly { path: string; branch: string | null; isGone: boolean }[];
}

/** A clone that is bound to a branch of that repository. */
export interface BoundClone {
  id: CloneId;
  branch: string;
  createdBy: string;
  protectedUntil: Clone['protectedUntil'];
  /** Where it was last in use, when that was a linked working tree. */
  worktree: string | null;
  /** The ports of a checkout lead to it, whatever branch that is on. */
  isInUse?: boolean;
}

export type ProposalReason = 'merged' | 'deleted' | 'remote-deleted' | 'worktree-removed';

export interface Proposal {
  clone: CloneId;
  branch: string;
  reason: ProposalReason;
  /** Since when that is known, in epoch milliseconds. */
  sinceMs: number;
  isProtected: boolean;
  isMine: boolean;
  /** When it may be destroyed without asking, in epoch milliseconds; null: never. */
  destroyAtMs: number | null;
  /** It may be destroyed now without asking. */
  automatic: boolean;
}

export interface ProposalInput {
  /** Undefined: it can't be read now. Keep the earlier proposals for `before` then, so that their times are not lost. */
  repository: RepositoryState | undefined;
  clones: readonly BoundClone[];
  /** Branches that share clones: they live long, so being merged says nothing of them. */
  shared: readonly string[];
  /** The earlier proposals of this repository. */
  before: readonly Pick<Proposal, 'clone' | 'branch' | 'sinceMs'>[];
  /** Who asks, as `createdBy` says it. */
  me: string;
  /** `7d`: what is mine and unprotected goes without asking after that long; undefined: never. */
  grace: string | undefined;
  /** `text` in RFC 3339 UTC with milliseconds. */
  now: { ms: number; text: string };
}

export function propose({
  repository,
  clones,
  shared,
  before,
  me,
  grace,
  now,
}: ProposalInput): readonly Proposal[] {
  if (repository === undefined) return [];
  return clones.flatMap((clone) => {
    const reason = reasonFor(clone, repository, shared);
    if (reason === undefined) return [];
    const known = before.find((earlier) => earlier.clone === clone.id && earlier.branch === clone.branch);
    const sinceMs = Math.min(known?.sinceMs ?? now.ms, now.ms);
    const protectedNow = isProtected(clone, now.text);
    const isMine = clone.createdBy === me;
    const isLeft = !isMine || protectedNow || clone.isInUse === true;
    const destroyAtMs = grace === undefined || isLeft ? null : sinceMs + durationMs(grace);
    return {
      clone: clone.id,
      branch: clone.branch,
      reason,
      sinceMs,
      isProtected: protectedNow,
      isMine,
      destroyAtMs,
      automatic: destroyAtMs !== null && now.ms >= destroyAtMs,
    };
  });
}

function reasonFor(
  { branch: key, worktree }: BoundClone,
  { defaultBranch, branches, worktrees }: RepositoryState,
  shared: readonly string[],
): ProposalReason | undefined {
  const isOf = (name: string | null): boolean =>
    name !== null && (isPattern(key) ? matches(key, name) : name === key);
  if (isOf(defaultBranch) || worktrees.some((tree) => !tree.isGone && isOf(tree.branch))) return undefined;

  const found = branches.filter(({ name }) => isOf(name));
  if (found.length === 0) return worktrees.some((tree) => isOf(tree.branch)) ? 'worktree-removed' : 'deleted';
  const [branch] = found;
  if (branch === undefined || isPattern(key)) return undefined;

  const livesLong = shared.some((pattern) => matches(pattern, key));
  if (branch.mergedInto !== null && !livesLong) return 'merged';
  if (branch.isUpstreamGone && branch.upstream?.startsWith('refs/remotes/') === true) return 'remote-deleted';
  const isThere = worktrees.some(({ path, isGone }) => path === worktree && !isGone);
  return worktree !== null && !isThere ? 'worktree-removed' : undefined;
}
