/** Files on this machine: atomic writes, removal that never follows links, and a full disk told as `storage_full`. */
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, rename, rm, rmdir, statfs, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, parse, resolve } from 'node:path';
import { isFullDisk } from '../../domain/fullDisk.ts';
import { fail } from '../../protocol/errors.ts';
import { noFollow, nonBlocking, readRegularText } from '../../protocol/node/regularFile.ts';
import type { Machine, MachineFiles } from '../machine.ts';
import { hasCode, stdoutOf } from './commands.ts';
import { APPENDING, assertOneFile, entryOf, factsOf, unlessMissing } from './fileFacts.ts';
import { replaceFile } from './replaceFile.ts';
import { createTreeFiles, giveTree, openDirectory } from './treeFiles.ts';

export interface FilesOptions {
  serverUser: Machine['serverUser'];
  platform: NodeJS.Platform;
  run: Machine['run'];
}

export function createFiles(options: FilesOptions): MachineFiles {
  const { serverUser, platform, run } = options;
  const windows = platform === 'win32';

  const files: MachineFiles = {
    read: (path, readOptions) => unlessMissing(readRegularText(path, { ...readOptions, links: 'refused' })),

    inside: (tree) => createTreeFiles(tree, options),

    async writeAtomic(path, text, mode = 0o600, durability = 'now') {
      await orFull(path, () =>
        replaceFile(path, text, mode, async (file) => {
          // open(2) subtracts the umask, which never takes the owner's own rights.
          if ((mode & 0o077) !== 0) await file.chmod(mode);
          if (durability === 'now') await file.sync();
        }),
      );
      if (durability === 'now' && !windows) await syncDirectory(dirname(path));
    },

    async append(path, text) {
      await orFull(path, async () => {
        const file = await open(path, APPENDING, 0o600);
        try {
          assertOneFile(path, await file.stat());
          await file.writeFile(text);
        } finally {
          await file.close();
        }
      });
    },

    async makeDirectory(path, { mode, serverUser: forServer = false } = {}) {
      const made = await orFull(path, () => mkdir(path, { recursive: true, mode: mode ?? 0o700 }));
      if (windows || (made === undefined && mode === undefined && !forServer)) return;
      const directory = await openDirectory(path);
      try {
        if (made !== undefined || mode !== undefined) await directory.chmod(mode ?? 0o700);
        if (forServer && serverUser) await directory.chown(serverUser.uid, serverUser.gid);
      } finally {
        await directory.close();
      }
    },

    async list(path) {
      try {
        return (await readdir(path, { withFileTypes: true })).map(entryOf);
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return [];
        throw error;
      }
    },

    async stat(path) {
      const found = await unlessMissing(lstat(path));
      return found && factsOf(found);
    },

    readLink: (path) => readlink(path),

    async rename(from, to) {
      await orFull(to, () => rename(from, to));
    },

    async remove(path) {
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
      if (windows) {
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
    },

    async space(path) {
      const { bsize, blocks, bavail } = await statfs(path);
      return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
    },

    async takeFromServerUser(path) {
      if (!serverUser || windows) return;
      const directory = await openDirectory(path);
      try {
        await directory.chown(process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
        await directory.chmod(0o700);
      } finally {
        await directory.close();
      }
      const [left] = await readdir(path);
      if (left !== undefined) throw new Error(`${path} is not empty: somebody put ${left} there`);
    },

    async giveToServerUser(path) {
      if (!serverUser || windows) return;
      const handle = await open(path, constants.O_RDONLY | noFollow | nonBlocking);
      try {
        const found = await handle.stat();
        if (!found.isDirectory()) {
          assertOneFile(path, found);
          await handle.chown(serverUser.uid, serverUser.gid);
          return;
        }
        if (platform === 'linux') {
          await giveTree(handle, serverUser);
          return;
        }
      } finally {
        await handle.close();
      }
      await run({
        program: 'chown',
        args: ['-RhP', `${serverUser.uid}:${serverUser.gid}`, '--', path],
        env: { LC_ALL: 'C' },
        parse: stdoutOf(`chown ${path}`),
      });
    },
  };
  return files;
}

/** A full disk or quota is a fact that people can act on; everything else stays what it was. */
async function orFull<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!isFullDisk(error)) throw error;
    throw fail('storage_full', { storage: dirname(path), freeBytes: null }, { cause: error });
  }
}

async function gone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** A rename is durable only when its directory is written (fsync(2), "Calling fsync() does not necessarily ..."). */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } catch (error) {
    // best effort: some file systems (NFS, FUSE) refuse to sync a directory and write renames through anyway.
    if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EBADF')) throw error;
  } finally {
    await directory.close();
  }
}
