/** Tries statements together, and says why the server refused them. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';

/** Undefined: they are done; else nothing is, for the reason in the server's words. Errors: those that are not the server's. */
export async function inOneTransaction(
  client: Client,
  statements: readonly string[],
): Promise<string | undefined> {
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
    return undefined;
  } catch (error) {
    if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
    await client.query('ROLLBACK');
    return error instanceof Error ? error.message : String(error);
  }
}
