/** Real repositories for tests: a person who types Git commands. */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Operation } from '../../../engine/git/git.ts';
import type { Person } from './git.contract.ts';

const execute = promisify(execFile);

export interface GitRun {
  (folder: string, ...args: string[]): Promise<string>;
}

export interface RealPlace {
  folder: string;
  /** The environment of whoever uses Git there: without anything that this machine has set up. */
  environment: NodeJS.ProcessEnv;
  run: GitRun;
  /** As `run`, where Git is to end with an error, because it stops in the middle. */
  stop: GitRun;
  repository: (path: string) => Promise<Person>;
  dispose: () => Promise<void>;
}

/** `more` is added to the environment of the people there. */
export async function makeRealPlace(more: NodeJS.ProcessEnv = {}): Promise<RealPlace> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'thin-clones-git-')));
  const home = join(root, 'home');
  const folder = join(root, 'work');
  await Promise.all([mkdir(home), mkdir(folder)]);
  await writeFile(
    join(home, '.gitconfig'),
    '[user]\nname = Test Person\nemail = person@example.org\n[init]\ndefaultBranch = main\n[advice]\ndetachedHead = false\n[protocol "file"]\nallow = always\n',
  );
  const environment = {
    PATH: process.env['PATH'],
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_EDITOR: 'true',
    ...more,
  };
  const run: GitRun = async (cwd, ...args) => {
    const { stdout } = await execute('git', args, { cwd, env: environment });
    return stdout.trim();
  };
  const stop: GitRun = async (cwd, ...args) => {
    try {
      await run(cwd, ...args);
    } catch (error) {
      return String(error);
    }
    throw new Error(`git ${args.join(' ')} went through`);
  };
  const repository = async (path: string): Promise<Person> => {
    await run(folder, 'init', '--quiet', path);
    return personAt(path, run, stop);
  };
  return {
    folder,
    environment,
    run,
    stop,
    repository,
    dispose: () => rm(root, { recursive: true }),
  };
}

/** So that no two commits are one. */
let commits = 0;

function personAt(path: string, run: GitRun, stop: GitRun): Person {
  const git = (...args: string[]): Promise<string> => run(path, ...args);
  const did = async (...args: string[]): Promise<void> => {
    await git(...args);
  };
  let under: Operation | undefined;

  /** Every commit changes the one line of the one file, so that whatever is put upon a later one stops with a conflict. */
  const change = async (): Promise<void> => {
    const before = await readFile(join(path, 'line'), 'utf8').catch(() => '0');
    await writeFile(join(path, 'line'), String(Number(before) + 1));
    await git('add', 'line');
  };
  const hasBranch = async (branch: string): Promise<boolean> =>
    (await git('for-each-ref', '--format=%(refname)', `refs/heads/${branch}`)) !== '';

  return {
    path,
    checkout: async (branch) => {
      if (await hasBranch(branch)) await git('checkout', '--quiet', branch);
      else await git('checkout', '--quiet', '-b', branch);
    },
    detach: async () => did('checkout', '--quiet', '--detach'),
    commit: async () => {
      await change();
      await git('commit', '--quiet', '--message', `work ${++commits}`);
    },
    begin: async (operation) => {
      under = operation;
      switch (operation) {
        case 'rebase':
          await stop(path, 'rebase', '--exec', 'false', 'HEAD~1');
          break;
        case 'merge': {
          const other = await git('commit-tree', 'HEAD^{tree}', '-p', 'HEAD', '-m', 'other');
          await git('merge', '--quiet', '--no-ff', '--no-commit', other);
          break;
        }
        case 'cherry-pick':
        case 'revert':
          await stop(path, operation, 'HEAD~1');
          break;
        case 'bisect':
          await git('bisect', 'start', 'HEAD', 'HEAD~2');
          break;
        case 'am': {
          const patch = join(path, '.git-patch');
          await writeFile(patch, `${await git('format-patch', '-1', '--stdout', 'HEAD~1')}\n`);
          await stop(path, 'am', patch);
          break;
        }
      }
    },
    end: async () => {
      await git(under ?? 'rebase', under === 'bisect' ? 'reset' : '--abort');
    },
    rename: async (from, to) => did('branch', '--move', from, to),
    deleteBranch: async (branch) => did('branch', '--delete', '--force', branch),
    merge: async (branch) => did('merge', '--quiet', '--no-edit', branch),
    push: async (branch) => {
      const remote = `${path}-remote`;
      if ((await git('remote')) === '') {
        await git('init', '--quiet', '--bare', remote);
        await git('remote', 'add', 'origin', remote);
      }
      await git('push', '--quiet', '--set-upstream', 'origin', branch);
    },
    deleteUpstream: async (branch) => did('push', '--quiet', 'origin', '--delete', branch),
    addWorktree: async (other, branch) => {
      if (await hasBranch(branch)) await git('worktree', 'add', '--quiet', other, branch);
      else await git('worktree', 'add', '--quiet', '-b', branch, other);
      return personAt(other, run, stop);
    },
    removeWorktree: async (other) => did('worktree', 'remove', '--force', other),
    damageHead: () => writeFile(join(path, '.git', 'HEAD'), 'nonsense\n'),
    track: async (file) => {
      await writeFile(join(path, file), '');
      await git('add', '--force', '--', `:(literal)${file}`);
    },
    ignore: async (file) => {
      const folder = join(path, '.git', 'info');
      if ((await stat(folder).catch(() => undefined)) === undefined) await mkdir(folder);
      await appendFile(join(folder, 'exclude'), `${file.replaceAll('*', '\\*')}\n`);
    },
  };
}
