import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { inOneLine } from '../../../engine/database/postgres/compare/difference.ts';
import { compareRows, countSourceRows } from '../../../engine/database/postgres/compare/rowCounts.ts';
import { selectTables } from '../../../engine/database/postgres/selection.ts';
import type { Comparison } from '../../../engine/protocol/entities.ts';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { useBenchWithSource } from '../../support/benchWithSource.ts';
import { dumpSource } from '../../support/dumpSource.ts';
import { oldestAndNewest } from '../../support/long.ts';
import type { PostgresBench } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';
import { fixtures, quoted, rolesOfFixtures } from './fixtures.ts';

for (const major of oldestAndNewest([13, 15, 16, 18], 'copies compared with their source,')) {
  describe(`a copy of PostgreSQL ${major}, compared with its source`, function () {
    this.timeout(240_000);
    let bench: PostgresBench;
    let source: PostgresSource;
    useBenchWithSource({ major, settings: { wal_level: 'logical' } }, async (made) => {
      ({ bench, source } = made);
      await source.run('postgres', ...rolesOfFixtures(major));
    });
    afterEach(() => bench.checkNothingLeft());

    const retrieve = async (
      database: string,
      more: Partial<Parameters<PostgresBench['retrieve']>[0]> = {},
    ): Promise<Comparison> => {
      const { comparison } = await bench.retrieve(
        { retrieval: 'logical', url: source.url(database), ...more },
        { password: SOURCE_PASSWORD },
      );
      assert.ok(comparison !== undefined);
      return comparison;
    };

    for (const { title, database, statements, explained = [] } of fixtures(major)) {
      it(`has all that ${title} has`, async () => {
        await source.run('postgres', `CREATE DATABASE "${database.replaceAll('"', '""')}"`);
        await source.run(database, ...statements);
        const comparison = await retrieve(database);
        assert.equal(comparison.problem, null);
        assert.deepEqual(
          comparison.differences.filter(({ rule }) => rule === null),
          [],
        );
        assert.deepEqual(
          comparison.differences.map(({ kind, object }) => `${kind} ${object}`),
          explained,
        );
        assert.ok(comparison.objects > statements.length);
      });
    }

    // Each version lists the same of it.
    for (const { title, database, statements } of major === 18 ? fixtures(major) : [])
      it(`has all that a plain dump of ${title} lists`, async () => {
        const dump = path.join(bench.root, `${statements.length}.sql`);
        await dumpSource(bench, source, database, [`--file=${dump}`]);
        const { comparison } = await bench.retrieve({ retrieval: 'dump', dump });
        // Such a dump does not tell which of its roles are superusers.
        assert.deepEqual(
          comparison?.differences.filter(({ rule }) => rule === null),
          [],
        );
        assert.ok(comparison.objects > statements.length / 2, String(comparison.objects));
      });
  });
}

