/** Writes the block of variables into a file of a working tree: all of it or nothing, and never through a symbolic link. */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fail, ThinClonesError } from '../protocol/errors.ts';
import { readRegularFile } from '../protocol/node/regularFile.ts';
import { withBlock, withoutBlock } from './envBlock.ts';

type Refuse = (problem: string, cause?: unknown) => ThinClonesError;

const largest = 1_000_000;
/** Between the file's name and something random. */
const mark = '.thin-clones-';
const codeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));

const words: Record<string, string> = {
  EACCES: 'it may not be written',
  EPERM: 'it may not be written',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  // EDQUOT, for which libuv has no name: of Linux and of macOS.
  'Unknown system error -122': 'the disk quota is used up',
  'Unknown system error -69': 'the disk quota is used up',
  ENOENT: 'its folder is not there',
};

/** Undefined where nothing is. */
async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file's path, and what is there, when nothing on the way from the tree to it leads elsewhere. */
async function findFile(
  tree: string,
  file: string,
  refuse: Refuse,
): Promise<{ path: string; found: Stats | undefined }> {
  const top = await realpath(tree);
  const path = resolve(top, file);
  const steps = relative(top, path).split(sep);
  if (!path.startsWith(`${top}${sep}`) || steps[0] === '..')
    throw refuse('it is not inside the working tree');
  if (steps.some((step) => step.toLowerCase() === '.git')) throw refuse('it is inside the Git directory');
  let at = top;
  for (const step of steps.slice(0, -1)) {
    at = join(at, step);
    const found = await look(at);
    if (found === undefined) throw refuse(`there is no folder ${relative(top, at)}`);
    if (found.isSymbolicLink()) throw refuse(`${relative(top, at)} is a symbolic link`);
    if (!found.isDirectory()) throw refuse(`${relative(top, at)} is no folder`);
  }
  const found = await look(path);
  if (found?.isSymbolicLink() === true) throw refuse('it is a symbolic link');
  if (found?.isDirectory() === true) throw refuse('it is a folder');
  if (found !== undefined && !found.isFile()) throw refuse('it is no regular file');
  return { path, found };
}

const sameFile = (a: Stats | undefined, b: Stats | undefined): boolean =>
  a === undefined || b === undefined
    ? a === b
    : a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.mode === b.mode;

/**
 * In one step for whoever reads it; a file beside it carries the new text until then. False: somebody else changed the
 * file meanwhile, and nothing was done. The name begins as the file's does, so that what Git ignores goes on to be ignored.
 */
async function replace(path: string, text: string, found: Stats | undefined): Promise<boolean> {
  const temporary = `${path}${mark}${randomBytes(8).toString('hex')}`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      if (found !== undefined && (found.uid !== process.getuid?.() || found.gid !== process.getgid?.()))
        await handle.chown(found.uid, found.gid);
      if (found !== undefined) await handle.chmod(found.mode & 0o7777);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const isSame = sameFile(await look(path), found);
    if (isSame) await rename(temporary, path);
    else await rm(temporary);
    return isSame;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What a killed engine left here; one that runs is done with its own within moments. */
async function removeLeftOvers(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}${mark}`) || !/-[0-9a-f]{16}$/.test(name)) continue;
    const found = await look(join(folder, name));
    if (found?.isFile() === true && Date.now() - found.mtimeMs > 60_000)
      await rm(join(folder, name), { force: true });
  }
}

/**
 * Puts the variables into the block of a file (path relative to the tree), or takes the block out when they are null.
 * A new file is for its owner only; one that is there keeps mode and owner. Errors: `env_file_failed`.
 */
export async function writeBlock(
  tree: string,
  file: string,
  variables: Readonly<Record<string, string>> | null,
): Promise<'written' | 'unchanged'> {
  const refuse = (problem: string, cause?: unknown) => fail('env_file_failed', { file, problem }, { cause });
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      const done = await attemptBlock(tree, file, variables, refuse);
      if (done !== 'meanwhile') return done;
    }
    throw refuse('another program keeps changing it');
  } catch (error) {
    if (error instanceof ThinClonesError) throw error;
    throw refuse(words[codeOf(error)] ?? codeOf(error), error);
  }
}

/** `meanwhile`: somebody else changed the file between reading and writing. */
async function attemptBlock(
  tree: string,
  file: string,
  variables: Readonly<Record<string, string>> | null,
  refuse: Refuse,
): Promise<'written' | 'unchanged' | 'meanwhile'> {
  // A working tree that was removed took its block along.
  if (variables === null && (await look(dirname(resolve(tree, file)))) === undefined) return 'unchanged';
  const { path, found } = await findFile(tree, file, refuse);
  if (found === undefined && variables === null) return 'unchanged';
  if (found !== undefined && found.size > largest)
    throw refuse(`it has ${found.size} bytes, and at most ${largest} are read`);
  const bytes =
    found === undefined
      ? Buffer.alloc(0)
      : await readRegularFile(path, { links: 'refused', within: tree, maxBytes: largest });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw refuse('it is no UTF-8 text', error);
  }
  const changed = variables === null ? withoutBlock(text) : withBlock(text, variables);
  if ('problem' in changed) throw refuse(changed.problem);
  if (found !== undefined && changed.text === text) return 'unchanged';
  // A rename would replace a file that somebody made read-only: that is respected, also by root.
  if (found !== undefined && (found.mode & 0o222) === 0) throw refuse('it is read-only');
  if (((await stat(dirname(path))).mode & 0o222) === 0) throw refuse('its folder is read-only');
  if (found !== undefined) await access(path, constants.W_OK);
  await removeLeftOvers(path);
  return (await replace(path, changed.text, found)) ? 'written' : 'meanwhile';
}
