/** Asks a member's database which tables of applied migrations it has, and what stands in them. */
import type { Row, Statement } from '../database/database.ts';
import { quoteName } from '../database/postgres/quoting.ts';
import type { MemberName } from '../protocol/ids.ts';

/** One member's database, as far as this needs it. */
export interface MemberDatabase {
  readonly member: MemberName;
  /** Why it can't be read just now, for people; null when it can. */
  readonly problem: string | null;
  read(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]>;
}

export interface AppliedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: ReadonlySet<string>;
}

/** Twenty years of a migration a day, several times over. */
export const MAX_ROWS = 50_000;

export interface FoundTables {
  tables: readonly AppliedTable[];
  /** Whether there is any other table: then a missing one may just have another name. */
  isEmpty: boolean;
}

/** Ordinary tables only: what a view or a foreign table says is computed by somebody's program. */
export async function findTables(database: MemberDatabase, names: readonly string[]): Promise<FoundTables> {
  const [columns = [], others = []] = await database.read([
    {
      text: `SELECT n.nspname AS schema, c.relname AS name, a.attname AS column
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relname::text = ANY ($1::text[])
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum`,
      values: [names],
    },
    {
      text: `SELECT 1 AS found FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relname::text <> ALL ($1::text[])
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        LIMIT 1`,
      values: [names],
    },
  ]);
  const tables = Map.groupBy(columns, ({ schema, name }) => JSON.stringify([schema, name]));
  return {
    tables: [...tables.values()].map((rows) => ({
      schema: rows[0]?.['schema'] ?? '',
      name: rows[0]?.['name'] ?? '',
      columns: new Set(rows.flatMap(({ column }) => column ?? [])),
    })),
    isEmpty: others.length === 0,
  };
}

/** One row more than is looked at, so that it shows when there are too many. */
export function rowsOf(table: AppliedTable, wanted: readonly string[]): Statement {
  const columns = wanted.filter((column) => table.columns.has(column)).map(quoteName);
  const from = `${quoteName(table.schema)}.${quoteName(table.name)}`;
  return { text: `SELECT ${columns.join(', ')} FROM ONLY ${from} LIMIT ${MAX_ROWS + 1}` };
}
