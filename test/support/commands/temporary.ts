/** The folder below which all suites work: in memory where there is enough, since a run writes tens of gigabytes that nobody keeps. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Pools, data directories and browsers of one suite have taken four at most. */
const NEEDED_BYTES = 12 * 2 ** 30;

export interface Temporary {
  readonly folder: string;
  readonly inMemory: boolean;
  close(): Promise<void>;
}

export async function openTemporary(): Promise<Temporary> {
  // Short, because unix sockets lie below it and their path may have 103 bytes at most on macOS.
  const folder = await mkdtemp(join(process.platform === 'win32' ? tmpdir() : '/tmp', 'tc'));
  const inMemory =
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    freemem() >= NEEDED_BYTES &&
    (await mounts(folder));
  await chmod(folder, 0o755);
  return {
    folder,
    inMemory,
    async close() {
      if (inMemory) await run('umount', ['-l', folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function mounts(folder: string): Promise<boolean> {
  try {
    const options = ['-o', `size=${Math.floor((NEEDED_BYTES * 2) / 3)},mode=0755`];
    await run('mount', ['-t', 'tmpfs', ...options, 'tmpfs', folder]);
    return true;
  } catch {
    // best effort: root of a container may not mount, and the disk is as good, only slower
    return false;
  }
}
