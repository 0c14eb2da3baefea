/** Sessions with a database that last for one piece of work, as applications have them. */
import pg from 'pg';
import type { Connection } from '../../engine/protocol/entities.ts';

export async function withSession<Value>(
  how: pg.ClientConfig,
  work: (session: pg.Client) => Promise<Value>,
): Promise<Value> {
  const session = new pg.Client(how);
  // One that breaks off tells the query that runs.
  session.on('error', () => undefined);
  await session.connect();
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

export const withLogin = <Value>(
  { host, port, user, password, database }: Connection,
  work: (session: pg.Client) => Promise<Value>,
  more: pg.ClientConfig = {},
): Promise<Value> => withSession({ host, port, user, password, database, ...more }, work);

/** The rows that a database gives for a statement. */
export const queryAt = <Row extends pg.QueryResultRow = Record<string, unknown>>(
  connectionString: string,
  sql: string,
): Promise<Row[]> =>
  withSession({ connectionString }, async (session) => (await session.query<Row>(sql)).rows);