describe('a comparison', function () {
  this.timeout(240_000);
  let bench: PostgresBench;
  let source: PostgresSource;
  useBenchWithSource({}, async (made) => {
    ({ bench, source } = made);
    await source.run(
      'postgres',
      'CREATE SCHEMA billing',
      'CREATE TABLE billing.invoices (id int PRIMARY KEY)',
      `CREATE TABLE ${quoted} (id int PRIMARY KEY, invoice int REFERENCES billing.invoices)`,
      `CREATE VIEW unpaid AS SELECT * FROM billing.invoices`,
    );
  });

  it('explains what include and exclude leave out by that, and nothing else is there', async () => {
    const { comparison } = await bench.retrieve(
      { retrieval: 'logical', url: source.url(), exclude: { schemas: ['billing'] } },
      { password: SOURCE_PASSWORD },
    );
    assert.ok(comparison !== undefined);
    const told = comparison.differences.map(({ kind, object, what }) => `${kind} ${object} ${what}`);
    assert.ok(told.includes('table billing.invoices is missing'), told.join('\n'));
    assert.ok(
      told.some((line) => line.startsWith('view public.unpaid ')),
      told.join('\n'),
    );
    assert.ok(
      told.some((line) => line.includes(`O'Dd ""Näme""`)),
      told.join('\n'),
    );
    for (const { rule } of comparison.differences) assert.match(rule ?? '', /include and exclude leave/);
  });

  describe('of rows', () => {
    const retrieve = (
      database: string,
      onRestoreError: 'warn' | 'fail' = 'warn',
    ): ReturnType<typeof bench.retrieve> =>
      bench.retrieve(
        { retrieval: 'logical', url: source.url(database), onRestoreError },
        { password: SOURCE_PASSWORD },
      );
    /** A view whose query changes a table when it is filled. */
    const filling = (change: string): readonly string[] => [
      `CREATE TABLE ${quoted} (id int)`,
      `CREATE FUNCTION change() RETURNS int LANGUAGE plpgsql AS $$BEGIN ${change}; RETURN 1; END$$`,
      'CREATE MATERIALIZED VIEW changing AS SELECT change()',
      `TRUNCATE ${quoted}`,
      `INSERT INTO ${quoted} SELECT generate_series(1, 10)`,
    ];

    it('fails the refresh when one is missing, whatever errors may cost', async () => {
      await source.run('postgres', 'CREATE DATABASE losing');
      await source.run('losing', ...filling(`DELETE FROM public.${quoted} WHERE id = 3`));
      await assert.rejects(retrieve('losing'), (error: ThinClonesError) => {
        assert.equal(error.code, 'verification_failed');
        assert.ok(
          error.message.includes(`table ${inOneLine(`public.${quoted}`)}: rows: 9 instead of 10`),
          error.message,
        );
        return true;
      });
    });

    it('tells those that came in addition', async () => {
      await source.run('postgres', 'CREATE DATABASE winning');
      await source.run('winning', ...filling(`INSERT INTO public.${quoted} VALUES (11)`));
      const { comparison } = await retrieve('winning', 'fail');
      assert.deepEqual(
        comparison?.differences.map(({ object, what }) => `${object} ${what}`),
        [`${inOneLine(`public.${quoted}`)} rows: 11 instead of 10`],
      );
      assert.match(comparison.differences[0]?.rule ?? '', /wrote more/);
    });

    it('counts partitions as one table, between which they may move', async () => {
      await source.run('postgres', 'CREATE DATABASE parted');
      await source.run(
        'parted',
        "CREATE TYPE size AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')",
        `CREATE TABLE ${quoted} (size size) PARTITION BY HASH (size)`,
        ...[0, 1].map(
          (at) => `CREATE TABLE p${at} PARTITION OF ${quoted} FOR VALUES WITH (MODULUS 2, REMAINDER ${at})`,
        ),
        `INSERT INTO ${quoted} SELECT unnest(enum_range(NULL::size))`,
        'CREATE TABLE parent (id int)',
        'CREATE TABLE child () INHERITS (parent)',
        'INSERT INTO parent VALUES (1)',
        'INSERT INTO child VALUES (1)',
      );
      const { comparison } = await retrieve('parted', 'fail');
      assert.deepEqual(comparison?.differences, []);
      assert.ok(bench.lines.some((line) => line.includes('and the rows of 3 tables: no differences')));
    });

    it('of a big table looks whether there are any, and says what it could not count', async () => {
      await source.run('postgres', 'CREATE DATABASE big');
      await source.run(
        'big',
        'CREATE TABLE big (text text) WITH (fillfactor = 10, autovacuum_enabled = off)',
        "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 8200)",
        'CREATE TABLE small (id int)',
      );
      const [client, other] = await Promise.all([source.connect('big'), source.connect('big')]);
      await client.query('BEGIN');
      const { tables } = await selectTables(client, {});
      const counts = await countSourceRows(client, source.major, tables);
      assert.deepEqual(
        [...counts.rows],
        [
          ['public.small', 0],
          ['public.big', 1],
        ],
      );
      assert.equal(counts.problem, undefined);
      await other.query('BEGIN; LOCK TABLE small IN ACCESS EXCLUSIVE MODE');
      const refused = await countSourceRows(client, source.major, tables);
      assert.deepEqual([...refused.rows], []);
      assert.match(refused.problem ?? '', /could not be counted: canceling statement due to lock timeout/);
      await other.query('DELETE FROM big; COMMIT');
      assert.deepEqual(
        (await compareRows(other, counts)).changes.map(({ item, source: before, copy }) => [
          item.object,
          before,
          copy,
        ]),
        [['public.big', 'some', 'none']],
      );
      await Promise.all([client.end(), other.end()]);
    });

    it('is of one moment, though the source goes on', async () => {
      await source.run('postgres', 'CREATE DATABASE busy');
      await source.run('busy', 'CREATE TABLE log (id int)');
      const writes: Promise<void>[] = [];
      const { comparison } = await bench.database.retrieve(
        await bench.request(
          { retrieval: 'logical', url: source.url('busy'), onRestoreError: 'fail' },
          { password: SOURCE_PASSWORD },
        ),
        {
          // Between the plan, with the moment that the snapshot tells, and the dump.
          phase: (name) => {
            if (name === 'dumping') writes.push(source.run('busy', 'INSERT INTO log VALUES (1)'));
          },
          line: (text) => {
            bench.lines.push(text);
          },
          progress: () => undefined,
        },
        new AbortController().signal,
      );
      assert.equal(writes.length, 1);
      await Promise.all(writes);
      assert.deepEqual([comparison?.problem, comparison?.differences], [null, []]);
    });

    it('is not made, and says so, where each connection leads to another server', async () => {
      const other = await startPostgresSource();
      const servers: Server[] = [];
      try {
        for (const each of [source, other]) {
          await each.run('postgres', 'CREATE DATABASE twofold');
          await each.run('twofold', 'CREATE TABLE one (id int)', 'INSERT INTO one VALUES (1)');
        }
        await other.run('twofold', 'INSERT INTO one VALUES (2)');
        const proxy = createServer((socket) => {
          const { port } = bench.phases.includes('dumping') ? other : source;
          const upstream = connect(port, '127.0.0.1');
          for (const each of [socket, upstream]) each.on('error', () => undefined);
          socket.pipe(upstream).pipe(socket);
        });
        servers.push(proxy);
        await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
        const url = new URL(source.url('twofold'));
        url.port = String((proxy.address() as AddressInfo).port);
        const { comparison } = await bench.retrieve(
          { retrieval: 'logical', url: url.href },
          { password: SOURCE_PASSWORD },
        );
        assert.match(comparison?.problem ?? '', /rows could not be counted: the source does not share/);
        assert.ok(bench.lines.some((line) => line.includes('lead to several servers')));
      } finally {
        for (const server of servers) server.close();
        await other.remove();
      }
    });
  });
});
