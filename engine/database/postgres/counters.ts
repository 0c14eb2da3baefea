/** The server's own counters of rows written: no snapshot has any, so that a clone's say what was changed in it. */
import type { Client } from 'pg';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Changes, ChangedTable } from '../database.ts';
import { APPLICATION_NAME, withAdmin } from './admin.ts';
import type { Workbench } from './workbench.ts';

/**
 * Counters come along with the data, and autovacuum goes by them: what the source had left to do would be done in every clone, which
 * then owns the pages. Of a database without counters nothing is asked until somebody connects to it: a visit alone writes
 * 160 kB (its pg_internal.init). The server must be stopped.
 */
export async function forgetCounters({
  machine,
  target,
}: Pick<Workbench, 'machine' | 'target'>): Promise<void> {
  const tree = machine.files.inside(target);
  for (const { name } of await tree.list('pg_stat'))
    // Until PostgreSQL 14 they are several; extensions keep theirs here, too.
    if (/^(pgstat|global|db_\d+)\.stat$/.test(name)) await tree.remove(`pg_stat/${name}`);
}

/** Analyzing writes these, which changes nothing that people look at. */
const STATISTICS = ['pg_statistic', 'pg_statistic_ext_data'];
/** A session may keep what it wrote to itself for ten seconds (PGSTAT_IDLE_INTERVAL), and as long as its transaction is open. */
const REPORT_DELAY = '15 seconds';
/** Who asks waits before a question is shown: later the answer is that nobody knows. */
const PATIENCE_MS = 2000;

export interface ChangesOptions {
  spec: ServerSpec;
  major: number;
  /** The copy's first start lies between them. */
  started: { after: Date; before: Date };
  signal: AbortSignal | undefined;
}

const unknown: Changes = { counted: 'no', tables: [], schema: false };

export async function readChanges({ spec, major, started, signal }: ChangesOptions): Promise<Changes> {
  // Older servers do not tell counters that somebody reset from those of a database that was first used then.
  if (major < 15) return unknown;
  const session = { spec, major, timeoutMs: PATIENCE_MS, queryTimeoutMs: PATIENCE_MS, signal };
  const databases = await withAdmin(session, async (client) => {
    // Set when a server starts without counters: first of all, and after a crash, which forgets them.
    const { rows } = await client.query<{ at: Date | null }>(
      'SELECT stats_reset AS at FROM pg_stat_archiver',
    );
    const at = rows[0]?.at ?? null;
    if (at === null || at < started.after || at > started.before) return undefined;
    const found = await client.query<{ name: string; reset: boolean }>(
      `SELECT d.datname AS name, s.stats_reset IS NOT NULL AS reset
       FROM pg_database d LEFT JOIN pg_stat_database s ON s.datid = d.oid
       WHERE d.datallowconn AND NOT d.datistemplate
         AND (s.stats_reset IS NOT NULL OR s.xact_commit + s.xact_rollback > 0 OR s.numbackends > 0)
       ORDER BY d.datname`,
    );
    return found.rows;
  });
  if (databases === undefined || databases.some(({ reset }) => reset)) return unknown;
  const found: Changes[] = [];
  for (const { name } of databases)
    found.push(await withAdmin({ ...session, database: name }, (client) => changesIn(client, name)));
  return {
    counted: found.every(({ counted }) => counted === 'all') ? 'all' : 'some',
    tables: found.flatMap(({ tables }) => tables),
    schema: found.some(({ schema }) => schema),
  };
}

async function changesIn(client: Client, database: string): Promise<Changes> {
  const rows = await client.query<Record<'schema' | 'name' | 'inserted' | 'updated' | 'deleted', string>>(
    `SELECT schemaname AS schema, relname AS name, n_tup_ins AS inserted, n_tup_upd AS updated, n_tup_del AS deleted
     FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
     ORDER BY n_tup_ins + n_tup_upd + n_tup_del DESC, schemaname, relname LIMIT 1000`,
  );
  const other = await client.query<{ schema: boolean; pending: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_stat_sys_tables s JOIN pg_class c ON c.oid = s.relid
              WHERE s.schemaname = 'pg_catalog' AND NOT c.relisshared AND NOT s.relname = ANY ($1)
                AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0) AS schema,
            EXISTS (SELECT FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                AND application_name <> $3
                AND (backend_xid IS NOT NULL OR state_change > clock_timestamp() - $2::interval)) AS pending`,
    [STATISTICS, REPORT_DELAY, APPLICATION_NAME],
  );
  const tables = rows.rows.map(({ schema, name, inserted, updated, deleted }): ChangedTable => ({
    ...{ database, schema, name },
    ...{ inserted: Number(inserted), updated: Number(updated), deleted: Number(deleted) },
  }));
  const { schema = false, pending = false } = other.rows[0] ?? {};
  return { counted: pending ? 'some' : 'all', tables, schema };
}
