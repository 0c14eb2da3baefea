/** What a clone's server says was changed since its snapshot, and what it writes while nobody touches it. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Changes } from '../../../engine/database/database.ts';
import { openPostgresBench, type PostgresBench, type RunningClone } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';

describe('changes of a PostgreSQL clone', function () {
  this.timeout(120_000);
  let source: PostgresSource;
  let bench: PostgresBench;
  let snapshot: { target: string; version: string };
  const begin = async (): Promise<{ clone: RunningClone; changes: () => Promise<Changes> }> => {
    const after = new Date();
    const clone = await bench.start(await bench.copy(snapshot.target), snapshot.version);
    const started = { after, before: new Date() };
    return { clone, changes: () => bench.database.changes(clone.spec, started) };
  };
  const told = ({ counted, schema, tables }: Changes) => ({
    counted,
    schema,
    tables: tables.map(({ name, inserted, updated, deleted }) => [name, inserted, updated, deleted]),
  });

  before(async () => {
    source = await startPostgresSource();
    bench = await openPostgresBench();
    await source.run('postgres', 'CREATE DATABASE shop');
    await source.run(
      'shop',
      'CREATE TABLE orders (id int PRIMARY KEY, text text)',
      'CREATE TABLE users (id int PRIMARY KEY)',
      "INSERT INTO orders SELECT id, 'x' FROM generate_series(1, 1000) AS id",
    );
    snapshot = await bench.retrieve(
      { retrieval: 'logical', url: source.url('shop') },
      { password: SOURCE_PASSWORD },
    );
  });
  after(async () => {
    await source.remove();
    await bench.close();
  });

  it('are rows by table, and not those of the snapshot', async () => {
    const { clone, changes } = await begin();
    await clone.query('shop', "UPDATE orders SET text = 'y' WHERE id <= 3");
    await clone.query('shop', 'DELETE FROM orders WHERE id = 10');
    await clone.query('shop', 'INSERT INTO users VALUES (1), (2)');
    // Whose session has just ended may not have told yet: only what is there counts.
    const { schema, tables } = told(await changes());
    assert.deepEqual(
      { schema, tables },
      {
        schema: false,
        tables: [
          ['orders', 0, 3, 1],
          ['users', 2, 0, 0],
        ],
      },
    );
    await clone.stop();
  });

  it('are none in a clone that was only read, in every database that somebody used', async () => {
    const { clone, changes } = await begin();
    await clone.query('shop', 'SELECT count(*) FROM orders');
    assert.deepEqual(told(await changes()), { counted: 'all', schema: false, tables: [] });
    await clone.stop();
  });

  it('in definitions are the lines that differ from those of another clone of the snapshot, and only those', async () => {
    const { clone } = await begin();
    const { clone: other } = await begin();
    const linesOf = async ({ spec }: RunningClone): Promise<string[]> =>
      (await bench.database.definitions(spec, 'shop')).split('\n');
    const before = await linesOf(other);
    assert.ok(before.some((line) => line.startsWith('CREATE TABLE public.orders')));
    assert.deepEqual(await linesOf(clone), before);
    await clone.query('shop', 'ALTER TABLE users ADD COLUMN email text');
    const after = await linesOf(clone);
    assert.deepEqual(
      after.filter((line) => !before.includes(line)),
      ['    id integer NOT NULL,', '    email text'].filter((line) => !before.includes(line)),
    );
    assert.ok(after.includes('    email text'));
    await assert.rejects(bench.database.definitions(clone.spec, 'nowhere'), /could not be read: .*nowhere/);
    await Promise.all([clone.stop(), other.stop()]);
  });

  it('tell that definitions changed, also by TRUNCATE', async () => {
    for (const statement of ['CREATE TABLE more (id int)', 'TRUNCATE users']) {
      const { clone, changes } = await begin();
      await clone.query('shop', statement);
      assert.equal((await changes()).schema, true, statement);
      await clone.stop();
    }
  });

  it('are counted in part while a transaction is open', async () => {
    const { clone, changes } = await begin();
    const session = await clone.connect('shop');
    await session.query('BEGIN');
    await session.query('INSERT INTO users VALUES (1)');
    assert.equal((await changes()).counted, 'some');
    await session.end();
    await clone.stop();
  });

  it('are unknown after somebody reset the counters, and after the server crashed', async () => {
    const { clone, changes } = await begin();
    await clone.query('shop', 'SELECT pg_stat_reset()');
    assert.equal((await changes()).counted, 'no');
    await clone.stop();

    const after = new Date();
    const target = await bench.copy(snapshot.target);
    const first = await bench.start(target, snapshot.version);
    const started = { after, before: new Date() };
    await first.query('shop', 'INSERT INTO users VALUES (1)');
    await first.stop('immediate');
    const again = await bench.start(target, snapshot.version);
    assert.equal((await bench.database.changes(again.spec, started)).counted, 'no');
    await again.stop();
  });

  it('are asked for without a visit to a database that nobody used', async () => {
    const { clone, changes } = await begin();
    assert.equal((await changes()).counted, 'all');
    const caches = await visited(clone.spec.dataDirectory);
    assert.equal(caches.length, 1, 'the engine itself goes to one database alone');
    await clone.stop();
  });

  it('leave no counters in the snapshot: no clone vacuums what its source had left to do', async () => {
    assert.deepEqual(await readdir(path.join(snapshot.target, 'pg_stat')), []);
    const directory = path.join(source.dataDirectory);
    await source.stop();
    const copied = await bench.retrieve({ retrieval: 'directory', directory });
    assert.deepEqual(await readdir(path.join(copied.target, 'pg_stat')), []);
  });
});

/** Databases that a session went to since the start: each leaves a cache. */
async function visited(dataDirectory: string): Promise<string[]> {
  const base = path.join(dataDirectory, 'base');
  const found = await Promise.all(
    (await readdir(base)).map(async (name) =>
      (await readdir(path.join(base, name))).includes('pg_internal.init') ? [name] : [],
    ),
  );
  return found.flat();
}
