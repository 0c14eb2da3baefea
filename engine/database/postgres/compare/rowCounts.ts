/** Counts the rows of a source and of its copy, where that is cheap, so that rows which did not come are found. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';
import type { SourceTable } from '../selection.ts';
import type { Change } from './difference.ts';

/** A table, or all partitions of one: a restore may put rows into another partition of it. */
export interface CountedTable {
  /** As people name it. */
  object: string;
  schema: string;
  /** SCHEMA.NAME, without quotes. */
  relation: string;
  /** As SQL writes them: itself, or its partitions. */
  parts: readonly string[];
  /** False: only whether there are any is looked for. */
  isSmall: boolean;
}

export interface RowCounts {
  tables: readonly CountedTable[];
  /** By `object`; of a table that is not small 1 stands for any number. One that could not be counted is not there. */
  rows: ReadonlyMap<string, number>;
  /** Why some were not counted; undefined: all of them were. */
  problem: string | undefined;
}

export const notCounted = (reason: string): RowCounts => ({
  tables: [],
  rows: new Map(),
  problem: `rows could not be counted: ${reason}`,
});

/** Of a table's heap. A source's disk and caches belong to others. */
const SMALL_BYTES = 64 * 1024 ** 2;
/** Of all that is counted; the smallest come first. */
const TOTAL_BYTES = 1024 ** 3;

/** Each batch gives back its locks, of which a server has a limited number. */
const BATCH = 50;

/** What waits for an exclusive lock would make us wait behind it. */
const COURTESY = [
  "lock_timeout = '1s'",
  "statement_timeout = '30s'",
  'max_parallel_workers_per_gather = 0',
  'row_security = off',
  'search_path = pg_catalog',
];

/** In the open transaction, and nothing of it remains there. */
export async function countSourceRows(
  client: Client,
  major: number,
  selected: readonly SourceTable[],
): Promise<RowCounts> {
  let counts: RowCounts;
  await client.query('SAVEPOINT counting');
  try {
    const tables = await listCounted(client, major, selected);
    counts = { tables, ...(await count(client, tables, COURTESY)) };
  } catch (error) {
    counts = notCounted(refusal(error));
  }
  await client.query('ROLLBACK TO SAVEPOINT counting');
  return counts;
}

/**
 * What the copy has of the tables that were counted at its source. A table that is not there is told as that. The copy has just been
 * vacuumed and analyzed, which reads every row of a small table: only where that found another number is counted again.
 */
export async function compareRows(
  client: Client,
  source: RowCounts,
): Promise<{ changes: readonly Change[]; counted: number; problem: string | undefined }> {
  const { rows: known } = await client.query<{ part: string; rows: number }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS part, c.reltuples::float8 AS rows
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'`,
  );
  const found = new Map(known.map(({ part, rows }) => [part, rows]));
  const tables = source.tables.filter(
    ({ object, parts }) => source.rows.has(object) && parts.every((part) => found.has(part)),
  );
  const differing = tables.filter(({ object, parts, isSmall }) => {
    const sum = parts.reduce((total, part) => total + (found.get(part) ?? 0), 0);
    return (isSmall ? sum : Math.min(sum, 1)) !== source.rows.get(object);
  });
  await client.query('BEGIN READ ONLY');
  const { rows, problem } = await count(client, differing, []);
  await client.query('ROLLBACK');
  const changes = differing.flatMap(({ object, schema, relation, isSmall }): readonly Change[] => {
    const [before, after] = [source.rows.get(object), rows.get(object)];
    if (before === undefined || after === undefined || before === after) return [];
    const shown = (number: number): string => (isSmall ? String(number) : number === 0 ? 'none' : 'some');
    const item = { kind: 'table', object, schema, relation, name: null, facts: {} };
    return [{ kind: 'table', item, is: 'changed', fact: ROWS, source: shown(before), copy: shown(after) }];
  });
  const problems = [source.problem, problem].filter((one) => one !== undefined);
  const counted = tables.length - differing.length + rows.size;
  return { changes, counted, problem: problems.length === 0 ? undefined : problems.join('; ') };
}

const ROWS = 'rows';

/** Whether rows are not there that should be. */
export const lacksRows = ({ fact, source, copy }: Change): boolean =>
  fact === ROWS && (copy === 'none' || Number(copy) < Number(source));

export const hasMoreRows = (change: Change): boolean => change.fact === ROWS && !lacksRows(change);

