import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { dumpSource } from '../../support/dumpSource.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';

/** `nowhere` is one that this machine's PostgreSQL lacks: the source finds it in a folder of its own. */
describe('extensions of a source', function () {
  this.timeout(240_000);
  let bench: PostgresBench;
  let source: PostgresSource;
  const dumpOf = (name: string): string => path.join(bench.root, name);
  before(async () => {
    bench = await openPostgresBench();
    const folder = path.join(bench.root, 'extensions', 'extension');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'nowhere.control'), "default_version = '1.0'\nrelocatable = true\n");
    await writeFile(
      path.join(folder, 'nowhere--1.0.sql'),
      "CREATE TYPE mood AS ENUM ('sad', 'glad');\nCREATE FUNCTION worse(mood) RETURNS mood LANGUAGE sql AS 'SELECT $1';\nCREATE FUNCTION lucky() RETURNS int LANGUAGE sql AS 'SELECT 7';\n",
    );
    // As the real one: it has a table of jobs, and says that it has to be preloaded.
    await writeFile(path.join(folder, 'pg_cron.control'), "default_version = '1.6'\nrelocatable = false\n");
    await writeFile(
      path.join(folder, 'pg_cron--1.6.sql'),
      'CREATE SCHEMA cron;\nCREATE TABLE cron.job (jobid int, command text);\n',
    );
    source = await startPostgresSource({
      major: 18,
      settings: {
        extension_control_path: `${path.dirname(folder)}:$system`,
        shared_preload_libraries: 'pg_stat_statements',
      },
    });
    await source.run(
      'postgres',
      'CREATE DATABASE shop',
      'CREATE DATABASE apart',
      'CREATE DATABASE plain',
      'CREATE DATABASE busy',
    );
    await source.run(
      'shop',
      'CREATE EXTENSION nowhere',
      'CREATE SCHEMA tools',
      'CREATE EXTENSION citext SCHEMA tools',
      'CREATE EXTENSION pg_stat_statements',
      'CREATE TABLE kept (id int PRIMARY KEY, name tools.citext)',
      "INSERT INTO kept VALUES (1, 'One')",
      'CREATE TABLE moody (id int PRIMARY KEY REFERENCES kept, mood mood)',
      "INSERT INTO moody VALUES (1, 'glad')",
      'CREATE INDEX ON moody (mood)',
      'CREATE VIEW moods AS SELECT mood FROM moody',
      'CREATE TABLE tools.more (id int)',
      "CREATE TABLE numbered (id int DEFAULT lucky() NOT NULL, name text DEFAULT 'x', more int DEFAULT 1 + lucky())",
      'INSERT INTO numbered DEFAULT VALUES',
    );
    await source.run(
      'apart',
      'CREATE SCHEMA other',
      'CREATE EXTENSION nowhere SCHEMA other',
      'CREATE TABLE other.moody (mood other.mood)',
      'CREATE SCHEMA tools',
      'CREATE EXTENSION citext SCHEMA tools',
      'CREATE TABLE tools.secret (id int)',
      "CREATE TABLE kept (name tools.citext DEFAULT tools.citext('x'))",
      "INSERT INTO kept VALUES ('One')",
    );
    await source.run(
      'busy',
      'CREATE EXTENSION pg_cron',
      "INSERT INTO cron.job VALUES (1, 'SELECT send_mails()')",
      'CREATE TABLE kept AS SELECT 1 AS id',
      'CREATE VIEW jobs AS SELECT * FROM cron.job',
    );
    for (const [name, format, database] of [
      ['shop.dump', 'custom', 'shop'],
      ['shop.tar', 'tar', 'shop'],
      ['shop.sql', 'plain', 'shop'],
      ['busy.dump', 'custom', 'busy'],
      ['busy.sql', 'plain', 'busy'],
    ] as const)
      await dumpSource(bench, source, database, [`--format=${format}`, `--file=${dumpOf(name)}`]);
  });
  after(async () => {
    await source.remove();
    await bench.checkNothingLeft();
    await bench.close();
  });

  const logical = (database: string) => ({ retrieval: 'logical' as const, url: source.url(database) });
  const begun = (): boolean => bench.lines.some((line) => /Dumping|Restoring|Running/.test(line));

  for (const [title, definition] of [
    ['a server', () => logical('shop')],
    ['a custom dump', () => ({ retrieval: 'dump' as const, dump: dumpOf('shop.dump') })],
    ['a plain dump', () => ({ retrieval: 'dump' as const, dump: dumpOf('shop.sql') })],
  ] as const)
    it(`that are missing are told before anything of ${title} is copied, with the way that works`, async () => {
      await assert.rejects(
        bench.retrieve(definition(), title === 'a server' ? { password: SOURCE_PASSWORD } : {}),
        (error) =>
          isFailure(error, 'restore_failed') &&
          /the extension nowhere.*exclude: \{ extensions: \[nowhere\] \}/.test(error.message),
      );
      assert.ok(!begun(), bench.lines.join('\n'));
    });

  for (const [title, definition] of [
    ['a server', () => logical('shop')],
    ['a custom dump', () => ({ retrieval: 'dump' as const, dump: dumpOf('shop.dump') })],
    ['a tar dump', () => ({ retrieval: 'dump' as const, dump: dumpOf('shop.tar') })],
  ] as const)
    it(`of ${title} are left out with what depends on them, and told by name`, async () => {
      const retrieved = await bench.retrieve(
        { ...definition(), exclude: { extensions: ['nowhere'] } },
        title === 'a server' ? { password: SOURCE_PASSWORD } : {},
      );
      for (const object of ['table public.moody', 'view public.moods'])
        assert.ok(
          bench.lines.some((line) => line.includes(`The ${object} is left out`)),
          bench.lines.join('\n'),
        );
      // No more of that table depends on it.
      assert.ok(
        bench.lines.some((line) => /The table public\.numbered comes without defaults .*lucky/.test(line)),
        bench.lines.join('\n'),
      );
      const clone = await bench.start(retrieved.target, retrieved.version);
      assert.deepEqual(
        await clone.query(
          'shop',
          `SELECT t.*, (SELECT string_agg(a.attname, ' ') FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
             WHERE d.adrelid = 'numbered'::regclass) AS defaults FROM numbered t`,
        ),
        [{ id: 7, name: 'x', more: 8, defaults: 'name' }],
      );
      assert.deepEqual(
        retrieved.comparison?.differences.filter(({ rule }) => rule === null),
        [],
      );
      const names = await clone.query<{ name: string }>(
        'shop',
        `SELECT extname AS name FROM pg_extension UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
           AND relkind IN ('r', 'v') AND relname !~ '^pg_stat' ORDER BY 1`,
      );
      assert.deepEqual(
        names.map(({ name }) => name),
        ['citext', 'kept', 'numbered', 'pg_stat_statements', 'plpgsql'],
      );
      assert.deepEqual(
        await clone.query('shop', "SELECT id FROM kept WHERE name OPERATOR(tools.=) 'ONE'::tools.citext"),
        [{ id: 1 }],
      );
      // It answers only in a server that loaded it.
      const [seen] = await clone.query<{ calls: number }>(
        'shop',
        'SELECT count(*)::int AS calls FROM pg_stat_statements',
      );
      assert.ok(seen !== undefined && seen.calls > 0);
      await clone.stop();
    });

  it('come along where the schemas that are copied use them, and stay away where nothing does', async () => {
    const retrieved = await bench.retrieve(
      { ...logical('apart'), include: { schemas: ['public'] } },
      { password: SOURCE_PASSWORD },
    );
    assert.ok(
      bench.lines.some((line) =>
        line.includes('The extension nowhere is not on this machine and is left out'),
      ),
    );
    const clone = await bench.start(retrieved.target, retrieved.version);
    assert.deepEqual(
      await clone.query(
        'apart',
        "SELECT name::text FROM kept WHERE name OPERATOR(tools.=) 'ONE'::tools.citext",
      ),
      [{ name: 'One' }],
    );
    const tables = await clone.query('apart', "SELECT FROM pg_class WHERE relname IN ('secret', 'moody')");
    assert.equal(tables.length, 0);
    await clone.stop();
  });

  for (const [title, definition] of [
    ['a server', () => logical('busy')],
    ['a custom dump', () => ({ retrieval: 'dump' as const, dump: dumpOf('busy.dump') })],
  ] as const)
    it(`of ${title} that would do production's work in clones are left out unasked, with what depends on them`, async () => {
      const retrieved = await bench.retrieve(
        definition(),
        title === 'a server' ? { password: SOURCE_PASSWORD } : {},
      );
      for (const told of ['pg_cron acts on its own and is left out', 'view public.jobs is left out'])
        assert.ok(
          bench.lines.some((line) => line.startsWith('warning') && line.includes(told)),
          bench.lines.join('\n'),
        );
      const clone = await bench.start(retrieved.target, retrieved.version);
      assert.deepEqual(await clone.query('busy', 'SELECT id FROM kept'), [{ id: 1 }]);
      assert.deepEqual(
        await clone.query(
          'busy',
          `SELECT to_regclass('cron.job') AS jobs, current_setting('shared_preload_libraries') AS loaded`,
        ),
        [{ jobs: null, loaded: '' }],
      );
      await clone.stop();
    });

  it('that act are refused in a plain dump, of which they can not be left out', async () => {
    await assert.rejects(
      bench.retrieve({ retrieval: 'dump', dump: dumpOf('busy.sql') }),
      (error) =>
        isFailure(error, 'not_supported') &&
        /plain SQL dump with the extension pg_cron, which acts on its own/.test(error.message),
    );
    assert.ok(!begun(), bench.lines.join('\n'));
  });

  it('that nobody has can not be left out, and of a plain dump none can', async () => {
    await assert.rejects(
      bench.retrieve(
        { ...logical('shop'), exclude: { extensions: ['nobody'] } },
        { password: SOURCE_PASSWORD },
      ),
      (error) => isFailure(error, 'source_selection') && error.message.includes('no extension "nobody"'),
    );
    await assert.rejects(
      bench.retrieve({ retrieval: 'dump', dump: dumpOf('shop.sql'), exclude: { extensions: ['nowhere'] } }),
      (error) => isFailure(error, 'not_supported') && error.message.includes('plain SQL'),
    );
  });
});
