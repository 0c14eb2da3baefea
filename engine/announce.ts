/** Makes the engine found in its home, and keeps the files by which it is. */
import { writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { tryLock } from './machine/local/lock.ts';
import type { FileLock } from './machine/machine.ts';
import type { OwnFiles } from './process/ownFiles.ts';
import { tellHolder } from './process/takeHome.ts';
import type { Discovery } from './protocol/node/discovery.ts';
import type { HomePaths } from './protocol/node/home.ts';

export interface AnnounceOptions {
  paths: HomePaths;
  ownFiles: OwnFiles;
  lock: FileLock;
  discovery: Discovery;
  /** Undefined where it is no file. */
  reopenSocket: (() => Promise<void>) | undefined;
}

export interface Announcement {
  /** The lock that is held now; its file may have been made again. */
  lock(): FileLock;
}

export async function announce({
  paths,
  ownFiles,
  lock: taken,
  discovery,
  reopenSocket,
}: AnnounceOptions): Promise<Announcement> {
  const writeDiscovery = async (): Promise<void> => {
    const fresh = `${paths.discovery}.${process.pid}`;
    await rm(fresh, { force: true });
    writeFileSync(fresh, JSON.stringify(discovery), { mode: 0o600, flag: 'wx' });
    await rename(fresh, paths.discovery);
  };
  await writeDiscovery();
  let lock = taken;
  ownFiles.keep({
    path: paths.lock,
    restore() {
      const again = tryLock(paths.lock);
      if (again === undefined) throw new Error('another process has the lock');
      lock.release();
      lock = again;
    },
  });
  ownFiles.keep({ path: paths.holder, restore: () => tellHolder(paths) });
  if (reopenSocket !== undefined) ownFiles.keep({ path: paths.socket, restore: reopenSocket });
  ownFiles.keep({ path: paths.discovery, restore: writeDiscovery });
  return { lock: () => lock };
}
