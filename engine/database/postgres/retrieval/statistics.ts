/** Vacuums restored tables, so that clones of them plan well and don't rewrite pages merely by reading. */
import type { Client } from 'pg';
import { quoteName } from '../quoting.ts';
import { portion, type Workbench } from '../workbench.ts';

/**
 * The first reader of a freshly loaded page sets hint bits, which makes the page its own in every thin clone. FREEZE
 * writes them once, in the snapshot, and keeps wraparound vacuum away.
 */
export async function gatherStatistics(client: Client, bench: Workbench): Promise<void> {
  const report = portion(bench.report, 0.85, 0.92);
  report.phase('gathering statistics');
  bench.report.line('Gathering statistics.');
  const { rows } = await client.query<{ schema: string; name: string; bytes: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid)::text AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
       AND n.nspname !~ '^pg_(toast|temp)' ORDER BY c.oid`,
  );
  const total = rows.reduce((sum, row) => sum + Number(row.bytes), 0);
  let done = 0;
  for (const row of rows) {
    bench.signal.throwIfAborted();
    await client.query(`VACUUM (FREEZE, ANALYZE) ${quoteName(row.schema)}.${quoteName(row.name)}`);
    done += Number(row.bytes);
    report.progress(done / Math.max(total, 1));
  }
}
