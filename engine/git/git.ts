/** The port to Git working trees: what HEAD says, when that changes, and what became of branches. Reads only, never fetches. */
import type { Head } from '../protocol/entities.ts';

export type Operation = NonNullable<Extract<Head, { operation: unknown }>['operation']>;

export interface WorkingTree {
  /** Real path of its top folder. */
  path: string;
  /** Real path of its own Git directory: where its HEAD and its operations are. */
  gitDirectory: string;
  /** Identity of the repository: real path of the Git directory that all its working trees share. */
  commonDirectory: string;
  kind: 'main' | 'worktree' | 'submodule';
}

export interface Branch {
  /** Without `refs/heads/`. */
  name: string;
  commit: string;
  /** Full name of the ref that it follows, e.g. `refs/remotes/origin/feature`. */
  upstream: string | null;
  /** It follows a branch of a remote that the last fetch did not find there any more. */
  isUpstreamGone: boolean;
  /**
   * `main` or `origin/main` when that has all its commits, and work was seen on it: commits were made on it that are there now, or it came
   * from a remote and reached the default branch through a merge. So a fresh branch at the tip of main is not merged.
   */
  mergedInto: string | null;
  /** RFC 3339 in UTC with milliseconds: when its last commit was made. */
  committedAt: string;
  /** Of its last commit: `Name <address>`. */
  author: string;
}

export interface ListedWorkingTree {
  /** Of a bare repository, and of a main working tree whose folder is not known from here, the Git directory. */
  path: string;
  /** Where its HEAD is, or where the operation under way will return to; null: nowhere, or it can't be read. */
  branch: string | null;
  /** Its folder is not there any more, and nobody locked it against being forgotten. */
  isGone: boolean;
}

export interface RepositoryReport {
  /** Null when nothing tells which one it is; then nothing counts as merged. */
  defaultBranch: string | null;
  branches: readonly Branch[];
  /** All that the repository knows, the main one first. */
  worktrees: readonly ListedWorkingTree[];
}

export interface GitWatch {
  close(): void;
}

/** Errors are `git_failed`, with what to do about it: Git missing, a repository of another user, a broken one. */
export interface Git {
  /** Undefined: not in a working tree, in a bare repository, or there is no such folder. */
  locate(folder: string): Promise<WorkingTree | undefined>;
  /** Reads files only (with reftable it asks Git). Never rejects: what can't be read is `unreadable`. */
  head(tree: WorkingTree): Promise<Head>;
  /**
   * Calls back at once at each change that could change what `head` answers, also when the tree goes or comes back; sometimes without
   * need. Read `head` after it resolved: then no change is missed. Works for a tree that is gone just now.
   */
  watch(tree: WorkingTree, onChange: () => void): Promise<GitWatch>;
  /** Names that the branch had before it was renamed, newest first, without those that are branches again. Empty when nothing tells. */
  formerNames(tree: WorkingTree, branch: string): Promise<readonly string[]>;
  branches(tree: WorkingTree, signal?: AbortSignal): Promise<RepositoryReport>;
  /** `file` relative to the tree. */
  isTracked(tree: WorkingTree, file: string): Promise<boolean>;
  /** Whether Git would leave the file alone: `.gitignore` and its like. False for tracked files. */
  isIgnored(tree: WorkingTree, file: string): Promise<boolean>;
}
