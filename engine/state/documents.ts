/** Documents in a table of SQLite: JSON beside the columns by which they are found, and a checksum over both. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type * as z from 'zod';
import { StateUnusable } from './unusable.ts';

/** A statement, prepared once. */
export type Sql = (text: string) => StatementSync;

export interface Statements {
  readonly sql: Sql;
  /** Before the database is closed. */
  readonly forget: () => void;
}

export function createStatements(db: DatabaseSync): Statements {
  const prepared = new Map<string, StatementSync>();
  return {
    sql(text) {
      let statement = prepared.get(text);
      if (statement === undefined) prepared.set(text, (statement = db.prepare(text)));
      return statement;
    },
    forget: () => prepared.clear(),
  };
}

/** A document as it is read; `key`: its columns. */
export interface Row {
  key: string;
  document: string;
  checksum: number;
}

/** What to select, so that a row of a table with these columns can be read. */
export const rowOf = (...columns: string[]): string =>
  `concat_ws(char(32), ${columns.join(', ')}) AS key, document, checksum`;

/** SQLite checks its pages, not what is written in them: a flipped bit in a row is found by this alone. */
export const checksum = (key: string, document: string): number => crc32(`${key}\n${document}`);

export function verify({ key, document, checksum: expected }: Row): void {
  if (checksum(key, document) !== expected) throw new StateUnusable(`it is damaged: the document of ${key}`);
}

export function read<Schema extends z.ZodType>(schema: Schema, row: unknown): z.output<Schema> {
  verify(row as Row);
  return schema.parse(JSON.parse((row as Row).document));
}

export function readAll<Schema extends z.ZodType>(schema: Schema, rows: unknown[]): z.output<Schema>[] {
  return rows.map((row) => read(schema, row));
}

export function readOne<Schema extends z.ZodType>(
  schema: Schema,
  row: unknown,
): z.output<Schema> | undefined {
  return row === undefined ? undefined : read(schema, row);
}

/** History decides nothing: what can't be read of it is left out. */
export function readHistory<Document>(rows: unknown[], readRow: (row: unknown) => Document): Document[] {
  return rows.flatMap((row) => {
    try {
      return [readRow(row)];
    } catch {
      // best effort: an old job or line that is damaged must not keep people from everything else
      return [];
    }
  });
}
