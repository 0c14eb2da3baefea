/** Reads in a copy's database without a chance to change it, to wait for long, or to run what its owner wrote. */
import type { Client } from 'pg';
import { fail } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Row, Statement } from '../database.ts';
import { withAdmin } from './admin.ts';

/** Longer than any table of this use needs, and shorter than people wait. */
const STATEMENT_MS = 5000;
/** A tool that changes the table just now holds it. */
const LOCK_MS = 1000;

export interface ReadOptions {
  spec: ServerSpec;
  major: number;
  database: string;
  statements: readonly Statement[];
  signal: AbortSignal | undefined;
}

export async function readInDatabase(options: ReadOptions): Promise<readonly (readonly Row[])[]> {
  const { spec, major, database, statements, signal } = options;
  signal?.throwIfAborted();
  try {
    const bounds = { queryTimeoutMs: STATEMENT_MS + LOCK_MS, signal };
    return await withAdmin({ spec, major, database, ...bounds }, (client) => inReadOnly(client, statements));
  } catch (error) {
    signal?.throwIfAborted();
    const problem = error instanceof Error ? error.message : String(error);
    throw fail('read_failed', { server: spec.title, database, problem }, { cause: error });
  }
}

async function inReadOnly(client: Client, statements: readonly Statement[]): Promise<(readonly Row[])[]> {
  await client.query(
    `BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
     SET LOCAL statement_timeout = ${STATEMENT_MS}; SET LOCAL lock_timeout = ${LOCK_MS}`,
  );
  // We are a superuser here, and what a view calls runs as us. Servers since August 2024 can refuse views; older ones rely on
  // statements that ask for ordinary tables.
  await client.query(
    `SELECT set_config(name, 'view, foreign-table', true) FROM pg_settings
     WHERE name = 'restrict_nonsystem_relation_kind'`,
  );
  const results: (readonly Row[])[] = [];
  for (const { text, values = [] } of statements) {
    const { rows } = await client.query<Row>({ text, values: [...values], types: asText });
    results.push(rows);
  }
  await client.query('COMMIT');
  return results;
}

/** pg makes numbers, dates and objects of some types; here every value stays as the server wrote it. */
const asText = { getTypeParser: () => (value: string) => value };
