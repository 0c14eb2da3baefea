/** Files on this machine: atomic writes, removal that never follows links, and a full disk told as `storage_full`. */
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isFullDisk } from '../../domain/fullDisk.ts';
import { fail } from '../../protocol/errors.ts';
import { noFollow, nonBlocking, readRegularText } from '../../protocol/node/regularFile.ts';
import type { Machine, MachineFiles } from '../machine.ts';
import { hasCode } from './commands.ts';
import { APPENDING, assertOneFile, entryOf, factsOf, unlessMissing } from './fileFacts.ts';
import { tryLock } from './lock.ts';
import { giveToServerUser, takeFromServerUser } from './ownership.ts';
import { removeTree } from './removeTree.ts';
import { replaceFile } from './replaceFile.ts';
import { createTreeFiles, openDirectory } from './treeFiles.ts';

export interface FilesOptions {
  serverUser: Machine['serverUser'];
  platform: NodeJS.Platform;
  run: Machine['run'];
}

export function createFiles(options: FilesOptions): MachineFiles {
  const { serverUser } = options;
  const windows = options.platform === 'win32';
  const locked = new Set<string>();

  return {
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

    remove: (path) => removeTree(path, options),

    async space(path) {
      const { bsize, blocks, bavail } = await statfs(path);
      return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
    },

    async lock(path) {
      if (locked.has(path)) return undefined;
      await orFull(path, () => openAsFile(path));
      const lock = tryLock(path);
      if (lock === undefined) return undefined;
      locked.add(path);
      return {
        release() {
          locked.delete(path);
          lock.release();
        },
      };
    },

    takeFromServerUser: (path) => takeFromServerUser(path, options),
    giveToServerUser: (path) => giveToServerUser(path, options),
  };
}

/** What `tryLock` does with it at once: where the file system does not answer, a thread of the pool waits here and not the engine. */
async function openAsFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | noFollow | nonBlocking, 0o600);
  try {
    assertOneFile(path, await file.stat());
  } finally {
    await file.close();
  }
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
