/** The pool file: a btrfs (or XFS) file system in a sparse file, made and mounted by an engine that is root. */
import type { Machine } from '../machine/machine.ts';
import type { StorageDriver } from '../protocol/entities.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import { POOL_FILE } from './pool.ts';
import type { Storage } from './storage.ts';
import type { TreeDriver } from './treeDriver.ts';
import { runTool } from './tools.ts';
import { join } from 'node:path';

export type PoolFileKind = 'btrfs' | 'xfs';

const GIB = 2 ** 30;
/** Of the space that the disk has for it. The file is sparse: it occupies what was written. */
const SHARE = 0.8;
const LARGEST = 16 * 1024 * GIB;
export const SMALLEST = GIB;
/** Growing for less is not worth it. */
export const GROWTH = 1.1;
/**
 * What must stay free on the disk below before something new is made: when a loop device can't write, the file system
 * inside goes read-only, which is worse than a refusal.
 */
export const RESERVE = 256 * 2 ** 20;

export const poolFileOf = (root: string): string => `${root}.img`;

const makers: readonly { kind: PoolFileKind; package: string; program: string; args: readonly string[] }[] = [
  { kind: 'btrfs', package: 'btrfs-progs', program: 'mkfs.btrfs', args: ['-q', '-f'] },
  { kind: 'xfs', package: 'xfsprogs', program: 'mkfs.xfs', args: ['-q', '-f', '-m', 'reflink=1'] },
];

/** Why no pool file can be made beside `root`, and what would change that. */
export async function poolFileObstacle(
  machine: Machine,
  root: string,
  driver?: StorageDriver,
): Promise<{ problem: string; fix: string | null } | undefined> {
  if (machine.platform !== 'linux') return { problem: 'a pool file needs Linux', fix: null };
  if (!machine.isRoot) {
    return { problem: 'mounting a pool file needs root', fix: 'run the engine as root' };
  }
  if (!(await findMaker(machine, driver))) {
    return { problem: 'the program mkfs.btrfs is missing', fix: 'apt-get install btrfs-progs' };
  }
  const devices = await machine.files.stat('/dev/loop-control');
  if (!devices)
    return { problem: 'this machine has no loop devices (/dev/loop-control)', fix: 'modprobe loop' };
  const size = await sizeFor(machine, root, 0);
  if (size < SMALLEST) {
    return { problem: 'the disk has less than 1 GiB free for a pool file', fix: 'free some space' };
  }
  return undefined;
}

/**
 * Makes the pool file unless it is there, mounts it at `root` unless it is (as after a reboot), and lets it grow when
 * the disk has more room now. Errors: storage_failed, storage_foreign, storage_full.
 */
export async function ensurePoolFile(
  machine: Machine,
  root: string,
  signal?: AbortSignal,
): Promise<PoolFileKind> {
  const { files } = machine;
  const image = poolFileOf(root);
  const mounted = await mountedKind(machine, root);
  if (mounted) return mounted;

  // Mounting over a store would hide it.
  if (await files.stat(join(root, POOL_FILE))) {
    throw fail('storage_foreign', {
      path: root,
      problem: `it holds a store already, and ${image} wants to be mounted over it; move one of them away`,
    });
  }
  if (!(await files.stat(image))) await makeImage(machine, root, image, signal);
  const grown = await enlarge(machine, root, image, signal);
  await files.makeDirectory(root, { mode: 0o711 });
  const kind = await kindOf(machine, root, image, signal);
  const options = kind === 'btrfs' ? 'loop,noatime,user_subvol_rm_allowed' : 'loop,noatime';
  await runTool(
    machine,
    root,
    { program: 'mount', args: ['-t', kind, '-o', options, image, root] },
    { signal },
  );
  if (grown) {
    const tool =
      kind === 'btrfs'
        ? { program: 'btrfs', args: ['filesystem', 'resize', 'max', root] }
        : { program: 'xfs_growfs', args: [root] };
    await runTool(machine, root, tool, { signal });
  }
  return kind;
}

/**
 * Wraps a driver and its store so that the disk below counts: nothing new is made when it is nearly full, and the
 * free space is the smaller one.
 */
