/** The state store over node:sqlite: write-ahead log, numbered migrations, a check at every open. */
import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { CheckoutId, CloneId, EnvironmentName, SnapshotId } from '../protocol/ids.ts';
import { createStatements } from './documents.ts';
import { checkJobs, createJobTables } from './jobTables.ts';
import { createRecordTable } from './recordTable.ts';
import { migrations } from './schemaVersions.ts';
import {
  checkoutRecordSchema,
  cloneRecordSchema,
  environmentRecordSchema,
  snapshotRecordSchema,
  type Store,
} from './store.ts';
import { StateHeld, StateUnusable } from './unusable.ts';

/** SQLITE_BUSY (https://www.sqlite.org/rescode.html#busy), extended codes included. */
const isBusy = (error: unknown): boolean => ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;

function migrate(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > migrations.length) {
    throw new StateUnusable(
      `it was written by a newer version (state ${version}, this one knows ${migrations.length})`,
    );
  }
  for (let next = version; next < migrations.length; next++) {
    db.exec(`BEGIN IMMEDIATE; ${migrations[next] ?? ''}; PRAGMA user_version = ${next + 1}; COMMIT;`);
  }
}

function check(db: DatabaseSync): void {
  const rows = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
  const first = rows[0]?.quick_check;
  if (first !== 'ok') throw new StateUnusable(`it is damaged: ${first ?? 'no answer to its check'}`);
}

/**
 * Opens or makes the state, for this process alone until it is closed. `path` may be `:memory:`.
 * Throws `StateUnusable` when the file is damaged, of a newer version, or holds documents that are not ours, and `StateHeld`.
 */
export function openStore(path: string): Store {
  const fresh = path !== ':memory:' && !existsSync(path);
  let db: DatabaseSync | undefined;
  try {
    // Before SQLite makes it: the files beside it get the mode of this one.
    if (fresh) closeSync(openSync(path, 'a', 0o600));
    db = new DatabaseSync(path);
    // NORMAL: a killed engine loses nothing; a power cut may lose the last commits, which the tags hold as well.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    check(db);
    migrate(db);
    const store = createStore(db);
    // Reading every document once finds damage that the page check can't see, before anything is decided upon it.
    store.environments.list();
    store.snapshots.list();
    store.clones.list();
    store.checkouts.list();
    store.jobs.unfinished();
    checkJobs(db);
    return store;
  } catch (error) {
    db?.close();
    if (error instanceof StateUnusable) throw error;
    if (isBusy(error)) throw new StateHeld('another process has it open', { cause: error });
    throw new StateUnusable(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function createStore(db: DatabaseSync): Store {
  const { sql, forget } = createStatements(db);
  return {
    transaction(change) {
      sql('BEGIN IMMEDIATE').run();
      try {
        const value = change();
        sql('COMMIT').run();
        return value;
      } catch (error) {
        // A full disk or a broken one has ended it already; rolling back once more would only hide why.
        if (db.isTransaction) sql('ROLLBACK').run();
        throw error;
      }
    },
    environments: createRecordTable<EnvironmentName, typeof environmentRecordSchema>({
      ...{ sql, name: 'environments', schema: environmentRecordSchema, order: 'name' },
      columns: { name: ({ name }) => name },
    }),
    snapshots: createRecordTable<SnapshotId, typeof snapshotRecordSchema>({
      ...{ sql, name: 'snapshots', schema: snapshotRecordSchema, order: 'created_at DESC, id DESC' },
      columns: { id: ({ id }) => id, created_at: ({ createdAt }) => createdAt },
    }),
    clones: createRecordTable<CloneId, typeof cloneRecordSchema>({
      ...{ sql, name: 'clones', schema: cloneRecordSchema, order: 'created_at DESC, id DESC' },
      columns: { id: ({ id }) => id, name: ({ name }) => name, created_at: ({ createdAt }) => createdAt },
    }),
    checkouts: createRecordTable<CheckoutId, typeof checkoutRecordSchema>({
      ...{ sql, name: 'checkouts', schema: checkoutRecordSchema, order: 'path' },
      columns: { id: ({ id }) => id, path: ({ path }) => path },
    }),
    jobs: createJobTables(sql),
    close() {
      forget();
      db.close();
    },
  };
}
