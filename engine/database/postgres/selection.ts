/** Which tables of a source are copied: patterns as pg_dump takes them, turned into exact names to leave out. */
import type { Client } from 'pg';
import type { MemberDefinition } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { quoteName } from './quoting.ts';

export interface SourceTable {
  oid: string;
  schema: string;
  name: string;
  /** Heap, TOAST and indexes. */
  bytes: number;
  /** Without indexes: what a dump has to read. */
  dataBytes: number;
  /** Of the rows themselves: what a count has to read. */
  heapBytes: number;
  /** The server's estimate; null when it was never counted. */
  rows: number | null;
  readable: boolean;
  /** True when row-level security hides rows from us, on which pg_dump refuses. */
  filtered: boolean;
  /** Tables with rows: what TOC entries and progress count. */
  holdsRows: boolean;
}

export interface SelectedSource {
  tables: readonly SourceTable[];
  /** As they are called. */
  leftOutSchemas: readonly string[];
  /** Patterns for pg_dump, each naming exactly one schema or table. */
  excludedSchemas: readonly string[];
  excludedTables: readonly string[];
  /** True when something of the source is left out: then references to it may be missing after the restore. */
  partial: boolean;
  /** The same without quotes: schemas, and relations as SCHEMA.NAME. */
  leftOut: { schemas: ReadonlySet<string>; relations: ReadonlySet<string> };
}

interface NamePattern {
  /** Regular expressions for `~`; undefined means "in the search path". */
  schema: string | undefined;
  name: string;
}

/** The rules of processSQLNamePattern (psql's \d): unquoted letters fold, `*` and `?` are wild, a dot separates, quotes are literal. */
export function parsePattern(pattern: string): NamePattern {
  const parts: string[] = [''];
  let quoted = false;
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    const last = parts.length - 1;
    const add = (text: string): void => {
      parts[last] = `${parts[last] ?? ''}${text}`;
    };
    if (character === '"') {
      if (quoted && pattern.charAt(at + 1) === '"') {
        add('"');
        at += 1;
      } else {
        quoted = !quoted;
      }
    } else if (!quoted && character === '.') {
      parts.push('');
    } else if (!quoted && character === '*') {
      add('.*');
    } else if (!quoted && character === '?') {
      add('.');
    } else if (quoted) {
      add(escapeRegex(character));
    } else {
      add(/[|+()[\]{}^$\\]/.test(character) ? escapeRegex(character) : character.toLowerCase());
    }
  }
  const anchored = (part: string): string => `^(${part})$`;
  const name = anchored(parts.at(-1) ?? '');
  // A part before the schema is the database's name: pg_dump accepts it when it is the own one.
  const schema = parts.length > 1 ? anchored(parts.at(-2) ?? '') : undefined;
  return { schema, name };
}

const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Rejects with `source_selection` when a pattern matches nothing. */
export async function selectTables(
  client: Client,
  definition: Pick<MemberDefinition, 'include' | 'exclude'>,
): Promise<SelectedSource> {
  const schemas = await listSchemas(client);
  const tables = await listTables(client);
  const { include, exclude } = definition;
  const matchSchemas = (patterns: readonly string[] | undefined): Promise<Set<string>> =>
    matchAll(client, patterns, 'schema');
  const matchTables = (patterns: readonly string[] | undefined): Promise<Set<string>> =>
    matchAll(client, patterns, 'table');
  const includedSchemas = await matchSchemas(include?.schemas);
  const includedTables = await matchTables(include?.tables);
  const excludedSchemas = await matchSchemas(exclude?.schemas);
  const excludedTables = await matchTables(exclude?.tables);
  const everything = include?.schemas === undefined && include?.tables === undefined;
  const isIncluded = (table: SourceTable): boolean =>
    (everything || includedSchemas.has(table.schema) || includedTables.has(table.oid)) &&
    !excludedSchemas.has(table.schema) &&
    !excludedTables.has(table.oid);
  const kept = tables.filter(isIncluded);
  const keptSchemas = new Set(kept.map((table) => table.schema));
  // An extension needs its schema; what else is in that is left out table by table.
  const homes = await extensionSchemas(client);
  const leftOutSchemas = schemas.filter(
    (schema) =>
      !homes.has(schema) &&
      (excludedSchemas.has(schema) ||
        !(everything || includedSchemas.has(schema) || keptSchemas.has(schema))),
  );
  const leftOut = new Set(leftOutSchemas);
  const leftOutTables = tables.filter((table) => !leftOut.has(table.schema) && !isIncluded(table));
  return {
    tables: kept,
    leftOutSchemas,
    excludedSchemas: leftOutSchemas.map(quoteName),
    excludedTables: leftOutTables.map((table) => `${quoteName(table.schema)}.${quoteName(table.name)}`),
    partial: leftOutSchemas.length > 0 || leftOutTables.length > 0,
    leftOut: {
      schemas: leftOut,
      relations: new Set(leftOutTables.map(({ schema, name }) => `${schema}.${name}`)),
    },
  };
}

