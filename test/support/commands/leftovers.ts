/** Sees what a suite left on the machine (processes, mounts, loop devices, sockets, folders), and removes it. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A server that is shutting down may be seen for a moment after its test is over, and a slow machine takes its time. */
const GRACE_MS = 20_000;
const POLL_MS = 50;

/** Caches of Node, Chromium and npm for their next run; sockets that VS Code itself leaves when it is ended. */
const HARMLESS = [
  /^node-compile-cache$/,
  /^v8-compile-cache/,
  /^\.?org\.chromium\./,
  /^npm-/,
  /^vscode-(git|ipc)-[\w-]+\.sock$/,
  /^vscode-typescript\d+$/,
];

export interface Leftovers {
  /** The temporary folder that the suite is given: everything it makes lies below it or carries its name. */
  readonly folder: string;
  /** One sentence for each thing that is still there. Waits a moment for what is just ending. */
  find(): Promise<readonly string[]>;
  /** Kills, unmounts and removes all of it. */
  clear(): Promise<void>;
}

export async function watchLeftovers(folder: string, graceMs = GRACE_MS): Promise<Leftovers> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // As /tmp: root's database servers run as another user.
  await chmod(folder, 0o1777);
  const socketFoldersBefore = new Set(await socketFolders());

  const look = async (): Promise<string[]> => {
    const [processes, mounts, loops, files, sockets] = await Promise.all([
      processesOf(folder),
      mountsBelow(folder),
      loopDevicesOf(folder),
      names(folder),
      abandonedSocketFolders(socketFoldersBefore),
    ]);
    return [
      ...processes.map(({ pid, command }) => `process ${pid} still runs: ${command}`),
      ...mounts.map((path) => `${path} is still mounted`),
      ...loops.map(({ device, file }) => `the loop device ${device} is still attached to ${file}`),
      ...files
        .filter((name) => !HARMLESS.some((pattern) => pattern.test(name)))
        .map((name) => `${join(folder, name)} was not removed`),
      ...sockets.map((path) => `${path} was not removed`),
    ];
  };

  return {
    folder,
    async find() {
      const deadline = performance.now() + graceMs;
      for (;;) {
        const found = await look();
        if (found.length === 0 || performance.now() > deadline) return found;
        await delay(POLL_MS);
      }
    },
    async clear() {
      const deadline = performance.now() + GRACE_MS;
      for (let processes = await processesOf(folder); processes.length > 0;) {
        for (const { pid } of processes) kill(pid);
        if (performance.now() > deadline) break;
        await delay(POLL_MS);
        processes = await processesOf(folder);
      }
      // The innermost first.
      for (const path of (await mountsBelow(folder)).sort((a, b) => b.length - a.length)) {
        await run('umount', ['-l', path]).catch(tell);
      }
      for (const { device } of await loopDevicesOf(folder)) await run('losetup', ['-d', device]).catch(tell);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(tell);
      for (const path of await abandonedSocketFolders(socketFoldersBefore)) {
        await rm(path, { recursive: true, force: true }).catch(tell);
      }
    },
  };
}

function tell(error: unknown): void {
  // best effort: what can't be removed is reported, and the run has failed by its leftovers anyway
  console.error(`  ${error instanceof Error ? error.message : String(error)}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * By the working directory, the arguments or TMPDIR, which programs hand down. PostgreSQL's children write over their
 * environment, but work in their data directory.
 */
async function processesOf(folder: string): Promise<readonly { pid: number; command: string }[]> {
  if (process.platform !== 'linux') return [];
  const found: { pid: number; command: string }[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').filter(Boolean);
      // A zombie has no arguments, and nothing of it is left but its number.
      if (words.length === 0) continue;
      const places = [
        ...words,
        await readlink(`/proc/${pid}/cwd`),
        ...(await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0'),
      ];
      const isOurs = places.some(
        (place) => place.includes(`${folder}/`) || place.endsWith(folder) || place.includes(`${folder} (`),
      );
      if (isOurs) found.push({ pid, command: words.join(' ').slice(0, 200) });
    } catch (error) {
      // It ended while we looked, or belongs to another user and so cannot be ours.
      if (!isCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw error;
    }
  }
  return found;
}

async function mountsBelow(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  return (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((path) => path.startsWith(`${folder}/`));
}

async function loopDevicesOf(folder: string): Promise<readonly { device: string; file: string }[]> {
  const found: { device: string; file: string }[] = [];
  if (process.platform !== 'linux') return found;
  for (const name of await names('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    try {
      const file = (await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8')).trim();
      if (file.startsWith(`${folder}/`)) found.push({ device: `/dev/${name}`, file });
    } catch (error) {
      // A device without a file has no such entry.
      if (!isCode(error, 'ENOENT', 'ENXIO')) throw error;
    }
  }
  return found;
}

/** The short folders for sockets that an engine makes outside its home, because a socket's path has to be short. */
async function socketFolders(): Promise<string[]> {
  return (await names('/tmp'))
    .filter((name) => /^thin-clones-\d+-[0-9a-f]{12}$/.test(name))
    .map((name) => join('/tmp', name));
}

/** New ones that no running process names: another engine on this machine is none of our business. */
async function abandonedSocketFolders(before: ReadonlySet<string>): Promise<string[]> {
  const fresh = (await socketFolders()).filter((path) => !before.has(path));
  const abandoned: string[] = [];
  for (const path of fresh) if (!(await isInUse(path))) abandoned.push(path);
  return abandoned;
}

async function isInUse(path: string): Promise<boolean> {
  const listening = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  if (listening.includes(`${path}/`)) return true;
  return (await processesOf(path)).length > 0;
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
