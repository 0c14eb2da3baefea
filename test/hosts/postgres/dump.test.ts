import assert from 'node:assert/strict';
import { copyFile, cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { dumpSource } from '../../support/dumpSource.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { startPostgresSource } from '../../support/postgresSource.ts';

const code = (expected: string, pattern?: RegExp) => (error: ThinClonesError) => {
  assert.equal(error.code, expected, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return true;
};

describe('retrieval from a dump', () => {
  let bench: PostgresBench;
  const dumpOf = (name: string): string => path.join(bench.root, name);
  before(async () => {
    bench = await openPostgresBench();
    const source = await startPostgresSource();
    try {
      await source.run('postgres', "CREATE ROLE app LOGIN PASSWORD 'production'", 'CREATE DATABASE shop');
      await source.run(
        'shop',
        'CREATE TABLE customers (id int PRIMARY KEY, name text)',
        "INSERT INTO customers SELECT i, md5(i::text) || ' näme' FROM generate_series(1, 20000) i",
        'CREATE INDEX ON customers (name)',
        'ALTER TABLE customers OWNER TO app',
        'CREATE ROLE "Ro le" NOLOGIN',
        'GRANT SELECT ON customers TO "Ro le"',
      );
      const dump = (program: 'pg_dump' | 'pg_dumpall', ...args: readonly string[]): Promise<void> =>
        dumpSource(bench, source, 'shop', args, program);
      await dump('pg_dump', '--format=custom', `--file=${dumpOf('shop.dump')}`);
      await dump('pg_dump', '--format=directory', '--jobs=2', `--file=${dumpOf('shop.dir')}`);
      await dump('pg_dump', '--format=directory', '--compress=0', `--file=${dumpOf('plain.dir')}`);
      await dump('pg_dump', '--format=tar', `--file=${dumpOf('shop.tar')}`);
      await dump('pg_dump', '--format=plain', `--file=${dumpOf('shop.sql')}`);
      await dump('pg_dump', '--format=plain', '--create', `--file=${dumpOf('create.sql')}`);
      await dump('pg_dumpall', `--file=${dumpOf('all.sql')}`);
      for (const name of ['shop.dump', 'shop.sql']) {
        await writeFile(dumpOf(`${name}.gz`), gzipSync(await readFile(dumpOf(name))));
      }
    } finally {
      await source.remove();
    }
  });
  after(() => bench.close());
  afterEach(() => bench.checkNothingLeft());

  const usable: readonly { file: string; database: string }[] = [
    { file: 'shop.dump', database: 'shop' },
    { file: 'shop.dump.gz', database: 'shop' },
    { file: 'shop.dir', database: 'shop' },
    { file: 'plain.dir', database: 'shop' },
    { file: 'shop.tar', database: 'shop' },
    { file: 'shop.sql', database: 'orders' },
    { file: 'shop.sql.gz', database: 'orders' },
    { file: 'create.sql', database: 'shop' },
    { file: 'all.sql', database: 'shop' },
  ];
  for (const { file, database } of usable) {
    it(`restores ${file} with its owners, without production passwords`, async () => {
      const before = await stat(dumpOf(file));
      const report = await bench.database.testSource(
        (await bench.request({ retrieval: 'dump', dump: dumpOf(file) })).definition,
        undefined,
      );
      assert.equal(report.ok, true, report.error?.message);
      const retrieved = await bench.retrieve({ retrieval: 'dump', dump: dumpOf(file) });
      assert.equal(retrieved.database, database);
      assert.ok(Math.abs(retrieved.dataStateAt.getTime() - Date.now()) < 600_000);
      const clone = await bench.start(retrieved.target, retrieved.version);
      const [row] = await clone.query<Record<string, unknown>>(
        database,
        `SELECT count(*)::int AS customers, max(name) LIKE '% näme' AS unicode,
                (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'customers') AS owner,
                has_table_privilege('Ro le', 'customers', 'SELECT') AS granted,
                (SELECT count(*)::int FROM pg_authid WHERE rolpassword IS NOT NULL AND rolname <> 'clone') AS passwords
         FROM customers`,
      );
      assert.deepEqual(row, { customers: 20000, unicode: true, owner: 'app', granted: true, passwords: 0 });
      await assert.rejects(clone.connect(database, { user: 'app', password: 'production' }));
      await clone.stop();
      assert.equal((await stat(dumpOf(file))).mtimeMs, before.mtimeMs);
    });
  }

  it('takes the database that the definition names', async () => {
    const retrieved = await bench.retrieve({
      retrieval: 'dump',
      dump: dumpOf('shop.dump'),
      database: 'Other Name',
    });
    assert.equal(retrieved.database, 'Other Name');
    const clone = await bench.start(retrieved.target, retrieved.version);
    assert.equal((await clone.query('Other Name', 'SELECT 1 FROM customers LIMIT 1')).length, 1);
    await clone.stop();
  });

  for (const fraction of [0.001, 0.5, 0.99]) {
    for (const file of ['shop.dump', 'shop.dump.gz', 'shop.sql', 'shop.sql.gz', 'shop.tar']) {
      it(`tells dump_unreadable for ${file} that is cut off at ${fraction * 100} %`, async () => {
        const cut = dumpOf(`cut-${file}`);
        await copyFile(dumpOf(file), cut);
        await truncate(cut, Math.floor((await stat(cut)).size * fraction));
        await assert.rejects(bench.retrieve({ retrieval: 'dump', dump: cut }), code('dump_unreadable'));
      });
    }
  }

  it('tells dump_unreadable for a directory in which a table is cut off, and in which one is missing', async () => {
    const damaged = dumpOf('cut.dir');
    await cp(dumpOf('shop.dir'), damaged, { recursive: true });
    const [table] = (await bench.machine.files.list(damaged)).filter((entry) =>
      entry.name.endsWith('.dat.gz'),
    );
    assert.ok(table !== undefined);
    const file = path.join(damaged, table.name);
    await truncate(file, Math.floor((await stat(file)).size / 2));
    await assert.rejects(bench.retrieve({ retrieval: 'dump', dump: damaged }), code('dump_unreadable'));
    await rm(file);
    await assert.rejects(bench.retrieve({ retrieval: 'dump', dump: damaged }), code('dump_unreadable'));
  });

  it('tells dump_unreadable for a directory without compression in which a table ends at a line', async () => {
    const damaged = dumpOf('cut-plain.dir');
    await cp(dumpOf('plain.dir'), damaged, { recursive: true });
    const [table] = (await bench.machine.files.list(damaged)).filter((entry) =>
      /^\d+\.dat$/.test(entry.name),
    );
    assert.ok(table !== undefined);
    const file = path.join(damaged, table.name);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.slice(0, text.indexOf('\n', text.length / 2) + 1));
    await assert.rejects(
      bench.retrieve({ retrieval: 'dump', dump: damaged }),
      code('dump_unreadable', /cut off/),
    );
  });

  it('tells dump_unreadable with the reason for what is not a dump', async () => {
    const cases: readonly [string, Buffer | string | undefined, RegExp][] = [
      ['missing', undefined, /no such file/],
      ['empty', '', /is empty/],
      ['picture', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0]), /neither a pg_dump archive nor text/],
      ['packed.lz4', Buffer.from([0x04, 0x22, 0x4d, 0x18, 1, 2, 3]), /lz4; unpack it first/],
      ['broken.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]), /compressed data is damaged|cut off/],
      ['prose.txt', 'Dear colleagues,\n', /syntax error/],
    ];
    for (const [name, content, pattern] of cases) {
      if (content !== undefined) await writeFile(dumpOf(name), content);
      await assert.rejects(
        bench.retrieve({ retrieval: 'dump', dump: dumpOf(name) }),
        code('dump_unreadable', pattern),
      );
    }
  });

  it('does not run commands that a script hides as root', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await writeFile(dumpOf('trap.sql'), `\\! touch ${dumpOf('owned')}\nCREATE TABLE t (id int);\n`);
    await bench.retrieve({ retrieval: 'dump', dump: dumpOf('trap.sql') });
    assert.equal(await bench.machine.files.stat(dumpOf('owned')), undefined);
  });

  it('names a missing extension', async () => {
    await writeFile(dumpOf('extension.sql'), 'CREATE EXTENSION nowhere_to_be_found;\n');
    await assert.rejects(
      bench.retrieve({ retrieval: 'dump', dump: dumpOf('extension.sql') }),
      code('restore_failed', /the extension nowhere_to_be_found/),
    );
  });

  it('leaves no trace of a password in the lines or the error when its statement fails', async () => {
    await writeFile(
      dumpOf('mapping.sql'),
      "CREATE USER MAPPING FOR PUBLIC SERVER nowhere OPTIONS (user 'app', password 'hunter-2');\n",
    );
    await assert.rejects(bench.retrieve({ retrieval: 'dump', dump: dumpOf('mapping.sql') }), (error) => {
      code('restore_failed', /server "nowhere" does not exist/)(error as ThinClonesError);
      assert.doesNotMatch(inspect(error, { depth: Infinity }), /hunter-2/);
      return true;
    });
    assert.ok(bench.lines.some((line) => line.includes('server "nowhere" does not exist')));
    assert.doesNotMatch(bench.lines.join('\n'), /hunter-2/);
  });
});