async function extensionSchemas(client: Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ schema: string }>(
    `SELECT nspname AS schema FROM pg_catalog.pg_namespace
     WHERE oid IN (SELECT extnamespace FROM pg_catalog.pg_extension)`,
  );
  return new Set(rows.map(({ schema }) => schema));
}

/**
 * All of the source. Needed are those that anything outside of the schemas that are left out refers to; what a function's text calls is
 * not known.
 */
export async function sourceExtensions(
  client: Client,
  selected: Pick<SelectedSource, 'leftOutSchemas' | 'tables' | 'partial'>,
): Promise<readonly { name: string; version: string; isNeeded: boolean }[]> {
  const { rows } = await client.query<{ name: string; version: string; needed: boolean }>(
    `SELECT e.extname AS name, e.extversion AS version, EXISTS (
       SELECT 1 FROM pg_catalog.pg_depend m
         JOIN pg_catalog.pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('n', 'a')
         LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
         LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
         LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
         LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
         LEFT JOIN pg_catalog.pg_class c ON c.oid = COALESCE(a.adrelid, r.ev_class, t.tgrelid, p.polrelid,
           CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END)
       WHERE m.refclassid = 'pg_catalog.pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e'
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend own
           WHERE own.classid = d.classid AND own.objid = d.objid AND own.deptype = 'e')
         AND CASE WHEN c.oid IS NULL
           THEN COALESCE(pg_catalog.to_regnamespace((pg_catalog.pg_identify_object(d.classid, d.objid, 0)).schema)::oid, 0)
             NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[]))
           ELSE c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[]))
             AND (c.relkind NOT IN ('r', 'p', 'm', 'v', 'f') OR c.oid::text = ANY ($2::text[])) END
     ) AS needed
     FROM pg_catalog.pg_extension e WHERE e.extname <> 'plpgsql' ORDER BY e.extname`,
    [selected.leftOutSchemas, selected.tables.map(({ oid }) => oid)],
  );
  return rows.map(({ name, version, needed }) => ({ name, version, isNeeded: needed || !selected.partial }));
}

async function listSchemas(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ nspname: string }>(
    `SELECT nspname FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname`,
  );
  return rows.map((row) => row.nspname);
}

/** Tables, views and materialized views of people, without those that belong to an extension. */
async function listTables(client: Client): Promise<readonly SourceTable[]> {
  const { rows } = await client.query<{
    oid: string;
    schema: string;
    name: string;
    bytes: string;
    data_bytes: string;
    heap_bytes: string;
    rows: string;
    readable: boolean;
    filtered: boolean;
    holds_rows: boolean;
  }>(
    `SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name,
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_total_relation_size(c.oid) ELSE 0 END::text AS bytes,
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END::text AS data_bytes,
            CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END::text AS heap_bytes,
            c.reltuples::bigint::text AS rows,
            pg_catalog.has_schema_privilege(n.oid, 'USAGE')
              AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable,
            pg_catalog.row_security_active(c.oid) AS filtered,
            c.relkind IN ('r', 'p') AS holds_rows
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 2, 3`,
  );
  const tables = rows.map((row) => ({
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    bytes: Number(row.bytes),
    dataBytes: Number(row.data_bytes),
    heapBytes: Number(row.heap_bytes),
    // -1: never analyzed (PostgreSQL 14); 0 before that.
    rows: Number(row.rows) < 0 ? null : Number(row.rows),
    readable: row.readable,
    filtered: row.filtered,
    holdsRows: row.holds_rows,
  }));
  return tables.sort((one, other) => other.bytes - one.bytes);
}

/** Oids of tables, or names of schemas. A partition goes with its partitioned table. */
async function matchAll(
  client: Client,
  patterns: readonly string[] | undefined,
  kind: 'schema' | 'table',
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const pattern of patterns ?? []) {
    const { schema, name } = parsePattern(pattern);
    const { rows } =
      kind === 'schema'
        ? await client.query<{ key: string }>(
            `SELECT nspname AS key FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.~) $1 COLLATE "C"`,
            [name],
          )
        : await client.query<{ key: string }>(
            `WITH RECURSIVE matching AS (
               SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relname OPERATOR(pg_catalog.~) $1 COLLATE "C"
                 AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
                     ELSE n.nspname OPERATOR(pg_catalog.~) $2 COLLATE "C" END
               UNION
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN matching m ON m.oid = i.inhparent
             ) SELECT oid::text AS key FROM matching`,
            [name, schema ?? null],
          );
    if (rows.length === 0) throw fail('source_selection', { pattern, kind });
    for (const row of rows) found.add(row.key);
  }
  return found;
}
