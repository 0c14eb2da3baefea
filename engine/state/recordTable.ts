/** A table of records that can be listed, read by their key, written and removed: environments, snapshots, clones, checkouts. */
import type * as z from 'zod';
import { checksum, readAll, readOne, rowOf, type Sql } from './documents.ts';

export interface RecordTable<Key extends string, Stored> {
  list(): Stored[];
  get(key: Key): Stored | undefined;
  put(record: Stored): void;
  remove(key: Key): void;
}

export interface RecordTableOptions<Schema extends z.ZodType> {
  sql: Sql;
  name: string;
  schema: Schema;
  /** What its columns hold of a record; the first is the key. */
  columns: Readonly<Record<string, (record: z.output<Schema>) => string>>;
  /** Of the list, in SQL. */
  order: string;
}

export function createRecordTable<Key extends string, Schema extends z.ZodType>({
  sql,
  name,
  schema,
  columns,
  order,
}: RecordTableOptions<Schema>): RecordTable<Key, z.output<Schema>> {
  const names = Object.keys(columns);
  const [key = ''] = names;
  const row = rowOf(...names);
  const written = [...names, 'document', 'checksum'];
  // Not `INSERT OR REPLACE`: that would remove another record which has one of the columns that must differ.
  const put = `
    INSERT INTO ${name} (${written.join(', ')}) VALUES (${written.map(() => '?').join(', ')})
    ON CONFLICT (${key}) DO UPDATE SET
      ${written
        .slice(1)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}`;
  return {
    list: () => readAll(schema, sql(`SELECT ${row} FROM ${name} ORDER BY ${order}`).all()),
    get: (wanted) => readOne(schema, sql(`SELECT ${row} FROM ${name} WHERE ${key} = ?`).get(wanted)),
    put(record) {
      const values = Object.values(columns).map((valueOf) => valueOf(record));
      const document = JSON.stringify(record);
      sql(put).run(...values, document, checksum(values.join(' '), document));
    },
    remove(wanted) {
      sql(`DELETE FROM ${name} WHERE ${key} = ?`).run(wanted);
    },
  };
}
