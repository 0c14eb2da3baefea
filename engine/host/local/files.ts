/** Files on this machine: atomic writes, removal that never follows links, and a full disk told as `storage_full`. */
import { constants, type Dirent, type Stats } from 'node:fs';
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  statfs,
  unlink,
} from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, parse, resolve } from 'node:path';
import { fail } from '../../protocol/errors.ts';
import type { FileEntry, Host, HostFiles } from '../host.ts';
import { hasCode, stdoutOf } from './commands.ts';

export interface FilesOptions {
  serverUser: Host['serverUser'];
  platform: NodeJS.Platform;
  run: Host['run'];
}

/** Windows has no such flag; there the runtime value is undefined whatever the types say. */
export const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0;

let temporaryNumber = 0;

export function createFiles(options: FilesOptions): HostFiles {
  const { serverUser, platform, run } = options;
  const windows = platform === 'win32';

  const files: HostFiles = {
    async read(path) {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw error;
      }
    },

    async writeAtomic(path, text, mode = 0o600, durability = 'now') {
      temporaryNumber += 1;
      const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${temporaryNumber}.tmp`);
      await orFull(path, async () => {
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow;
        const file = await open(temporary, flags, mode);
        try {
          try {
            await file.writeFile(text);
            // open(2) subtracts the umask, which never takes the owner's own rights.
            if ((mode & 0o077) !== 0) await file.chmod(mode);
            if (durability === 'now') await file.sync();
          } finally {
            await file.close();
          }
          await rename(temporary, path);
        } catch (error) {
          await rm(temporary, { force: true });
          throw error;
        }
      });
      if (durability === 'now' && !windows) await syncDirectory(dirname(path));
    },

    async append(path, text) {
      await orFull(path, async () => {
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | noFollow;
        const file = await open(path, flags, 0o600);
        try {
          await file.writeFile(text);
        } finally {
          await file.close();
        }
      });
    },

    async makeDirectory(path, { mode, serverUser: forServer = false } = {}) {
      const made = await orFull(path, () => mkdir(path, { recursive: true, mode: mode ?? 0o700 }));
      if (!windows && (made !== undefined || mode !== undefined)) await chmod(path, mode ?? 0o700);
      if (forServer && serverUser) await lchown(path, serverUser.uid, serverUser.gid);
    },

    async list(path) {
      try {
        return (await readdir(path, { withFileTypes: true })).map((entry) => ({
          name: entry.name,
          kind: kindOf(entry),
        }));
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return [];
        throw error;
      }
    },

    async stat(path) {
      const found = await lstatOrUndefined(path);
      return (
        found && {
          kind: kindOf(found),
          bytes: found.size,
          mode: found.mode & 0o7777,
          modifiedAt: found.mtime,
        }
      );
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
      const found = await lstatOrUndefined(path);
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

    async giveToServerUser(path) {
      if (!serverUser || windows) return;
      const found = await lstat(path);
      const { uid, gid } = serverUser;
      if (found.isDirectory()) {
        await run({
          program: 'chown',
          args: ['-RhP', `${uid}:${gid}`, '--', path],
          env: { LC_ALL: 'C' },
          parse: stdoutOf(`chown ${path}`),
        });
      } else if (found.isSymbolicLink()) await lchown(path, uid, gid);
      else await chown(path, uid, gid);
    },
  };
  return files;
}

/** A full disk or quota is a fact that people can act on; everything else stays what it was. */
async function orFull<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
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

async function lstatOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
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

function kindOf(entry: Dirent | Stats): FileEntry['kind'] {
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isDirectory()) return 'directory';
  return entry.isFile() ? 'file' : 'other';
}
