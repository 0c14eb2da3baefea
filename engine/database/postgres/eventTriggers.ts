/** Keeps people's event triggers from what the engine itself does to a copy: they may forbid it, or write down who did what. */
import type { Client } from 'pg';
import { quoteName } from './quoting.ts';

/** From PostgreSQL 17 on the engine's sessions fire none (`event_triggers=off`). */
const HAS_SETTING = 17;

export interface QuietTrigger {
  name: string;
  /** As pg_event_trigger has it. */
  enabled: string;
}

/** Switches off those of the session's database that are on. To switch one off fires none. */
export async function quietEventTriggers(client: Client): Promise<readonly QuietTrigger[]> {
  const { rows } = await client.query<QuietTrigger>(
    `SELECT evtname AS name, evtenabled::text AS enabled FROM pg_event_trigger
     WHERE evtenabled <> 'D' AND current_setting('server_version_num')::int < ${HAS_SETTING * 10000}`,
  );
  for (const { name } of rows) await client.query(`ALTER EVENT TRIGGER ${quoteName(name)} DISABLE`);
  return rows;
}

const STATES: Readonly<Record<string, string>> = { O: 'ENABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' };

export async function restoreEventTriggers(client: Client, triggers: readonly QuietTrigger[]): Promise<void> {
  for (const { name, enabled } of triggers)
    await client.query(`ALTER EVENT TRIGGER ${quoteName(name)} ${STATES[enabled] ?? 'ENABLE'}`);
}

export async function withoutEventTriggers<Value>(
  client: Client,
  work: () => Promise<Value>,
): Promise<Value> {
  const triggers = await quietEventTriggers(client);
  const value = await work();
  await restoreEventTriggers(client, triggers);
  return value;
}
