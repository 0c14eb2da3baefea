/** One engine for each home: a lock of the operating system, which a killed engine can't leave behind. */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface Lock {
  release(): void;
}

/**
 * Takes the lock, or returns undefined when another process holds it. SQLite's file locks go with their process. They lie on the
 * file and not on its name: who removes the name frees it for another process (see `takeHome`).
 */
export function tryLock(path: string): Lock | undefined {
  // Before SQLite makes it: the files beside it get the mode of this one.
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE;');
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if (error instanceof Error && /database is locked/.test(error.message)) return undefined;
    throw error;
  }
}
