/** Git repositories in memory, for simulations: what people do to them is done by methods, and watchers are told at once. */
import { fail } from '../../protocol/errors.ts';
import type { Branch, Git, Operation, WorkingTree } from '../git.ts';

/** One working tree. Its branches are those of its repository. */
export interface FakeTree {
  readonly tree: WorkingTree;
  /** Makes the branch when there is none yet. */
  checkout(branch: string): void;
  /** jj moves its HEAD from now on, and no bookmark is there. */
  useJujutsu(): void;
  detach(): void;
  commit(): void;
  /** A rebase and a bisect leave the branch until they end; the others stay on it. */
  begin(operation: Operation): void;
  end(): void;
  rename(from: string, to: string): void;
  deleteBranch(branch: string): void;
  /** The branch is merged into the default branch, with the work that was done on it. */
  merge(branch: string): void;
  /** Gives the branch an upstream. */
  push(branch: string): void;
  /** The upstream of the branch is gone from the remote, and that was fetched. */
  deleteUpstream(branch: string): void;
  addWorktree(path: string, branch: string): FakeTree;
  removeWorktree(path: string): void;
  /** HEAD says nothing that can be understood. */
  damageHead(): void;
  track(file: string): void;
  ignore(file: string): void;
}

export interface FakeGit extends Git {
  /** Without commits, on the branch main. */
  addRepository(path: string): FakeTree;
}

interface BranchState {
  commit: string;
  committedAt: string;
  upstream: string | null;
  isUpstreamGone: boolean;
  hasWork: boolean;
  isMerged: boolean;
  /** Newest first. */
  formerNames: string[];
}

interface TreeState {
  tree: WorkingTree;
  isGone: boolean;
  head: { branch: string } | { commit: string } | 'damaged';
  operation: Operation | null;
  /** Where it will return to. */
  left: string | null;
  isJujutsu: boolean;
  watchers: Set<() => void>;
  tracked: Set<string>;
  ignored: Set<string>;
}

interface RepositoryMemory {
  branches: Map<string, BranchState>;
  trees: Map<string, TreeState>;
}

const leavesBranch: ReadonlySet<Operation> = new Set<Operation>(['rebase', 'bisect']);
const DEFAULT_BRANCH = 'main';
const author = 'Somebody <somebody@example.org>';

