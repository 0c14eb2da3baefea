/** All working trees of a repository, by the files in its Git directory. */
import { lstat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { mapBounded } from '../../domain/mapBounded.ts';
import type { ListedWorkingTree, WorkingTree } from '../git.ts';
import { readNames, readText } from './files.ts';
import { headOf } from './head.ts';
import type { GitProgram } from './program.ts';

/** Some repositories have hundreds, and each is several files. */
const TREES_AT_ONCE = 16;

/** The main one first. */
export async function listWorkingTrees(
  tree: WorkingTree,
  program: GitProgram,
): Promise<readonly ListedWorkingTree[]> {
  const { commonDirectory } = tree;
  const folder = join(commonDirectory, 'worktrees');
  const linked = await mapBounded(
    (await readNames(folder)) ?? [],
    TREES_AT_ONCE,
    async (name): Promise<ListedWorkingTree[]> => {
      const gitDirectory = join(folder, name);
      // Relative to its folder with `worktree.useRelativePaths`.
      const gitFile = (await readText(join(gitDirectory, 'gitdir')))?.trim();
      if (gitFile === undefined || gitFile === '') return [];
      const path = resolve(gitDirectory, gitFile);
      const isLocked = (await readText(join(gitDirectory, 'locked'))) !== undefined;
      return [
        {
          path: dirname(path),
          branch: await branchAt(gitDirectory, commonDirectory, program),
          isGone: !isLocked && !(await exists(path)),
        },
      ];
    },
  );
  const main = {
    path: mainPath(tree),
    branch: await branchAt(commonDirectory, commonDirectory, program),
    isGone: false,
  };
  return [main, ...linked.flat()];
}

function mainPath({ kind, path, commonDirectory }: WorkingTree): string {
  if (kind !== 'worktree') return path;
  return basename(commonDirectory) === '.git' ? dirname(commonDirectory) : commonDirectory;
}

/** Rejects where files can't be read: what is checked out there is then not known. */
async function branchAt(
  gitDirectory: string,
  commonDirectory: string,
  program: GitProgram,
): Promise<string | null> {
  const head = await headOf(gitDirectory, commonDirectory, program);
  return head.kind === 'unreadable' ? null : head.branch;
}

/** Only a plain absence is one: a folder that can't be looked into is there. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    return !(
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ENOTDIR')
    );
  }
}
