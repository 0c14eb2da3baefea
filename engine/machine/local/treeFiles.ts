/**
 * Files below a directory that the server user owns: whoever speaks SQL to a clone can put links and other things there
 * at any moment. So each step goes from one open directory to the next, none follows a link, and what is changed is
 * changed by its descriptor.
 */
import { constants } from 'node:fs';
import { lchown, lstat, open, readdir, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { mapBounded } from '../../domain/mapBounded.ts';
import { noFollow, nonBlocking, readRegularFile } from '../../protocol/node/regularFile.ts';
import type { Machine, TreeFiles } from '../machine.ts';
import { hasCode, stdoutOf } from './commands.ts';
import { entryOf, factsOf, unlessMissing } from './fileFacts.ts';
import { replaceFile } from './replaceFile.ts';

/** Windows has no such flag. */
const onlyDirectory = (constants.O_DIRECTORY as number | undefined) ?? 0;
const OWNED_AT_ONCE = 16;

export interface TreeOptions {
  serverUser: Machine['serverUser'];
  platform: NodeJS.Platform;
  run: Machine['run'];
}

/** A directory itself, never one that a link leads to. Errors: ENOTDIR for anything else (open(2)). */
export const openDirectory = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | onlyDirectory | noFollow | nonBlocking);

export function createTreeFiles(tree: string, { serverUser, platform, run }: TreeOptions): TreeFiles {
  /**
   * Works in a directory of the tree. On Linux its path there is its descriptor (proc(5), `/proc/PID/fd`), so that
   * nobody can put another in its place; elsewhere, where engines that are root are rare, each step was looked at.
   */
  const inFolder = async <Value>(
    relative: string,
    work: (folder: string) => Promise<Value>,
  ): Promise<Value> => {
    const names = relative.split('/').filter((name) => name !== '' && name !== '.');
    if (names.includes('..')) throw new Error(`${relative} leads out of ${tree}`);
    if (platform !== 'linux') {
      for (const [index] of [...names, ''].entries()) {
        const at = join(tree, ...names.slice(0, index));
        if (!(await lstat(at)).isDirectory())
          throw Object.assign(new Error(`${at} is no directory`), { code: 'ENOTDIR' });
      }
      return await work(join(tree, ...names));
    }
    let handle = await openDirectory(tree);
    try {
      for (const name of names) {
        const next = await openDirectory(`${pathOf(handle)}/${name}`);
        await handle.close();
        handle = next;
      }
      return await work(pathOf(handle));
    } finally {
      await handle.close();
    }
  };
  const inParent = <Value>(relative: string, work: (path: string, folder: string) => Promise<Value>) =>
    inFolder(dirname(relative), (folder) => work(`${folder}/${basename(relative)}`, folder));

  const readBytes: TreeFiles['readBytes'] = (relative, options) =>
    unlessMissing(inParent(relative, (path) => readRegularFile(path, { ...options, links: 'refused' })));

  return {
    readBytes,
    read: async (relative, options) => (await readBytes(relative, options))?.toString('utf8'),
    list: async (relative) =>
      (await unlessMissing(inFolder(relative, (folder) => readdir(folder, { withFileTypes: true }))))?.map(
        entryOf,
      ) ?? [],
    stat: async (relative) => {
      const found = await unlessMissing(inParent(relative, (path) => lstat(path)));
      return found && factsOf(found);
    },

    async write(relative, text) {
      await inParent(relative, (path) =>
        replaceFile(path, text, 0o600, async (file) => {
          if (serverUser) await file.chown(serverUser.uid, serverUser.gid);
          await file.sync();
        }),
      );
    },

    async remove(relative) {
      await unlessMissing(
        inParent(relative, async (path, folder) => {
          try {
            await unlink(path);
            return;
          } catch (error) {
            // What unlink(2) says of a directory on Linux, and elsewhere.
            if (!hasCode(error, 'EISDIR', 'EPERM')) throw error;
          }
          try {
            await rmdir(path);
          } catch (error) {
            if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
            const name = basename(relative);
            await run({
              program: 'rm',
              args: ['-rf', '--', `./${name}`],
              env: { LC_ALL: 'C' },
              cwd: folder,
              parse: stdoutOf(`rm ${name}`),
            });
          }
        }),
      );
    },
  };
}

const pathOf = (handle: FileHandle): string => `/proc/self/fd/${handle.fd}`;

/**
 * Gives everything in an open directory to a user, itself last: until then nobody else can enter, so nothing in it is
 * swapped meanwhile. Links are given, not what they lead to. Linux.
 */
export async function giveTree(directory: FileHandle, user: { uid: number; gid: number }): Promise<void> {
  const { mode } = await directory.stat();
  // Taken back first: what was the server user's from the start may be in use by it.
  await directory.chown(process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
  await directory.chmod(0o700);
  await giveBelow(directory, user);
  await directory.chmod(mode & 0o7777);
  await directory.chown(user.uid, user.gid);
}

async function giveBelow(directory: FileHandle, user: { uid: number; gid: number }): Promise<void> {
  const folder = pathOf(directory);
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  await mapBounded(files, OWNED_AT_ONCE, ({ name }) => lchown(`${folder}/${name}`, user.uid, user.gid));
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const inner = await openDirectory(`${folder}/${name}`);
    try {
      await giveBelow(inner, user);
      await inner.chown(user.uid, user.gid);
    } finally {
      await inner.close();
    }
  }
}
