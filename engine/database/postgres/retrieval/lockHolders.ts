/** Says who holds the lock that the reading of a source waited for in vain. */
import type { Client } from 'pg';

/** Tables that somebody has locked against reading, with who it is; empty when nobody has any more. */
export async function lockHolders(client: Client): Promise<readonly string[]> {
  // A statement that failed ended the transaction; locks are told as they are now, not as a snapshot has them.
  await client.query('ROLLBACK');
  const { rows } = await client.query<{ table: string; pid: number; holder: string; state: string | null }>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS table, l.pid, a.state,
            pg_catalog.concat_ws(', ', 'user ' || a.usename, 'application ' || NULLIF(a.application_name, '')) AS holder
     FROM pg_catalog.pg_locks l
       JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
       JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'S', 'f')
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_'
       LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.granted AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
     ORDER BY 1 LIMIT 10`,
  );
  return rows.map(({ table, pid, holder, state }) => {
    const doing = state === null ? '' : `, ${state}`;
    return `${table} is locked by process ${pid} (${holder}${doing})`;
  });
}

/** pg_dump limits its wait by the time of the statement. */
export const saysLockTimeout = (text: string): boolean =>
  /lock timeout|canceling statement due to statement timeout/.test(text);
