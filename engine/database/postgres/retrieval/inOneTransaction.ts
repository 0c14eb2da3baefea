/** Tries statements together, and says why the server refused them. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';

/**
 * What says nothing of the statements (https://www.postgresql.org/docs/current/errcodes-appendix.html): a full disk, a server that
 * ends, a file system that fails.
 */
const BEYOND_STATEMENTS = /^(?:53100|57P..|58030)$/;

/**
 * Undefined: they are done; else nothing is, for the reason in the server's words. Errors: those that are not the server's, and those
 * of it that any other statement would get too.
 */
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
    const state = sqlState(error) ?? '';
    if (!/^[0-9A-Z]{5}$/.test(state) || BEYOND_STATEMENTS.test(state)) throw error;
    await client.query('ROLLBACK');
    return error instanceof Error ? error.message : String(error);
  }
}
