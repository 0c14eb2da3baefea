/** Carries over which checks of foreign keys are switched off at the source: a dump does not tell. */
import type { Client } from 'pg';
import { withoutEventTriggers } from '../eventTriggers.ts';
import { quoteName } from '../quoting.ts';

/** One of the triggers that a foreign key consists of, two on each of its tables. */
export interface SwitchedCheck {
  schema: string;
  table: string;
  name: string;
  /** The server's function behind it, which says what it checks. */
  checks: string;
  /** As `pg_trigger.tgenabled`. */
  state: string;
}

const CHECKS = `
  SELECT n.nspname AS schema, c.relname AS table, k.conname AS name, p.proname AS checks, t.tgenabled::text AS state,
         pg_catalog.format('%I.%I', tn.nspname, tc.relname) AS on, t.tgname AS trigger
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f'
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class tc ON tc.oid = t.tgrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid`;

export async function readSwitchedChecks(client: Client): Promise<readonly SwitchedCheck[]> {
  const { rows } = await client.query<SwitchedCheck>(`${CHECKS} WHERE t.tgenabled <> 'O'`);
  return rows;
}

const STATES: Readonly<Record<string, string>> = { D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' };

/** A foreign key that is not in the copy is told elsewhere. */
export async function switchChecks(client: Client, checks: readonly SwitchedCheck[]): Promise<void> {
  if (checks.length === 0) return;
  const { rows } = await client.query<SwitchedCheck & { on: string; trigger: string }>(CHECKS);
  const key = ({ schema, table, name, checks: what }: SwitchedCheck): string =>
    JSON.stringify([schema, table, name, what]);
  const wanted = new Map(checks.map((check) => [key(check), STATES[check.state]]));
  await withoutEventTriggers(client, async () => {
    for (const row of rows) {
      const state = wanted.get(key(row));
      if (state !== undefined)
        await client.query(`ALTER TABLE ${row.on} ${state} TRIGGER ${quoteName(row.trigger)}`);
    }
  });
}