/** Not those of which a part is left out, and none that a standby can't read. */
async function listCounted(
  client: Client,
  major: number,
  selected: readonly SourceTable[],
): Promise<readonly CountedTable[]> {
  // Before PostgreSQL 10 there are no partitions.
  const isPart = major >= 10 ? 'c.relispartition' : 'false';
  const { rows } = await client.query<Listed>(
    `WITH RECURSIVE above AS (
       SELECT c.oid AS leaf, c.oid AS at FROM pg_catalog.pg_class c WHERE c.relkind = 'r'
       UNION ALL
       SELECT a.leaf, i.inhparent FROM above a JOIN pg_catalog.pg_class c ON c.oid = a.at AND ${isPart}
         JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.at)
     SELECT l.oid::text AS oid, pg_catalog.format('%I.%I', ln.nspname, l.relname) AS part,
            pg_catalog.format('%I.%I', n.nspname, c.relname) AS object, n.nspname AS schema,
            n.nspname || '.' || c.relname AS relation, l.relpersistence = 'p' AS permanent
     FROM above a JOIN pg_catalog.pg_class c ON c.oid = a.at AND NOT ${isPart}
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_class l ON l.oid = a.leaf JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`,
  );
  const bytesOf = new Map(
    selected.filter(({ holdsRows }) => holdsRows).map(({ oid, heapBytes }) => [oid, heapBytes]),
  );
  const groups = new Map<string, Listed[]>();
  for (const row of rows) {
    const parts = groups.get(row.object);
    if (parts === undefined) groups.set(row.object, [row]);
    else parts.push(row);
  }
  let left = TOTAL_BYTES;
  return [...groups.values()]
    .filter((parts) => parts.every(({ oid, permanent }) => permanent && bytesOf.has(oid)))
    .map((parts) => ({ parts, bytes: parts.reduce((sum, { oid }) => sum + (bytesOf.get(oid) ?? 0), 0) }))
    .sort((one, other) => one.bytes - other.bytes)
    .flatMap(({ parts, bytes }): readonly CountedTable[] => {
      const [first] = parts;
      if (first === undefined) return [];
      const isSmall = bytes <= SMALL_BYTES && bytes <= left;
      if (isSmall) left -= bytes;
      const { object, schema, relation } = first;
      return [{ object, schema, relation, parts: parts.map(({ part }) => part), isSmall }];
    });
}

interface Listed {
  oid: string;
  part: string;
  object: string;
  schema: string;
  relation: string;
  permanent: boolean;
}

/** A table of which one part can't be counted is not. */
async function count(
  client: Client,
  tables: readonly CountedTable[],
  settings: readonly string[],
): Promise<Pick<RowCounts, 'rows' | 'problem'>> {
  const all = tables.flatMap((table) => table.parts.map((part) => ({ table, part })));
  const rows = new Map<string, number>();
  const uncounted = new Set<string>();
  let problem: string | undefined;
  for (let from = 0; from < all.length; from += BATCH) {
    const batch = all.slice(from, from + BATCH);
    await client.query(['SAVEPOINT batch', ...settings.map((setting) => `SET LOCAL ${setting}`)].join('; '));
    try {
      const { rows: found } = await client.query<{ at: number; rows: string }>(statementOf(batch));
      for (const { at, rows: number } of found) {
        const table = batch[at]?.table;
        if (table === undefined) continue;
        const sum = (rows.get(table.object) ?? 0) + Number(number);
        rows.set(table.object, table.isSmall ? sum : Math.min(sum, 1));
      }
    } catch (error) {
      problem = `the rows of some tables could not be counted: ${refusal(error)}`;
      for (const { table } of batch) uncounted.add(table.object);
    }
    await client.query('ROLLBACK TO SAVEPOINT batch');
  }
  for (const object of uncounted) rows.delete(object);
  return { rows, problem };
}

const statementOf = (batch: readonly { table: CountedTable; part: string }[]): string =>
  batch
    .map(({ table, part }, at) =>
      table.isSmall
        ? `SELECT ${at} AS at, count(*)::text AS rows FROM ONLY ${part}`
        : `SELECT ${at} AS at, (EXISTS (SELECT FROM ONLY ${part}))::int::text AS rows`,
    )
    .join(' UNION ALL ');

/** A server may refuse; a lost connection is no answer. */
function refusal(error: unknown): string {
  if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
  return error instanceof Error ? error.message : String(error);
}
