/** Tells at once when HEAD of a working tree may say something else. */
import { lstatSync, watch as watchDirectory, type FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { GitWatch, WorkingTree } from '../git.ts';
import { operationFiles } from './operations.ts';

/**
 * The second source, for file systems that tell nothing (network, some containers), for folders that were moved, and for
 * when the operating system has no watches left.
 */
export const LOOK_AGAIN_MS = 2_000;

/** Enough for every step of a path to come in between. */
const MAXIMAL_ROUNDS = 100;

interface WatchedDirectory {
  path: string;
  /** Names in it whose changes count. */
  names: ReadonlySet<string>;
}

/**
 * Git renames `HEAD.lock` onto HEAD, so directories are watched and not files. Beside HEAD and the files of operations these count:
 * `logs/HEAD`, which every move of the branch is added to; the table list of the reftable kind; and `.git` of a tree whose Git directory is
 * elsewhere, because the tree can go without it. jj writes `checkout` at each of its operations, also where only a bookmark moved.
 */
function directoriesOf({ path, gitDirectory }: WorkingTree): readonly WatchedDirectory[] {
  return [
    { path: gitDirectory, names: new Set(['HEAD', 'logs', 'reftable', ...operationFiles]) },
    { path: join(gitDirectory, 'logs'), names: new Set(['HEAD']) },
    { path: join(gitDirectory, 'reftable'), names: new Set(['tables.list']) },
    { path: join(path, '.jj', 'working_copy'), names: new Set(['checkout']) },
    ...(dirname(gitDirectory) === path ? [] : [{ path, names: new Set(['.git']) }]),
  ];
}

export function watchHead(
  tree: WorkingTree,
  onChange: () => void,
  { lookAgainMs }: { lookAgainMs: number },
): GitWatch {
  const directories = directoriesOf(tree);
  const attached = new Map<string, { watcher: FSWatcher; inode: string }>();
  let ancestor: { watcher: FSWatcher; path: string; inode: string } | undefined;
  let isClosed = false;
  let seen = '';

  const detach = (path: string): void => {
    attached.get(path)?.watcher.close();
    attached.delete(path);
  };

  /** Watches what is there now and is not watched yet; called again whenever a directory may have gone or come. */
  const attach = (): void => {
    // Again while something came or went just before its watch was made: nobody would tell of that.
    for (let round = 0; round < MAXIMAL_ROUNDS && attachOnce(); round++);
  };

  /** Whether it changed anything. */
  const attachOnce = (): boolean => {
    let isChanged = false;
    for (const { path, names } of directories) {
      const inode = inodeOf(path);
      if (attached.get(path)?.inode === inode) continue;
      isChanged ||= attached.has(path);
      detach(path);
      if (inode === undefined) continue;
      const watcher = tryWatch(path, (name) => {
        // No name, or its own: it may have been removed or moved.
        const isSelf = name === null || name === basename(path);
        if (isSelf || name === 'logs' || name === 'reftable') attach();
        if (isSelf || names.has(name)) changed();
      });
      if (watcher === undefined) continue;
      attached.set(path, { watcher, inode });
      isChanged = true;
    }
    return awaitReturn() || isChanged;
  };

  /** Of a tree that is gone the nearest folder that is still there is watched, until it is back. */
  const awaitReturn = (): boolean => {
    const missing = [tree.gitDirectory, tree.path].find((path) => inodeOf(path) === undefined);
    const path = missing === undefined ? undefined : nearestFolder(missing);
    const inode = path === undefined ? undefined : inodeOf(path);
    if (ancestor?.path === path && ancestor?.inode === inode) return false;
    ancestor?.watcher.close();
    ancestor = undefined;
    if (path === undefined || inode === undefined) return false;
    const watcher = tryWatch(path, lookAgain);
    if (watcher === undefined) return false;
    ancestor = { watcher, path, inode };
    return true;
  };

  const tryWatch = (path: string, onEvent: (name: string | null) => void): FSWatcher | undefined => {
    try {
      const watcher = watchDirectory(path, { persistent: false }, (_event, name) => {
        if (!isClosed) onEvent(name);
      });
      watcher.on('error', () => {
        // Windows tells so that the directory was removed. What is gone is found gone at the next look.
        watcher.close();
        detach(path);
      });
      return watcher;
    } catch {
      return undefined; // best effort: the directory has just gone, or there are no watches left; the second source goes on
    }
  };

  const changed = (): void => {
    seen = stateOf(tree, directories);
    onChange();
  };

  const lookAgain = (): void => {
    attach();
    const state = stateOf(tree, directories);
    if (state === seen) return;
    seen = state;
    onChange();
  };

  // The state first: what changes while the watches are being made is then seen at the second look at the latest.
  seen = stateOf(tree, directories);
  attach();
  lookAgain();
  const timer = setInterval(lookAgain, lookAgainMs);
  timer.unref();
  return {
    close: () => {
      isClosed = true;
      clearInterval(timer);
      for (const path of [...attached.keys()]) detach(path);
      ancestor?.watcher.close();
    },
  };
}

function inodeOf(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stats?.isDirectory() === true ? `${stats.dev}:${stats.ino}` : undefined;
}

function nearestFolder(path: string): string | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    if (inodeOf(folder) !== undefined) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Changes when one of the watched names does. */
function stateOf(tree: WorkingTree, directories: readonly WatchedDirectory[]): string {
  const names = [...operationFiles, 'HEAD'].map((name) => join(tree.gitDirectory, name));
  const others = directories
    .slice(1)
    .flatMap(({ path, names }) => [...names].map((name) => join(path, name)));
  return [...names, ...others, join(tree.path, '.git')]
    .map((path) => {
      const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true });
      if (stats === undefined) return '-';
      // A directory's time changes with every file in it: of `.git` only its being there counts.
      return stats.isDirectory() ? `${stats.ino}` : `${stats.ino}:${stats.mtimeNs}:${stats.size}`;
    })
    .join();
}
