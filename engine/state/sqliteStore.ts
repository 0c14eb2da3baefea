/** The state store over node:sqlite: write-ahead log, numbered migrations, a check at every open. */
import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type * as z from 'zod';
import { migrations } from './schemaVersions.ts';
import { jobIdSchema } from '../protocol/ids.ts';
import {
  checkoutRecordSchema,
  cloneRecordSchema,
  environmentRecordSchema,
  jobRecordSchema,
  snapshotRecordSchema,
  storedLineSchema,
  type Store,
} from './store.ts';

/** The state can't be trusted; the message says why, for people. */
export class StateUnusable extends Error {
  override readonly name = 'StateUnusable';
}

/** Another process has the state open. */
export class StateHeld extends Error {
  override readonly name = 'StateHeld';
}

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

interface Row {
  key: string;
  document: string;
  checksum: number;
}

/** SQLite checks its pages, not what is written in them: a flipped bit in a row is found by this alone. `key`: its columns. */
const checksum = (key: string, document: string): number => crc32(`${key}\n${document}`);

/** Also finished ones, unread: a flipped flag would hide one that has not finished. */
function checkJobs(db: DatabaseSync): void {
  const rows = db
    .prepare('SELECT concat_ws(char(32), id, created_at, finished) AS key, document, checksum FROM jobs')
    .all() as unknown as Row[];
  const damaged = rows.find(({ key, document, checksum: expected }) => checksum(key, document) !== expected);
  if (damaged !== undefined) throw new StateUnusable(`it is damaged: the document of ${damaged.key}`);
}

