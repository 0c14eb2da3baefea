/** Removes files and folders with all that is in them, and never what a link leads to. */
import { lstat, rm, rmdir, unlink } from 'node:fs/promises';
import { isAbsolute, parse, resolve } from 'node:path';
import type { Machine } from '../machine.ts';
import { hasCode, stdoutOf } from './commands.ts';
import { unlessMissing } from './fileFacts.ts';

export async function removeTree(
  path: string,
  { platform, run }: Pick<Machine, 'platform' | 'run'>,
): Promise<void> {
  const target = resolve(path);
  if (!isAbsolute(path) || parse(target).root === target) {
    throw new Error(`refusing to remove ${path}: not an absolute path below the root`);
  }
  const found = await unlessMissing(lstat(path));
  if (!found) return;
  if (!found.isDirectory()) {
    await gone(() => unlink(path));
    return;
  }
  if (platform === 'win32') {
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
    return;
  }
  try {
    await gone(() => rmdir(path));
    return;
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  // rm(1) walks by openat and O_NOFOLLOW, which node:fs can't: the server user, who owns these trees, could
  // otherwise put a link where root is about to remove a folder.
  await run({
    program: 'rm',
    args: ['-rf', '--', target],
    env: { LC_ALL: 'C' },
    parse: stdoutOf(`rm ${target}`),
  });
}

async function gone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
