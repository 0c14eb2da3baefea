/** A refresh from a running server beside pg_dump and pg_restore by hand, and the comparison of many tables. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compareWithSource } from '../../engine/database/postgres/compare/compareCopy.ts';
import { readInventory, readSequenceValues } from '../../engine/database/postgres/compare/inventory.ts';
import { countSourceRows } from '../../engine/database/postgres/compare/rowCounts.ts';
import { selectTables } from '../../engine/database/postgres/selection.ts';
import { makeTestEngine } from '../support/engine.ts';
import { followJobs } from '../support/engineClient.ts';
import {
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../support/postgresSource.ts';
import type { BenchContext } from './clones.ts';
import { percentile, resultOf, type Result } from './results.ts';
import { fill } from './sourceData.ts';

const GIGABYTES = 0.8;
const REFRESH = `refresh/${GIGABYTES}GB`;
/** Times what the same takes by hand, without any check. */
const FACTOR = 1.2;
const RUNS = 3;

const TABLES = 10_000;
const COMPARISON = `comparison/${TABLES}tables`;
const COMPARISON_GOAL_MS = 2000;

export async function benchRefresh(context: BenchContext): Promise<Result[]> {
  const results: Result[] = [];
  if (context.wants(REFRESH) && !context.quick) results.push(await timeRefresh(context));
  if (context.wants(COMPARISON)) results.push(await timeComparison(context));
  return results;
}

const QUICK_SOURCE = {
  fsync: 'off',
  autovacuum: 'off',
  max_wal_size: '4GB',
  max_locks_per_transaction: '1000',
};

/** By turns, since others may be busy on the machine. */
async function timeRefresh(context: BenchContext): Promise<Result> {
  context.say(`making a source of ${GIGABYTES} GB`);
  const source = await startPostgresSource({ settings: QUICK_SOURCE });
  const engine = await makeTestEngine({
    program: context.production.engine,
    variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' },
  });
  try {
    const session = await source.connect();
    await fill(session, GIGABYTES);
    await session.end();
    const client = await engine.client();
    const definition = {
      members: {
        main: { engine: 'postgres' as const, retrieval: 'logical' as const, url: source.url() },
      },
    };
    const environment = 'refreshed';
    await client.call('environmentApply', { params: { name: environment }, body: { definition } });
    const follower = await followJobs(client);
    const values: number[] = [];
    const byHand: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      context.signal.throwIfAborted();
      context.say(`refresh ${run + 1} of ${RUNS}`);
      byHand.push(await timeByHand(context, source, join(engine.home, 'by-hand')));
      const { ms } = await follower.time(() =>
        client.call('environmentRefresh', {
          params: { environment },
          body: { passwords: { main: SOURCE_PASSWORD } },
        }),
      );
      values.push(ms);
    }
    await follower.close();
    const floor = percentile(byHand, 0.5);
    return resultOf({ name: REFRESH, values, floor, goal: floor * FACTOR });
  } finally {
    await engine.dispose();
    await source.remove();
  }
}

/** Milliseconds of both programs, into a server as it is when it is new. */
async function timeByHand(
  { machine, programs: { major } }: BenchContext,
  source: PostgresSource,
  folder: string,
): Promise<number> {
  const { client } = await testPrograms()(major);
  if (!client.ok) throw new Error(`${client.missing.what} was not found. ${client.missing.install}`);
  const target = await startPostgresSource();
  const run = async (program: string, { port }: PostgresSource, args: readonly string[]): Promise<void> =>
    await machine.run({
      ...{ program, args },
      env: {
        ...{ PGHOST: '127.0.0.1', PGPORT: String(port), PGDATABASE: 'postgres' },
        ...{ PGUSER: SOURCE_USER, PGPASSWORD: SOURCE_PASSWORD },
      },
      parse: ({ code, stderr }) => {
        if (code !== 0) throw new Error(stderr);
      },
    });
  try {
    const started = performance.now();
    await run(client.programs.pg_dump, source, ['-Fd', '-j2', '-f', folder]);
    await run(client.programs.pg_restore, target, ['-j2', '-d', 'postgres', folder]);
    return performance.now() - started;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await target.remove();
  }
}

/** What a refresh waits for: the copy is read and counted, and both sides are laid side by side. */
async function timeComparison(context: BenchContext): Promise<Result> {
  context.say(`making ${TABLES} tables`);
  const source = await startPostgresSource({ settings: QUICK_SOURCE });
  try {
    const client = await source.connect();
    await client.query(
      `DO $$ BEGIN FOR i IN 1..${TABLES} LOOP
         EXECUTE format('CREATE TABLE t_%s (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now())', i);
         EXECUTE format('INSERT INTO t_%s SELECT i, i FROM generate_series(1, 10) AS i', i);
         IF i % 100 = 0 THEN COMMIT; END IF;
       END LOOP; END $$`,
    );
    await client.query('VACUUM (ANALYZE)');
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { tables } = await selectTables(client, {});
    const picture = {
      inventory: await readInventory(client, source.major, { inTransaction: true }),
      rows: await countSourceRows(client, source.major, tables),
      valuesBefore: await readSequenceValues(client, source.major, true),
      valuesAfter: [],
    };
    await client.query('COMMIT');
    const values: number[] = [];
    for (let run = 0; run < (context.quick ? 3 : 10); run += 1) {
      context.signal.throwIfAborted();
      const started = performance.now();
      const { changes } = await compareWithSource(client, source.major, picture);
      values.push(performance.now() - started);
      if (changes.length > 0) throw new Error(`${changes.length} differences from itself`);
    }
    await client.end();
    return resultOf({ name: COMPARISON, values, goal: COMPARISON_GOAL_MS });
  } finally {
    await source.remove();
  }
}
