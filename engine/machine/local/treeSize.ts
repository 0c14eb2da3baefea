/** Adds up the files of a directory tree on this machine. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TreeSize } from '../machine.ts';

const AT_ONCE = 64;

/** Never follows links; what disappears meanwhile counts nothing. */
export async function walkTree(path: string): Promise<TreeSize> {
  const total: TreeSize = { files: 0, bytes: 0, occupied: 0 };
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = folder;
    const entries = await unlessGone(readdir(here, { withFileTypes: true }));
    const files = (entries ?? []).filter((entry) => {
      if (entry.isDirectory()) folders.push(join(here, entry.name));
      return !entry.isDirectory();
    });
    for (let start = 0; start < files.length; start += AT_ONCE) {
      const sizes = files
        .slice(start, start + AT_ONCE)
        .map(({ name }) => unlessGone(lstat(join(here, name))));
      for (const size of await Promise.all(sizes)) {
        if (!size) continue;
        total.files += 1;
        total.bytes += size.size;
        // Always units of 512 bytes (stat(2)); Windows tells none.
        total.occupied += size.blocks > 0 ? size.blocks * 512 : process.platform === 'win32' ? size.size : 0;
      }
    }
  }
  return total;
}

async function unlessGone<Value>(work: Promise<Value>): Promise<Value | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}
