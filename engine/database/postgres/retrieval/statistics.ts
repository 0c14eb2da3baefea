/** Vacuums restored tables, so that clones of them plan well and don't rewrite pages merely by reading. */
import { quoteName } from '../quoting.ts';
import { type TemporaryServer, type Workbench } from '../workbench.ts';
import { portion } from '../../portion.ts';

/** As many as restored the rows. */
const SESSIONS = 2;

/**
 * The first reader of a freshly loaded page sets hint bits, which makes the page its own in every thin clone. FREEZE
 * writes them once, in the snapshot, and keeps wraparound vacuum away.
 */
export async function gatherStatistics(
  { query }: Pick<TemporaryServer, 'query'>,
  database: string,
  bench: Workbench,
): Promise<void> {
  const report = portion(bench.report, 0.85, 0.92);
  report.phase('gathering statistics');
  bench.report.line('Gathering statistics.');
  const tables = await query(database, async (client) => {
    const { rows } = await client.query<{ schema: string; name: string; bytes: string }>(
      `SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid)::text AS bytes
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
         AND n.nspname !~ '^pg_(toast|temp)' ORDER BY pg_table_size(c.oid) DESC, c.oid`,
    );
    return rows;
  });
  const total = tables.reduce((sum, table) => sum + Number(table.bytes), 0);
  const left = tables.values();
  let done = 0;
  const work = (): Promise<void> =>
    query(database, async (client) => {
      for (const { schema, name, bytes } of left) {
        bench.signal.throwIfAborted();
        await client.query(`VACUUM (FREEZE, ANALYZE) ${quoteName(schema)}.${quoteName(name)}`);
        done += Number(bytes);
        report.progress(done / Math.max(total, 1));
      }
    });
  await Promise.all(Array.from({ length: SESSIONS }, work));
}
