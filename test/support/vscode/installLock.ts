/** Lets only one process at a time work on a folder, and frees the lock when that process dies, however it dies. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 250;

/**
 * Holds SQLite's exclusive lock on `lockFile` while `action` runs. The operating system drops that lock with the
 * process, so a killed installer never leaves a stale lock behind (https://www.sqlite.org/lockingv3.html).
 */
export async function withInstallLock<T>(
  lockFile: string,
  action: () => Promise<T>,
  options: { readonly signal?: AbortSignal; readonly onWait?: () => void } = {},
): Promise<T> {
  const { signal, onWait } = options;
  await mkdir(dirname(lockFile), { recursive: true });
  const database = new DatabaseSync(lockFile);
  try {
    let waited = false;
    while (!tryLock(database)) {
      if (!waited) onWait?.();
      waited = true;
      await delay(POLL_MS, undefined, signal ? { signal } : {});
    }
    return await action();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    const SQLITE_BUSY = 5;
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