export async function guardPoolFile(
  machine: Machine,
  root: string,
  open: (guard: (driver: TreeDriver) => TreeDriver) => Promise<Storage>,
): Promise<Storage> {
  const below = () => machine.files.space(poolFileOf(root));
  const full = (freeBytes: number, cause?: unknown) =>
    fail('storage_full', { storage: `${poolFileOf(root)} (the disk below it)`, freeBytes }, { cause });
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    const { freeBytes } = await below();
    if (freeBytes < RESERVE) throw full(freeBytes);
    try {
      await work();
    } catch (error) {
      // Inside, a disk that is full below looks like a broken one (EIO).
      const after = (await below()).freeBytes;
      if (isFailure(error, 'storage_failed') && after < RESERVE) throw full(after, error);
      throw error;
    }
  };
  const storage = await open((driver) => ({
    ...driver,
    makeTree: (path, signal, tags) => guarded(() => driver.makeTree(path, signal, tags)),
    copyTree: (from, to, options, tags) => guarded(() => driver.copyTree(from, to, options, tags)),
  }));
  return {
    ...storage,
    async space() {
      const [inside, disk] = [await storage.space(), await below()];
      return { totalBytes: inside.totalBytes, freeBytes: Math.min(inside.freeBytes, disk.freeBytes) };
    },
  };
}

export async function findMaker(machine: Machine, driver?: StorageDriver) {
  for (const maker of makers) {
    if (driver === 'btrfs' && maker.kind !== 'btrfs') continue;
    if (driver === 'reflink' && maker.kind !== 'xfs') continue;
    try {
      await runTool(machine, '/', { program: maker.program, args: ['-V'], parse: () => undefined });
      return maker;
    } catch (error) {
      if (!isFailure(error, 'programs_missing')) throw error;
    }
  }
  return undefined;
}

/** Bytes that the pool file should have, when it occupies so many now. */
export async function sizeFor(machine: Machine, root: string, occupied: number): Promise<number> {
  const { freeBytes } = await machine.files.space(join(root, '..'));
  const wanted = Math.min(LARGEST, (freeBytes + occupied) * SHARE);
  return Math.floor(wanted / 2 ** 20) * 2 ** 20;
}

async function makeImage(machine: Machine, root: string, image: string, signal?: AbortSignal): Promise<void> {
  const maker = await findMaker(machine);
  if (!maker) throw fail('storage_failed', { storage: root, problem: 'the program mkfs.btrfs is missing' });
  // Under another name until it is a file system: a killed engine leaves nothing that looks like a pool file.
  const unfinished = `${image}.new`;
  await machine.files.remove(unfinished);
  try {
    await machine.files.writeAtomic(unfinished, '');
    await resize(machine, root, unfinished, await sizeFor(machine, root, 0), signal);
    await runTool(machine, root, { program: maker.program, args: [...maker.args, unfinished] }, { signal });
    await machine.files.rename(unfinished, image);
  } catch (error) {
    await machine.files.remove(unfinished);
    throw error;
  }
}

async function enlarge(
  machine: Machine,
  root: string,
  image: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const found = await machine.files.stat(image);
  if (!found) return false;
  const wanted = await sizeFor(machine, root, await occupiedBy(machine, root, image));
  if (wanted < found.bytes * GROWTH) return false;
  await resize(machine, root, image, wanted, signal);
  return true;
}

/** Bytes of the disk that a sparse file has. */
export const occupiedBy = (machine: Machine, root: string, image: string): Promise<number> =>
  runTool(machine, root, {
    program: 'stat',
    args: ['-c', '%b %B', image],
    parse: ({ stdout }) => {
      const [blocks = 0, unit = 512] = stdout.trim().split(' ').map(Number);
      return blocks * unit;
    },
  });

const resize = (machine: Machine, root: string, image: string, bytes: number, signal?: AbortSignal) =>
  runTool(
    machine,
    root,
    { program: 'truncate', args: ['-s', String(bytes), image], parse: () => undefined },
    { signal },
  );

const kindOf = (machine: Machine, root: string, image: string, signal?: AbortSignal): Promise<PoolFileKind> =>
  runTool(
    machine,
    root,
    {
      program: 'blkid',
      args: ['-p', '-o', 'value', '-s', 'TYPE', image],
      parse: ({ stdout }) => {
        const kind = stdout.trim();
        if (kind === 'btrfs' || kind === 'xfs') return kind;
        throw fail('storage_foreign', { path: image, problem: `it holds "${kind}", not a pool` });
      },
    },
    { signal },
  );

/** What is mounted at `root` now, by the kernel's own list (proc_pid_mountinfo(5)). */
export async function mountedKind(machine: Machine, root: string): Promise<PoolFileKind | undefined> {
  if (!(await machine.files.stat(root))) return undefined;
  const path = await machine.fileSystem.realPath(root);
  const escaped = path.replace(
    /[\\ \t\n]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  const text = (await machine.files.read('/proc/self/mountinfo')) ?? '';
  const line = text.split('\n').findLast((each) => each.split(' ')[4] === escaped);
  if (line === undefined) return undefined;
  const kind = line.slice(line.indexOf(' - ') + 3).split(' ')[0] ?? '';
  if (kind === 'btrfs' || kind === 'xfs') return kind;
  throw fail('storage_foreign', { path: root, problem: `a file system of type ${kind} is mounted there` });
}