/** `now` in epoch milliseconds: when commits are made. */
export function createFakeGit({ now }: { now: () => number }): FakeGit {
  const repositories = new Map<string, RepositoryMemory>();
  let commits = 0;

  const stateOf = (tree: WorkingTree): TreeState | undefined =>
    repositories.get(tree.commonDirectory)?.trees.get(tree.path);
  const memoryOf = (tree: WorkingTree): RepositoryMemory => {
    const memory = repositories.get(tree.commonDirectory);
    if (memory === undefined) throw fail('git_failed', { path: tree.path, problem: 'it is gone.' });
    return memory;
  };

  function treeIn(memory: RepositoryMemory, state: TreeState): FakeTree {
    const tell = (): void => {
      for (const watcher of state.watchers) watcher();
    };
    const known = (branch: string): BranchState => {
      const found = memory.branches.get(branch);
      if (found === undefined) throw new Error(`there is no branch ${branch}`);
      return found;
    };
    const tip = (): string | null =>
      state.head === 'damaged'
        ? null
        : 'commit' in state.head
          ? state.head.commit
          : (memory.branches.get(state.head.branch)?.commit ?? null);
    const present = (): string => {
      const commit = tip();
      if (commit === null) throw new Error('there is no commit yet');
      return commit;
    };
    const newBranch = (commit: string): BranchState => ({
      commit,
      committedAt: new Date(now()).toISOString(),
      upstream: null,
      isUpstreamGone: false,
      hasWork: false,
      isMerged: false,
      formerNames: [],
    });

    return {
      tree: state.tree,
      checkout: (branch) => {
        const commit = tip();
        if (commit !== null && !memory.branches.has(branch)) memory.branches.set(branch, newBranch(commit));
        state.head = { branch };
        tell();
      },
      detach: () => {
        state.head = { commit: present() };
        tell();
      },
      useJujutsu: () => {
        state.isJujutsu = true;
        state.head = { commit: present() };
        tell();
      },
      commit: () => {
        const commit = (++commits).toString(16).padStart(40, '0');
        if (state.head === 'damaged') throw new Error('HEAD is damaged');
        if ('commit' in state.head) state.head = { commit };
        else {
          const before = memory.branches.get(state.head.branch) ?? newBranch(commit);
          const committedAt = new Date(now()).toISOString();
          memory.branches.set(state.head.branch, {
            ...before,
            commit,
            committedAt,
            hasWork: true,
            isMerged: false,
          });
        }
        tell();
      },
      begin: (operation) => {
        state.operation = operation;
        if (leavesBranch.has(operation) && state.head !== 'damaged' && 'branch' in state.head) {
          state.left = state.head.branch;
          state.head = { commit: present() };
        }
        tell();
      },
      end: () => {
        state.operation = null;
        if (state.left !== null) state.head = { branch: state.left };
        state.left = null;
        tell();
      },
      rename: (from, to) => {
        const branch = known(from);
        memory.branches.delete(from);
        memory.branches.set(to, { ...branch, formerNames: [from, ...branch.formerNames] });
        for (const other of memory.trees.values()) {
          if (other.head === 'damaged' || !('branch' in other.head) || other.head.branch !== from) continue;
          other.head = { branch: to };
          for (const watcher of other.watchers) watcher();
        }
      },
      deleteBranch: (branch) => {
        known(branch);
        memory.branches.delete(branch);
      },
      merge: (branch) => {
        known(branch).isMerged = true;
      },
      push: (branch) => {
        known(branch).upstream = `refs/remotes/origin/${branch}`;
      },
      deleteUpstream: (branch) => {
        known(branch).isUpstreamGone = true;
      },
      addWorktree: (path, branch) => {
        const tree: WorkingTree = {
          path,
          commonDirectory: state.tree.commonDirectory,
          gitDirectory: `${state.tree.commonDirectory}/worktrees/${path.slice(path.lastIndexOf('/') + 1)}`,
          kind: 'worktree',
        };
        if (!memory.branches.has(branch)) memory.branches.set(branch, newBranch(present()));
        const before = memory.trees.get(path);
        const made = before ?? newTree(tree);
        made.head = { branch };
        made.isGone = false;
        memory.trees.set(path, made);
        for (const watcher of made.watchers) watcher();
        return treeIn(memory, made);
      },
      removeWorktree: (path) => {
        const removed = memory.trees.get(path);
        if (removed === undefined) throw new Error(`there is no working tree ${path}`);
        removed.isGone = true;
        for (const watcher of removed.watchers) watcher();
      },
      damageHead: () => {
        state.head = 'damaged';
        tell();
      },
      track: (file) => void state.tracked.add(file),
      ignore: (file) => void state.ignored.add(file),
    };
  }

  return {
    addRepository: (path) => {
      const gitDirectory = `${path}/.git`;
      const state = newTree({ path, gitDirectory, commonDirectory: gitDirectory, kind: 'main' });
      const memory: RepositoryMemory = { branches: new Map(), trees: new Map([[path, state]]) };
      repositories.set(gitDirectory, memory);
      return treeIn(memory, state);
    },
    locate: async (folder) => {
      const trees = [...repositories.values()].flatMap(({ trees }) => [...trees.values()]);
      const around = trees
        .filter(({ isGone, tree }) => !isGone && `${folder}/`.startsWith(`${tree.path}/`))
        .filter(({ tree }) => !`${folder}/`.startsWith(`${tree.path}/.git/`));
      return around.sort((one, other) => other.tree.path.length - one.tree.path.length)[0]?.tree;
    },
    head: async (tree) => {
      const state = stateOf(tree);
      if (state === undefined || state.isGone)
        return { kind: 'unreadable', problem: `the working tree ${tree.path} is gone` };
      const { head, operation, left } = state;
      if (head === 'damaged')
        return {
          kind: 'unreadable',
          problem: `HEAD in ${tree.gitDirectory} is neither a branch nor a commit`,
        };
      const tool = state.isJujutsu ? { tool: 'jj' as const } : {};
      if ('commit' in head)
        return { kind: 'detached', commit: head.commit, operation, branch: left, ...tool };
      const commit = memoryOf(tree).branches.get(head.branch)?.commit ?? null;
      return { kind: 'branch', branch: head.branch, commit, operation };
    },
    watch: async (tree, onChange) => {
      const state = stateOf(tree);
      const watcher = (): void => onChange();
      state?.watchers.add(watcher);
      return { close: () => void state?.watchers.delete(watcher) };
    },
    formerNames: async (tree, branch) => {
      const { branches } = memoryOf(tree);
      return (branches.get(branch)?.formerNames ?? []).filter((name) => !branches.has(name));
    },
    branches: async (tree, signal) => {
      signal?.throwIfAborted();
      const { branches, trees } = memoryOf(tree);
      return {
        defaultBranch: branches.has(DEFAULT_BRANCH) ? DEFAULT_BRANCH : null,
        branches: [...branches].map(([name, state]): Branch => ({
          name,
          commit: state.commit,
          upstream: state.upstream,
          isUpstreamGone: state.isUpstreamGone,
          mergedInto: state.isMerged && state.hasWork && name !== DEFAULT_BRANCH ? DEFAULT_BRANCH : null,
          committedAt: state.committedAt,
          author,
        })),
        worktrees: [...trees.values()]
          .filter(({ isGone, tree: { kind } }) => !isGone || kind !== 'worktree')
          .map(({ tree: { path }, head, left, isGone }) => ({
            path,
            branch: left ?? (head !== 'damaged' && 'branch' in head ? head.branch : null),
            isGone,
          })),
      };
    },
    isTracked: async (tree, file) => stateOf(tree)?.tracked.has(file) === true,
    isIgnored: async (tree, file) => {
      const state = stateOf(tree);
      return state?.ignored.has(file) === true && !state.tracked.has(file);
    },
  };
}

function newTree(tree: WorkingTree): TreeState {
  return {
    tree,
    isGone: false,
    head: { branch: DEFAULT_BRANCH },
    operation: null,
    left: null,
    isJujutsu: false,
    watchers: new Set(),
    tracked: new Set(),
    ignored: new Set(),
  };
}
