/** Dumps a database of a source, or all of it, with PostgreSQL's own programs, as people do. */
import assert from 'node:assert/strict';
import type { PostgresBench } from './postgresBench.ts';
import { SOURCE_PASSWORD, SOURCE_USER, testPrograms, type PostgresSource } from './postgresSource.ts';

export async function dumpSource(
  bench: Pick<PostgresBench, 'machine'>,
  { port }: Pick<PostgresSource, 'port'>,
  database: string,
  args: readonly string[],
  program: 'pg_dump' | 'pg_dumpall' = 'pg_dump',
): Promise<void> {
  const { client } = await testPrograms()();
  assert.ok(client.ok);
  await bench.machine.run({
    program: client.programs[program],
    args,
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      PGUSER: SOURCE_USER,
      PGPASSWORD: SOURCE_PASSWORD,
      PGDATABASE: database,
    },
    parse: (result) => assert.equal(result.code, 0, result.stderr),
  });
}
