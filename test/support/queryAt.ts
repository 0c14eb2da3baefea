/** Asks a database by its URL, in a session of its own. */
import pg from 'pg';

export async function queryAt<Row extends pg.QueryResultRow = Record<string, unknown>>(
  connectionString: string,
  sql: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
