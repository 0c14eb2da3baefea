/** Locks of the operating system on a file: one that a killed process can't leave behind. */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { FileLock } from '../machine.ts';
import { hasCode } from './commands.ts';

/**
 * Takes the lock, or returns undefined when another process holds it. SQLite's file locks go with their process. They lie on the
 * file and not on its name: who removes the name frees it for another process (see `takeHome`). Nothing is written: a full disk
 * hinders nobody whose file is there already.
 */
export function tryLock(path: string): FileLock | undefined {
  make(path);
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;');
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if (error instanceof Error && /database is locked/.test(error.message)) return undefined;
    throw error;
  }
}

/** Never opens one that is there: with any closed descriptor of a file a process loses all its locks on it (fcntl(2)). */
function make(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}
