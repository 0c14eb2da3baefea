import assert from 'node:assert/strict';
import { lockHolders } from '../../../engine/database/postgres/retrieval/lockHolders.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';

describe('what a source does not let be read', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  before(async () => {
    bench = await openPostgresBench();
    source = await startPostgresSource({ major: 16 });
    await source.run(
      'postgres',
      'CREATE TABLE kept (id int)',
      'INSERT INTO kept VALUES (1)',
      'CREATE ROLE "rea""der" LOGIN PASSWORD \'reader\' IN ROLE pg_read_all_data',
    );
  });
  after(async () => {
    await source.remove();
    await bench.checkNothingLeft();
    await bench.close();
  });
  const retrieve = (user = 'rea"der') => {
    const url = new URL(source.url());
    url.username = encodeURIComponent(user);
    return bench.retrieve({ retrieval: 'logical', url: url.href }, { password: 'reader' });
  };

  for (const { title, make, drop } of [
    {
      title: 'a large object',
      make: "SELECT lo_from_bytea(4711, 'abc')",
      drop: 'SELECT lo_unlink(4711)',
    },
    {
      title: 'rows that a policy hides',
      make: 'ALTER TABLE kept ENABLE ROW LEVEL SECURITY',
      drop: 'ALTER TABLE kept DISABLE ROW LEVEL SECURITY',
    },
  ])
    it(`is told for ${title} with an advice that helps`, async () => {
      await source.run('postgres', make);
      let advice = '';
      await assert.rejects(retrieve(), (error) => {
        assert.ok(isFailure(error, 'source_permission'), String(error));
        advice = error.document.next;
        return true;
      });
      const statement = /run: ([^;]+;)/.exec(advice)?.[1];
      assert.ok(statement !== undefined, advice);
      await source.run('postgres', statement);
      await retrieve();
      await source.run('postgres', drop);
    });

  it('is told as what a copy is not compared in', async () => {
    const triggers = 'ON FUNCTION pg_get_triggerdef(oid)';
    await source.run(
      'postgres',
      "CREATE ROLE plain LOGIN PASSWORD 'reader'",
      'GRANT SELECT ON kept TO plain',
      `REVOKE EXECUTE ${triggers} FROM PUBLIC`,
    );
    const problem =
      "objects of the kind trigger can't be compared: permission denied for function pg_get_triggerdef";
    const { comparison } = await retrieve('plain');
    assert.equal(comparison?.problem, problem);
    assert.ok(bench.lines.includes(`info: Not everything is compared: ${problem}.`), bench.lines.join('\n'));
    await source.run('postgres', `GRANT EXECUTE ${triggers} TO PUBLIC`);
  });

  it('names table and holder of a lock that was waited for', async () => {
    const [holder, reader] = [await source.connect(), await source.connect()];
    try {
      await holder.query("SET application_name = 'nightly job'");
      await holder.query('BEGIN; LOCK TABLE kept');
      await reader.query("BEGIN; SET lock_timeout = '1ms'");
      await assert.rejects(reader.query('SELECT FROM kept'), { code: '55P03' });
      const [lock, ...more] = await lockHolders(reader);
      assert.match(
        lock ?? '',
        /^public\.kept is locked by process \d+ \(user owner, application nightly job, idle in transaction\)$/,
      );
      assert.deepEqual(more, []);
      await holder.query('ROLLBACK');
      assert.deepEqual(await lockHolders(reader), []);
    } finally {
      await holder.end();
      await reader.end();
    }
  });
});
