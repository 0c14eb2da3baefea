import assert from 'node:assert/strict';
import path from 'node:path';
import type { Comparison } from '../../../engine/protocol/entities.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import {
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../../support/postgresSource.ts';
import { fixtures, quoted, rolesOfFixtures } from './fixtures.ts';

for (const major of [13, 15, 16, 18]) {
  describe(`a copy of PostgreSQL ${major}, compared with its source`, () => {
    let bench: PostgresBench;
    let source: PostgresSource;
    before(async () => {
      bench = await openPostgresBench();
      source = await startPostgresSource({ major, settings: { wal_level: 'logical' } });
      await source.run('postgres', ...rolesOfFixtures(major));
    });
    after(async () => {
      await source.remove();
      await bench.close();
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

    it('has all that plain dumps of these databases list', async function () {
      if (major !== 18) this.skip();
      const { client } = await testPrograms()();
      assert.ok(client.ok);
      for (const { title, database, statements } of fixtures(major)) {
        const dump = path.join(bench.root, `${statements.length}.sql`);
        await bench.machine.run({
          program: client.programs.pg_dump,
          args: [`--file=${dump}`],
          env: {
            ...{ PGHOST: '127.0.0.1', PGPORT: String(source.port), PGUSER: SOURCE_USER },
            ...{ PGPASSWORD: SOURCE_PASSWORD, PGDATABASE: database },
          },
          parse: ({ code, stderr }) => assert.equal(code, 0, stderr),
        });
        const { comparison } = await bench.retrieve({ retrieval: 'dump', dump });
        // Such a dump does not tell which of its roles are superusers.
        assert.deepEqual(
          comparison?.differences.filter(({ rule }) => rule === null),
          [],
          title,
        );
        assert.ok(comparison.objects > statements.length / 2, `${title}: ${comparison.objects}`);
      }
    });
  });
}

describe('a comparison', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  before(async () => {
    bench = await openPostgresBench();
    source = await startPostgresSource();
    await source.run(
      'postgres',
      'CREATE SCHEMA billing',
      'CREATE TABLE billing.invoices (id int PRIMARY KEY)',
      `CREATE TABLE ${quoted} (id int PRIMARY KEY, invoice int REFERENCES billing.invoices)`,
      `CREATE VIEW unpaid AS SELECT * FROM billing.invoices`,
    );
  });
  after(async () => {
    await source.remove();
    await bench.close();
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
});