function createStore(db: DatabaseSync): Store {
  const prepared = new Map<string, StatementSync>();
  const sql = (text: string): StatementSync => {
    let statement = prepared.get(text);
    if (statement === undefined) prepared.set(text, (statement = db.prepare(text)));
    return statement;
  };
  const verify = ({ key, document, checksum: expected }: Row): void => {
    if (checksum(key, document) !== expected)
      throw new StateUnusable(`it is damaged: the document of ${key}`);
  };
  const read = <Schema extends z.ZodType>(schema: Schema, row: unknown): z.output<Schema> => {
    verify(row as Row);
    return schema.parse(JSON.parse((row as Row).document));
  };
  const readAll = <Schema extends z.ZodType>(schema: Schema, rows: unknown[]): z.output<Schema>[] =>
    rows.map((row) => read(schema, row));
  const readOne = <Schema extends z.ZodType>(schema: Schema, row: unknown): z.output<Schema> | undefined =>
    row === undefined ? undefined : read(schema, row);
  /** History decides nothing: what can't be read of it is left out. */
  const readHistory = <Schema extends z.ZodType>(
    rows: unknown[],
    readRow: (row: unknown) => z.output<Schema>,
  ): z.output<Schema>[] =>
    rows.flatMap((row) => {
      try {
        return [readRow(row)];
      } catch {
        // best effort: an old job or line that is damaged must not keep people from everything else
        return [];
      }
    });

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
    environments: {
      list: () =>
        readAll(
          environmentRecordSchema,
          sql('SELECT name AS key, document, checksum FROM environments ORDER BY name').all(),
        ),
      get: (name) =>
        readOne(
          environmentRecordSchema,
          sql('SELECT name AS key, document, checksum FROM environments WHERE name = ?').get(name),
        ),
      put: (record) => {
        const document = JSON.stringify(record);
        sql('INSERT OR REPLACE INTO environments (name, document, checksum) VALUES (?, ?, ?)').run(
          record.name,
          document,
          checksum(record.name, document),
        );
      },
      remove: (name) => {
        sql('DELETE FROM environments WHERE name = ?').run(name);
      },
    },
    snapshots: {
      list: () =>
        readAll(
          snapshotRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, created_at) AS key, document, checksum FROM snapshots ORDER BY created_at DESC, id DESC',
          ).all(),
        ),
      get: (id) =>
        readOne(
          snapshotRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, created_at) AS key, document, checksum FROM snapshots WHERE id = ?',
          ).get(id),
        ),
      put: (record) => {
        const document = JSON.stringify(record);
        sql('INSERT OR REPLACE INTO snapshots (id, created_at, document, checksum) VALUES (?, ?, ?, ?)').run(
          record.id,
          record.createdAt,
          document,
          checksum(`${record.id} ${record.createdAt}`, document),
        );
      },
      remove: (id) => {
        sql('DELETE FROM snapshots WHERE id = ?').run(id);
      },
    },
    clones: {
      list: () =>
        readAll(
          cloneRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, name, created_at) AS key, document, checksum FROM clones ORDER BY created_at DESC, id DESC',
          ).all(),
        ),
      get: (id) =>
        readOne(
          cloneRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, name, created_at) AS key, document, checksum FROM clones WHERE id = ?',
          ).get(id),
        ),
      put: (record) => {
        const document = JSON.stringify(record);
        sql(
          `INSERT INTO clones (id, name, created_at, document, checksum) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, document = excluded.document, checksum = excluded.checksum`,
        ).run(
          record.id,
          record.name,
          record.createdAt,
          document,
          checksum(`${record.id} ${record.name} ${record.createdAt}`, document),
        );
      },
      remove: (id) => {
        sql('DELETE FROM clones WHERE id = ?').run(id);
      },
    },
    checkouts: {
      list: () =>
        readAll(
          checkoutRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, path) AS key, document, checksum FROM checkouts ORDER BY path',
          ).all(),
        ),
      get: (id) =>
        readOne(
          checkoutRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, path) AS key, document, checksum FROM checkouts WHERE id = ?',
          ).get(id),
        ),
      put: (record) => {
        const document = JSON.stringify(record);
        sql(
          `INSERT INTO checkouts (id, path, document, checksum) VALUES (?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET
             path = excluded.path, document = excluded.document, checksum = excluded.checksum`,
        ).run(record.id, record.path, document, checksum(`${record.id} ${record.path}`, document));
      },
      remove: (id) => {
        sql('DELETE FROM checkouts WHERE id = ?').run(id);
      },
    },
    jobs: {
      // By the order in which they came, not by their times: the clock may have been set back in between.
      list: (limit) =>
        readHistory<typeof jobRecordSchema>(
          sql(
            'SELECT concat_ws(char(32), id, created_at, finished) AS key, document, checksum FROM jobs ORDER BY rowid DESC LIMIT ?',
          ).all(limit),
          (row) => read(jobRecordSchema, row),
        ),
      unfinished: () =>
        readAll(
          jobRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, created_at, finished) AS key, document, checksum FROM jobs WHERE finished = 0 ORDER BY rowid',
          ).all(),
        ),
      get: (id) =>
        readOne(
          jobRecordSchema,
          sql(
            'SELECT concat_ws(char(32), id, created_at, finished) AS key, document, checksum FROM jobs WHERE id = ?',
          ).get(id),
        ),
      byIdempotencyKey: (key) => {
        const columns = 'concat_ws(char(32), id, created_at, finished) AS key, document, checksum';
        const kept = sql(
          'SELECT concat_ws(char(32), key, job) AS key, request AS document, checksum, job FROM idempotency_keys WHERE key = ?',
        ).get(key) as (Row & { job: string }) | undefined;
        if (kept !== undefined) verify(kept);
        const row =
          kept === undefined
            ? sql(`SELECT ${columns} FROM jobs WHERE idempotency_key = ?`).get(key)
            : sql(`SELECT ${columns} FROM jobs WHERE id = ?`).get(kept.job);
        const job = readOne(jobRecordSchema, row);
        return job === undefined ? undefined : { job, request: kept?.document ?? null };
      },
      keepKey: ({ key, request }, job) => {
        sql('INSERT INTO idempotency_keys (key, job, request, checksum) VALUES (?, ?, ?, ?)').run(
          key,
          job,
          request,
          checksum(`${key} ${job}`, request),
        );
      },
      put: (record) => {
        const document = JSON.stringify(record);
        sql(
          `INSERT INTO jobs (id, created_at, finished, idempotency_key, document, checksum)
           VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET
             finished = excluded.finished, document = excluded.document, checksum = excluded.checksum`,
        ).run(
          record.id,
          record.createdAt,
          record.endedAt === null ? 0 : 1,
          record.idempotencyKey,
          document,
          checksum(`${record.id} ${record.createdAt} ${record.endedAt === null ? 0 : 1}`, document),
        );
      },
      addLine: (line) => {
        sql('INSERT INTO job_lines (job, line, document) VALUES (?, ?, ?)').run(
          line.job,
          line.line,
          JSON.stringify(line),
        );
      },
      lastLine: (id) =>
        (
          sql('SELECT coalesce(max(line), 0) AS line FROM job_lines WHERE job = ?').get(id) as {
            line: number;
          }
        ).line,
      lines: (id, after, limit) =>
        readHistory<typeof storedLineSchema>(
          sql('SELECT document FROM job_lines WHERE job = ? AND line > ? ORDER BY line LIMIT ?').all(
            id,
            after,
            limit,
          ),
          (row) => storedLineSchema.parse(JSON.parse((row as Pick<Row, 'document'>).document)),
        ),
      prune: (keep, spared = []) => {
        const old = sql('SELECT id FROM jobs WHERE finished = 1 ORDER BY rowid DESC LIMIT -1 OFFSET ?').all(
          keep,
        ) as { id: string }[];
        const ids = old.map(({ id }) => jobIdSchema.parse(id)).filter((id) => !spared.includes(id));
        for (const id of ids) {
          sql('DELETE FROM job_lines WHERE job = ?').run(id);
          sql('DELETE FROM idempotency_keys WHERE job = ?').run(id);
          sql('DELETE FROM jobs WHERE id = ?').run(id);
        }
        return ids;
      },
    },
    close: () => {
      prepared.clear();
      db.close();
    },
  };
}
