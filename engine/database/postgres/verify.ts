/** Checks one database of a copy: its catalogs can be read, its indexes are sound, its extensions are here. */
import type { Client } from 'pg';
import { fail } from '../../protocol/errors.ts';
import type { Reporter } from '../database.ts';
import { sqlState } from './admin.ts';
import { countOf } from './counts.ts';
import { quietEventTriggers } from './eventTriggers.ts';

export interface VerifyOptions {
  thorough: boolean;
  report: Reporter;
  signal: AbortSignal;
}

/** Rejects with `verification_failed`; what works but deserves a look is told as a warning. */
export async function verifyDatabase(client: Client, options: VerifyOptions): Promise<void> {
  const { report } = options;
  const { rows } = await client.query<{ name: string; relations: number; major: number }>(
    `SELECT current_database() AS name, count(*)::int AS relations,
            current_setting('server_version_num')::int / 10000 AS major
     FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND relnamespace NOT IN
       (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))`,
  );
  const [found] = rows;
  if (found === undefined) throw fail('verification_failed', { problem: 'a database can not be read.' });
  const missing = await client.query<{ extname: string }>(
    'SELECT extname FROM pg_extension WHERE extname NOT IN (SELECT name FROM pg_available_extensions)',
  );
  for (const { extname } of missing.rows) {
    report.line(
      `The database ${found.name} uses the extension ${extname}, which is not installed for the PostgreSQL ${found.major} here: its functions will fail in clones.`,
      'warning',
    );
  }
  const sameCollation = await collationsMatch(client, found.major);
  if (!sameCollation) {
    report.line(
      `The database ${found.name} was sorted by another version of the system's collations: run REINDEX in clones before you trust text indexes.`,
      'warning',
    );
  }
  const checked = await checkIndexes(client, options.thorough && sameCollation, options.signal);
  const indexes = countOf(checked, 'index', 'indexes');
  report.line(`Checked ${found.name}: ${countOf(found.relations, 'table')}, ${indexes} verified.`);
}

async function collationsMatch(client: Client, major: number): Promise<boolean> {
  // pg_database_collation_actual_version is there since PostgreSQL 15.
  if (major < 15) return true;
  const { rows } = await client.query<{ same: boolean }>(
    `SELECT datcollversion IS NULL OR datcollversion = pg_database_collation_actual_version(oid) AS same
     FROM pg_database WHERE datname = current_database()`,
  );
  return rows[0]?.same ?? true;
}

/** amcheck is created inside a transaction that is rolled back, so the data stays as it was. */
async function checkIndexes(client: Client, userIndexesToo: boolean, signal: AbortSignal): Promise<number> {
  const available = await client.query(
    `SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'
     AND NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'amcheck')`,
  );
  if (available.rows.length === 0) return 0;
  await client.query('BEGIN');
  try {
    await quietEventTriggers(client);
    await client.query('CREATE SCHEMA thin_clones_check');
    await client.query('CREATE EXTENSION amcheck SCHEMA thin_clones_check');
    const { rows } = await client.query<{ oid: string; name: string }>(
      `SELECT c.oid::text AS oid, c.oid::regclass::text AS name
       FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
       WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisready AND i.indisvalid
         AND ($1::boolean OR c.relnamespace = 'pg_catalog'::regnamespace)
       ORDER BY c.oid`,
      [userIndexesToo],
    );
    for (const { oid, name } of rows) {
      signal.throwIfAborted();
      try {
        await client.query('SELECT thin_clones_check.bt_index_check($1::oid::regclass)', [oid]);
      } catch (error) {
        throw fail(
          'verification_failed',
          { problem: `index ${name}: ${error instanceof Error ? error.message : String(error)}.` },
          { cause: error },
        );
      }
    }
    return rows.length;
  } catch (error) {
    // A server build without a working amcheck leaves the other checks as they are.
    if (sqlState(error) === '58P01' || sqlState(error) === '0A000') return 0;
    throw error;
  } finally {
    await client.query('ROLLBACK');
  }
}
