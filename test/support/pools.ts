/** Small file systems in loop files for tests: made, mounted, unmounted and removed here. Root on Linux only. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeMissing, ensureSystemPackages } from './systemPackages.ts';

const run = promisify(execFile);

export type PoolKind = 'btrfs' | 'xfs' | 'ext4';

export interface TestPool {
  kind: PoolKind;
  /** The mount point: an empty folder (but for lost+found on ext4). */
  path: string;
  dispose(): Promise<void>;
}

const recipes: Readonly<
  Record<PoolKind, { package: string; mkfs: readonly string[]; options: string; minimum: number }>
> = {
  btrfs: {
    package: 'btrfs-progs',
    mkfs: ['mkfs.btrfs', '-q'],
    options: 'loop,noatime,user_subvol_rm_allowed',
    minimum: 128,
  },
  // mkfs.xfs refuses less than 300 MB (xfsprogs 5.19).
  xfs: {
    package: 'xfsprogs',
    mkfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
    options: 'loop,noatime',
    minimum: 320,
  },
  ext4: { package: 'e2fsprogs', mkfs: ['mkfs.ext4', '-q', '-F'], options: 'loop,noatime', minimum: 8 },
};

/** Why a pool of this kind can't be made here, for `skipSuite`; undefined when it can. Installs what is missing. */
export async function poolObstacle(kind: PoolKind): Promise<string | undefined> {
  if (process.platform !== 'linux') return `a ${kind} loop file needs Linux`;
  if (process.getuid?.() !== 0) return `mounting a ${kind} loop file needs root`;
  const { missing } = await ensureSystemPackages([recipes[kind].package]);
  if (missing.length > 0) return describeMissing(missing);
  try {
    const pool = await makePool(kind);
    await pool.dispose();
    return undefined;
  } catch (error) {
    return `a ${kind} loop file can't be mounted: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}

/** Makes and mounts a file system of about this size (not less than the kind's minimum) in a sparse file. */
export async function makePool(
  kind: PoolKind,
  megabytes = 0,
  options = recipes[kind].options,
): Promise<TestPool> {
  const { mkfs, minimum } = recipes[kind];
  const folder = await mkdtemp(join(tmpdir(), `thin-clones-${kind}-`));
  const image = join(folder, 'image');
  const path = join(folder, 'mount');
  let mounted = false;
  const dispose = async (): Promise<void> => {
    if (mounted) await run('umount', [path]);
    mounted = false;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await writeFile(image, '');
    await truncate(image, Math.max(megabytes, minimum) * 1024 * 1024);
    const [program = '', ...args] = mkfs;
    await run(program, [...args, image], { env: sbinEnvironment() });
    await mkdir(path);
    await run('mount', ['-o', options, image, path], { env: sbinEnvironment() });
    mounted = true;
    return { kind, path, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function sbinEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

/** Unmounts the pool file that an engine which is root made in this home, so that the home can be removed. */
export async function unmountHome(home: string): Promise<void> {
  const path = join(home, 'pool');
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  if (mounts.split('\n').some((line) => line.split(' ')[4] === path)) await run('umount', [path]);
}
