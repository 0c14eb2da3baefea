/** Does work as a user who may not read everything, for tests that root runs too. */
import { chown, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The user of no files, on Linux and macOS. */
const nobody = 65_534;

/** Root hands the folder to another user and works as that one; anybody else just works. */
export async function asUnprivileged<Value>(folder: string, work: () => Promise<Value>): Promise<Value> {
  if (process.getuid?.() !== 0 || process.seteuid === undefined) return work();
  await handOver(folder);
  process.seteuid(nobody);
  try {
    return await work();
  } finally {
    process.seteuid(0);
  }
}

async function handOver(folder: string): Promise<void> {
  await chown(folder, nobody, nobody);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await handOver(path);
    else if (entry.isFile()) await chown(path, nobody, nobody);
  }
}
