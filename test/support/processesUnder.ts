/** Finds the processes that work inside a folder, so that a test can end what it started and see that nothing is left. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FoundProcess {
  pid: number;
  commandLine: string;
}

const isInside = (path: string, root: string): boolean => path === root || path.startsWith(`${root}/`);

function fromProc(roots: readonly string[]): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // Kernel threads and zombies have none: there is nothing to end.
      if (commandLine === '') continue;
      const cwd = readlinkSync(`/proc/${name}/cwd`).replace(/ \(deleted\)$/, '');
      if (roots.some((root) => isInside(cwd, root) || commandLine.includes(`${root}/`)))
        found.push({ pid, commandLine });
    } catch {
      // best effort: it ended while it was looked at, or is somebody else's
    }
  }
  return found;
}

/** Where there is no /proc the command lines have to do. */
function fromPs(roots: readonly string[]): FoundProcess[] {
  const { stdout } = spawnSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, commandLine]) => ({ pid: Number(pid), commandLine: commandLine ?? '' }))
    .filter(
      ({ pid, commandLine }) => pid !== process.pid && roots.some((root) => commandLine.includes(`${root}/`)),
    );
}

/** Processes whose working directory is in one of the folders, or whose command line names a path in one. */
export function processesUnder(roots: readonly string[]): FoundProcess[] {
  return process.platform === 'linux' ? fromProc(roots) : fromPs(roots);
}

/** SIGKILL to all of them at once; says who they were. For the last moment of a process: nothing is waited for. */
export function killUnder(roots: readonly string[]): FoundProcess[] {
  const found = processesUnder(roots);
  for (const { pid } of found) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // best effort: it has ended by itself
    }
  }
  return found;
}

/**
 * Whether the files of a process that was killed are closed, so that what they lie on can be unmounted. It has no command line long
 * before (do_exit gives up its memory first), and its first thread may be a zombie while others are still ending.
 */
function isOver(pid: number): boolean {
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return state === 'Z' && readdirSync(`/proc/${pid}/task`).length === 1;
  } catch {
    return true; // best effort: there is none any more
  }
}

/** Kills until there are none, since a server may just have been starting another. Resolves when their files are closed. */
export async function endAllUnder(roots: readonly string[]): Promise<void> {
  const deadline = performance.now() + 60_000;
  const killed = new Map<number, FoundProcess>();
  for (;;) {
    const found = killUnder(roots);
    for (const each of found) killed.set(each.pid, each);
    const left = [...killed.values()].filter(({ pid }) => !isOver(pid));
    if (found.length === 0 && left.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(
        `these processes did not end: ${[...found, ...left].map(({ pid, commandLine }) => `${pid} ${commandLine}`).join('; ')}`,
      );
    await sleep(5);
  }
}
