/** Makes the throw-away folders of one VS Code run, and removes them with everything that still runs from them. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.ts';

const run = promisify(execFile);

const END_TIMEOUT_MS = 15_000;

export interface Scratch {
  /** For `startVSCodeServer`. */
  readonly runDir: string;
  /** A Git repository with one commit on `main` and a branch `feature/a`. */
  readonly workspace: string;
  /** An empty folder without Git: there the extension does not activate by itself. */
  readonly plainFolder: string;
  /** For THIN_CLONES_HOME: everything an engine owns. */
  readonly home: string;
  /** Runs Git in `workspace`, under a name of its own. */
  git(...args: readonly string[]): Promise<void>;
  /**
   * Ends what still runs with `home` in its environment or arguments (engine, database servers), unmounts what an
   * engine mounted below it (its storage pool, as root), and removes the folders.
   */
  dispose(): Promise<void>;
}

export async function makeScratch(): Promise<Scratch> {
  // Short, because unix sockets live below it and their path may have 107 bytes at most (unix(7)).
  const root = await mkdtemp(join(tmpdir(), 'tcv-'));
  // Where we are root, database servers run as another user, who must be able to pass through.
  await chmod(root, 0o711);
  const workspace = join(root, 'workspace');
  const plainFolder = join(root, 'plain');
  const home = join(root, 'home');
  await Promise.all([workspace, plainFolder, home, join(root, 'run')].map(async (dir) => await mkdir(dir)));
  const git = async (...args: readonly string[]): Promise<void> => {
    const identity = [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@localhost',
      '-c',
      'commit.gpgsign=false',
    ];
    await run('git', ['-C', workspace, ...identity, ...args]);
  };
  await writeFile(join(workspace, 'README.md'), '# A workspace for tests\n');
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-q', '-m', 'Begin');
  await git('branch', 'feature/a');
  return {
    runDir: join(root, 'run'),
    workspace,
    plainFolder,
    home,
    git,
    async dispose() {
      await endProcessesOf(home);
      await unmountBelow(home);
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function unmountBelow(home: string): Promise<void> {
  if (process.platform !== 'linux') return;
  // proc_pid_mountinfo(5): the fifth field is the mount point; later lines are mounted over or below earlier ones.
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${home}/`));
  for (const point of points.toReversed()) await run('umount', [point]);
}

async function endProcessesOf(home: string): Promise<void> {
  const killAt = Date.now() + END_TIMEOUT_MS / 2;
  let asked = false;
  await until(
    `the processes of ${home} to end`,
    () => {
      const pids = processesOf(home);
      if (pids.length === 0) return true;
      const hard = Date.now() > killAt;
      if (!asked || hard) for (const pid of pids) signal(pid, hard ? 'SIGKILL' : 'SIGTERM');
      asked = true;
      return undefined;
    },
    { timeoutMs: END_TIMEOUT_MS, seen: async () => processesOf(home) },
  );
}

function processesOf(home: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        // A zombie's files are empty, so it never counts.
        const words = ['environ', 'cmdline'].flatMap((file) =>
          readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0'),
        );
        return words.some((word) => word === `THIN_CLONES_HOME=${home}` || word.includes(`${home}/`));
      } catch {
        // best effort: it ended in between, or belongs to another user and so cannot be ours.
        return false;
      }
    });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
