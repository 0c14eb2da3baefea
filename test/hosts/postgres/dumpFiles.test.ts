import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { openPostgresBench, type PostgresBench, type RunningClone } from '../../support/postgresBench.ts';
import {
  SOURCE_PASSWORD,
  SOURCE_USER,
  presentMajors,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../../support/postgresSource.ts';

type Tool = 'pg_dump' | 'pg_dumpall';

/** What `source` has, and every dump of it must bring. */
const statements = [
  "CREATE TABLE customers (id int PRIMARY KEY, name text DEFAULT 'x', born date)",
  "INSERT INTO customers SELECT i, 'näme ' || i FROM generate_series(1, 1000) i",
  'CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers)',
  'INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) i',
  'CREATE INDEX orders_customer ON orders (customer)',
  'CREATE VIEW open_orders AS SELECT * FROM orders',
  // A view that needs the primary key to be made: --clean replaces it by an empty one first.
  'CREATE VIEW grouped AS SELECT id, customer, count(*) AS n FROM orders GROUP BY id',
  'CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM orders',
  "CREATE FUNCTION lines() RETURNS text LANGUAGE sql AS $$ SELECT 'a\nSET transaction_timeout = 0;\nb' $$",
  "CREATE TYPE mood AS ENUM ('good', 'bad')",
  'CREATE DOMAIN posint AS int CONSTRAINT positive CHECK (VALUE > 0)',
  'CREATE TABLE parts (id int, d date) PARTITION BY RANGE (d)',
  "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
  "INSERT INTO parts VALUES (1, '2026-05-05')",
  'CREATE RULE quiet AS ON DELETE TO orders DO INSTEAD NOTHING',
  'ALTER TABLE customers ENABLE ROW LEVEL SECURITY',
  'CREATE POLICY own ON customers TO app USING (true)',
  'SELECT lo_create(4711)',
  'ALTER TABLE customers OWNER TO app',
];

describe('dump files as they come', function () {
  this.timeout(180_000);
  let bench: PostgresBench;
  let source: PostgresSource;
  const file = (name: string): string => path.join(bench.root, name);

  const dump = async (from: PostgresSource, tool: Tool, name: string, ...args: string[]): Promise<void> => {
    const { client } = await testPrograms()();
    assert.ok(client.ok);
    await bench.machine.run({
      program: client.programs[tool],
      args: [`--file=${file(name)}`, ...args],
      env: {
        ...{ PGHOST: '127.0.0.1', PGPORT: String(from.port), PGUSER: SOURCE_USER },
        ...{ PGPASSWORD: SOURCE_PASSWORD, PGDATABASE: tool === 'pg_dump' ? 'shop' : 'postgres' },
      },
      parse: ({ code, stderr }) => assert.equal(code, 0, stderr),
    });
  };
  const fill = async (from: PostgresSource): Promise<void> => {
    await from.run(
      'postgres',
      ...['app', 'team', 'boss', 'guest', '"Ro le"'].map((name) => `CREATE ROLE ${name} LOGIN`),
      'GRANT team TO app',
      'GRANT team TO boss WITH ADMIN OPTION',
      'GRANT "Ro le" TO app WITH ADMIN OPTION',
      'SET ROLE boss',
      'GRANT team TO guest',
      'RESET ROLE',
      'CREATE DATABASE shop',
    );
    await from.run('shop', ...statements);
  };

  before(async () => {
    bench = await openPostgresBench();
    source = await startPostgresSource();
    await fill(source);
    mkdirSync(file('space'));
    await bench.machine.files.giveToServerUser(file('space'));
    await dump(source, 'pg_dump', 'clean.sql', '--clean');
    await dump(source, 'pg_dump', 'clean-create.sql', '--clean', '--create');
    await dump(source, 'pg_dump', 'inserts.sql', '--clean', '--inserts');
    await dump(source, 'pg_dumpall', 'all.sql');
    await dump(source, 'pg_dumpall', 'all-clean.sql', '--clean');
    await dump(source, 'pg_dump', 'latin1.sql', '--encoding=LATIN1');
    await dump(source, 'pg_dump', 'latin1.dump', '--encoding=LATIN1', '--format=custom');
    await dump(source, 'pg_dump', 'shop.dump', '--format=custom');
    await dump(source, 'pg_dump', 'shop.dir', '--format=directory');
    for (const [name, ...args] of [
      ['rows.sql', '--data-only'],
      ['rows-inserts.sql', '--data-only', '--inserts'],
      ['rows.dump', '--data-only', '--format=custom'],
      ['schema.sql', '--schema-only'],
      ['schema.dump', '--schema-only', '--format=custom'],
    ] as const)
      await dump(source, 'pg_dump', name, ...args);
    await dump(source, 'pg_dumpall', 'roles.sql', '--globals-only');
    const clean = readFileSync(file('clean.sql'), 'latin1');
    writeFileSync(file('crlf.sql'), clean.replaceAll('\n', '\r\n'), 'latin1');
    writeFileSync(
      file('bom.sql'),
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(clean, 'latin1')]),
    );
    writeFileSync(file('clean.sql.zst'), zstdCompressSync(readFileSync(file('clean.sql'))));
    writeFileSync(file('shop.dump.zst'), zstdCompressSync(readFileSync(file('shop.dump'))));
    const tar = (...args: string[]): void => {
      execFileSync('tar', args, { cwd: bench.root });
    };
    tar('-cf', 'dir.tar', 'shop.dir');
    tar('-czf', 'dir.tgz', '-C', 'shop.dir', '.');
    const deep = `${'long/'.repeat(40)}shop.dir`;
    await cp(file('shop.dir'), file(deep), { recursive: true });
    tar('--format=gnu', '-cf', 'deep.tar', deep);
    tar('--format=pax', '-cf', 'pax.tar', deep);
    await source.run('postgres', `CREATE TABLESPACE fast LOCATION '${file('space')}'`);
    await source.run(
      'shop',
      'CREATE TABLE quick (id int) TABLESPACE fast',
      'ALTER INDEX orders_customer SET TABLESPACE fast',
    );
    await dump(source, 'pg_dump', 'space.sql');
    await dump(source, 'pg_dumpall', 'space-all.sql', '--clean');
  });
  after(async () => {
    await source.remove();
    await bench.close();
  });
  afterEach(() => bench.checkNothingLeft());

  const report = async (name: string) =>
    await bench.database.testSource(
      (await bench.request({ retrieval: 'dump', dump: file(name) })).definition,
      undefined,
    );

  async function restored(name: string, database: string, rows = 1000): Promise<string> {
    const { error, serverVersion } = await report(name);
    assert.equal(error, null, error?.message);
    const retrieved = await bench.retrieve({ retrieval: 'dump', dump: file(name), database });
    const clone = await bench.start(retrieved.target, retrieved.version);
    const [row] = await clone.query<Record<string, unknown>>(
      database,
      `SELECT (SELECT count(*)::int FROM customers) AS customers, (SELECT count(*)::int FROM orders) AS orders,
              (SELECT coalesce(bool_and(name LIKE 'näme %'), true) FROM customers) AS letters, lines() AS lines,
              (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'customers') AS owner,
              to_regclass('orders_customer') IS NOT NULL AS index,
              (SELECT count(*)::int FROM pg_constraint WHERE conname = 'positive') AS checks`,
    );
    assert.deepEqual(row, {
      ...{ customers: rows, orders: rows, letters: true, owner: 'app', index: true, checks: 1 },
      lines: 'a\nSET transaction_timeout = 0;\nb',
    });
    if (name.includes('all')) await checkMemberships(clone);
    await clone.stop();
    return serverVersion ?? '';
  }
  const checkMemberships = async (clone: RunningClone): Promise<void> => {
    const members = await clone.query<{ granted: string; member: string; admin: boolean }>(
      'postgres',
      `SELECT r.rolname AS granted, m.rolname AS member, bool_or(a.admin_option) AS admin FROM pg_auth_members a
         JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
       WHERE r.rolname IN ('team', 'Ro le') AND m.rolname IN ('app', 'boss', 'guest') GROUP BY 1, 2 ORDER BY 1, 2`,
    );
    assert.deepEqual(members, [
      { granted: 'Ro le', member: 'app', admin: true },
      { granted: 'team', member: 'app', admin: false },
      { granted: 'team', member: 'boss', admin: true },
      { granted: 'team', member: 'guest', admin: false },
    ]);
  };

  for (const [name, database] of [
    ['clean.sql', 'orders'],
    ['clean-create.sql', 'shop'],
    ['inserts.sql', 'orders'],
    ['clean.sql.zst', 'orders'],
    ['shop.dump.zst', 'shop'],
    ['all.sql', 'shop'],
    ['all-clean.sql', 'shop'],
    ['crlf.sql', 'orders'],
    ['bom.sql', 'orders'],
    ['latin1.sql', 'orders'],
    ['latin1.dump', 'shop'],
    ['dir.tar', 'shop'],
    ['dir.tgz', 'shop'],
    ['deep.tar', 'shop'],
    ['pax.tar', 'shop'],
    ['space.sql', 'orders'],
    ['space-all.sql', 'shop'],
  ] as const)
    it(`are restored whole: ${name}`, async () => {
      await restored(name, database);
    });

  for (const name of ['schema.sql', 'schema.dump'])
    it(`are told to have no rows, at once and in the job: ${name}`, async () => {
      const { ok, warnings } = await report(name);
      assert.equal(ok, true);
      assert.match(warnings.join(), /no rows/);
      await restored(name, 'orders', 0);
      assert.ok(bench.lines.some((line) => /^warning: .*no rows/.test(line)));
    });

  it('are refused at once, with the reason and what to do, where something is missing', async () => {
    writeFileSync(
      file('utf16.sql'),
      Buffer.from(`\ufeff${readFileSync(file('clean.sql'), 'utf8')}`, 'utf16le'),
    );
    writeFileSync(file('mysql.sql'), '-- MySQL dump 10.13  Distrib 8.0.36\n');
    for (const algorithm of [2, 3]) {
      const packed = readFileSync(file('shop.dump'));
      // Since version 1.15 of the format the byte behind "PGDMP", version, sizes and format names the compression.
      packed[11] = algorithm;
      writeFileSync(file(`packed-${algorithm}.dump`), packed);
    }
    await cp(file('shop.dir'), file('packed.dir'), { recursive: true });
    const contents = readFileSync(file('packed.dir/toc.dat'));
    contents[11] = 3;
    writeFileSync(file('packed.dir/toc.dat'), contents);
    const [rows = ''] = readdirSync(file('packed.dir')).filter((name) => /^\d+\.dat/.test(name));
    // Rows that are there twice can't be unpacked: nobody is to try before the refusal.
    execFileSync('tar', ['-cf', 'packed.tar', 'packed.dir'], { cwd: bench.root });
    execFileSync('tar', ['-rf', 'packed.tar', `packed.dir/${rows}`], { cwd: bench.root });
    for (const [name, reason] of [
      ['rows.sql', /rows without their tables/],
      ['rows-inserts.sql', /rows without their tables/],
      ['rows.dump', /rows without their tables/],
      ['roles.sql', /roles and no database/],
      ['utf16.sql', /UTF-16.*pg_dump --file/],
      ['mysql.sql', /dump of MySQL/],
      ['packed-2.dump', /lz4.*--compress=gzip/],
      ['packed-3.dump', /zstd.*--compress=gzip/],
      ['packed.dir', /zstd.*--compress=gzip/],
      ['packed.tar', /zstd.*--compress=gzip/],
    ] as const) {
      const { error } = await report(name);
      // What is packed in a tar file is read when it is unpacked.
      if (name !== 'packed.tar') {
        assert.match(`${name} ${error?.code ?? ''} ${error?.message ?? ''}`, reason);
        assert.equal(error?.code, 'dump_unreadable');
      }
      bench.phases.length = 0;
      await assert.rejects(bench.retrieve({ retrieval: 'dump', dump: file(name) }), reason);
      assert.deepEqual(bench.phases, ['reading the dump']);
    }
  });

  it('are restored by the version of the server that they came from, not of the tools', async () => {
    const majors = await presentMajors();
    const older = majors.filter((major) => major < 17);
    assert.ok(older.length > 0);
    const major = older.at(-1) ?? 0;
    const from = await startPostgresSource({ major });
    try {
      await fill(from);
      await dump(from, 'pg_dump', 'older.sql', '--clean');
      await dump(from, 'pg_dumpall', 'older-all.sql');
    } finally {
      await from.remove();
    }
    for (const [name, database] of [
      ['older.sql', 'orders'],
      ['older-all.sql', 'shop'],
    ] as const) {
      assert.match(await restored(name, database), new RegExp(`^${major}\\.\\d`));
      const { version } = await bench.retrieve({ retrieval: 'dump', dump: file(name), database });
      assert.equal(version, String(major));
    }
  });
});
