/** The statements that ask PostgreSQL which tables there are, and what stands in them. */
import type { Catalogue } from '../database.ts';
import { quoteName } from './quoting.ts';

export const postgresCatalogue: Catalogue = {
  /** Ordinary tables only: what a view or a foreign table says is computed by somebody's program. */
  columnsOf: (names) => ({
    text: `SELECT n.nspname AS schema, c.relname AS name, a.attname AS column
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relname::text = ANY ($1::text[])
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum`,
    values: [names],
  }),
  anyOther: (names) => ({
    text: `SELECT 1 AS found FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relname::text <> ALL ($1::text[])
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        LIMIT 1`,
    values: [names],
  }),
  rows: ({ schema, name }, columns, limit) => ({
    text: `SELECT ${columns.map(quoteName).join(', ')} FROM ONLY ${quoteName(schema)}.${quoteName(name)} LIMIT ${limit}`,
  }),
};
