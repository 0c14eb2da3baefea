/** Git on this machine: HEAD by reading and watching files, the rest by asking Git. */
import { realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fail } from '../../protocol/errors.ts';
import type { Git, WorkingTree } from '../git.ts';
import { isAbsence } from './files.ts';
import { readHead } from './head.ts';
import { createGitProgram } from './program.ts';
import { namesBefore, readReflog } from './reflog.ts';
import { readRef, refOfBranch } from './refs.ts';
import { reportOf } from './report.ts';
import { LOOK_AGAIN_MS, watchHead } from './watch.ts';

export interface LocalGitOptions {
  /** Of the engine: PATH, HOME and what else Git needs are taken from it, GIT_DIR and its like are not. */
  environment: NodeJS.ProcessEnv;
  /** How often a watch looks by itself, for changes that nothing told it of. */
  lookAgainMs?: number;
}

export function createLocalGit({ environment, lookAgainMs = LOOK_AGAIN_MS }: LocalGitOptions): Git {
  const program = createGitProgram({ environment });

  /** Questions about the repository are asked where it surely is: a working tree may be gone. */
  const placeOf = async ({ path, commonDirectory }: WorkingTree): Promise<string> =>
    (await kindOf(join(path, '.git'))) === undefined ? commonDirectory : path;
  const isReftable = async ({ commonDirectory }: WorkingTree): Promise<boolean> =>
    (await kindOf(join(commonDirectory, 'reftable'))) === 'directory';
  const exists = async (tree: WorkingTree, branch: string): Promise<boolean> => {
    if (!(await isReftable(tree))) return (await readRef(tree.commonDirectory, refOfBranch(branch))) !== null;
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', refOfBranch(branch)];
    const answer = await program.ask(tree.commonDirectory, args);
    return 'output' in answer && answer.output.trim() !== '';
  };

  return {
    locate: async (folder) => {
      if ((await kindOf(folder)) !== 'directory') return undefined;
      const real = await realpath(folder);
      const questions = ['--show-toplevel', '--absolute-git-dir', '--git-common-dir'];
      const answer = await program.askAround(real, ['rev-parse', ...questions]);
      if ('refusal' in answer) {
        if (/not a git repository|must be run in a work tree/.test(answer.refusal)) return undefined;
        throw fail('git_failed', { path: folder, problem: answer.refusal });
      }
      const lines = answer.output.replace(/\r?\n$/, '').split(/\r?\n/);
      const [top, own, common] = lines;
      if (top === undefined || own === undefined || common === undefined || lines.length > 3)
        throw fail('git_failed', { path: folder, problem: 'its path has a line break in it.' });
      const path = await realpath(resolve(real, top));
      const gitDirectory = await realpath(resolve(real, own));
      const commonDirectory = await realpath(resolve(real, common));
      const isElsewhere = (await kindOf(join(path, '.git'))) === 'file';
      const kind =
        gitDirectory !== commonDirectory
          ? 'worktree'
          : isElsewhere && gitDirectory.includes(`${sep}modules${sep}`)
            ? 'submodule'
            : 'main';
      return { path, gitDirectory, commonDirectory, kind };
    },
    head: (tree) => readHead(tree, program),
    watch: async (tree, onChange) => watchHead(tree, onChange, { lookAgainMs }),
    formerNames: async (tree, branch) => {
      const repository = { commonDirectory: tree.commonDirectory, isReftable: await isReftable(tree) };
      const names = namesBefore(branch, await readReflog(repository, branch, program));
      const areThere = await Promise.all(names.map((name) => exists(tree, name)));
      return names.filter((_, index) => areThere[index] === false);
    },
    branches: async (tree, signal) =>
      reportOf({ tree, folder: await placeOf(tree), isReftable: await isReftable(tree) }, program, signal),
    isTracked: async (tree, file) =>
      (await program.read(tree.path, ['ls-files', '--cached', '-z', '--', `:(literal)${file}`])) !== '',
    // A leading `:` would be read as more than a name.
    isIgnored: async (tree, file) =>
      (await program.read(tree.path, ['check-ignore', '--', `./${file}`])) !== '',
  };
}

/** Undefined when nothing is there. Follows links. */
async function kindOf(path: string): Promise<'directory' | 'file' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}
