/** Jobs with their lines and idempotency keys. */
import type { DatabaseSync } from 'node:sqlite';
import { jobIdSchema } from '../protocol/ids.ts';
import {
  checksum,
  read,
  readAll,
  readHistory,
  readOne,
  rowOf,
  verify,
  type Row,
  type Sql,
} from './documents.ts';
import { jobRecordSchema, storedLineSchema, type Store } from './store.ts';
import { StateUnusable } from './unusable.ts';

const jobRow = rowOf('id', 'created_at', 'finished');

/** Also finished ones, unread: a flipped flag would hide one that has not finished. */
export function checkJobs(db: DatabaseSync): void {
  const rows = db.prepare(`SELECT ${jobRow} FROM jobs`).all() as unknown as Row[];
  const damaged = rows.find(({ key, document, checksum: expected }) => checksum(key, document) !== expected);
  if (damaged !== undefined) throw new StateUnusable(`it is damaged: the document of ${damaged.key}`);
}

export function createJobTables(sql: Sql): Store['jobs'] {
  return { ...jobTable(sql), ...keyTable(sql), ...lineTable(sql) };
}

function jobTable(sql: Sql): Pick<Store['jobs'], 'list' | 'unfinished' | 'get' | 'put' | 'prune'> {
  return {
    // By the order in which they came, not by their times: the clock may have been set back in between.
    list: (limit) =>
      readHistory(sql(`SELECT ${jobRow} FROM jobs ORDER BY rowid DESC LIMIT ?`).all(limit), (row) =>
        read(jobRecordSchema, row),
      ),
    unfinished: () =>
      readAll(jobRecordSchema, sql(`SELECT ${jobRow} FROM jobs WHERE finished = 0 ORDER BY rowid`).all()),
    get: (id) => readOne(jobRecordSchema, sql(`SELECT ${jobRow} FROM jobs WHERE id = ?`).get(id)),
    put(record) {
      const document = JSON.stringify(record);
      const finished = record.endedAt === null ? 0 : 1;
      sql(
        `INSERT INTO jobs (id, created_at, finished, idempotency_key, document, checksum)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
           finished = excluded.finished, document = excluded.document, checksum = excluded.checksum`,
      ).run(
        record.id,
        record.createdAt,
        finished,
        record.idempotencyKey,
        document,
        checksum(`${record.id} ${record.createdAt} ${finished}`, document),
      );
    },
    prune(keep, spared = []) {
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
  };
}

function keyTable(sql: Sql): Pick<Store['jobs'], 'byIdempotencyKey' | 'keepKey'> {
  return {
    byIdempotencyKey(key) {
      const kept = sql(
        'SELECT concat_ws(char(32), key, job) AS key, request AS document, checksum, job FROM idempotency_keys WHERE key = ?',
      ).get(key) as (Row & { job: string }) | undefined;
      if (kept !== undefined) verify(kept);
      const row =
        kept === undefined
          ? sql(`SELECT ${jobRow} FROM jobs WHERE idempotency_key = ?`).get(key)
          : sql(`SELECT ${jobRow} FROM jobs WHERE id = ?`).get(kept.job);
      const job = readOne(jobRecordSchema, row);
      return job === undefined ? undefined : { job, request: kept?.document ?? null };
    },
    keepKey({ key, request }, job) {
      sql('INSERT INTO idempotency_keys (key, job, request, checksum) VALUES (?, ?, ?, ?)').run(
        key,
        job,
        request,
        checksum(`${key} ${job}`, request),
      );
    },
  };
}

function lineTable(sql: Sql): Pick<Store['jobs'], 'addLine' | 'lastLine' | 'lines'> {
  return {
    addLine(line) {
      sql('INSERT INTO job_lines (job, line, document) VALUES (?, ?, ?)').run(
        line.job,
        line.line,
        JSON.stringify(line),
      );
    },
    lastLine(id) {
      const last = sql('SELECT coalesce(max(line), 0) AS line FROM job_lines WHERE job = ?').get(id);
      return (last as { line: number }).line;
    },
    lines: (id, after, limit) =>
      readHistory(
        sql('SELECT document FROM job_lines WHERE job = ? AND line > ? ORDER BY line LIMIT ?').all(
          id,
          after,
          limit,
        ),
        (row) => storedLineSchema.parse(JSON.parse((row as Pick<Row, 'document'>).document)),
      ),
  };
}
