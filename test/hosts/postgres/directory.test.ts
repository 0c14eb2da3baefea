import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { retrieveNew, useBenchWithSource } from '../../support/benchWithSource.ts';
import { oldestAndNewest } from '../../support/long.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import {
  presentMajors,
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  type PostgresSource,
} from '../../support/postgresSource.ts';
import { skipSuite } from '../../support/skips.ts';

const code = (expected: string, pattern?: RegExp) => (error: ThinClonesError) => {
  assert.equal(error.code, expected, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return true;
};

/** Names, owners, modes, times and contents of everything. */
async function fingerprint(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    const file = path.join(directory, name);
    const found = await stat(file);
    hash.update(`${name} ${found.mode} ${found.uid} ${found.mtimeMs} ${found.size}\n`);
    if (found.isFile()) hash.update(await readFile(file));
  }
  return hash.digest('hex');
}

const STATEMENTS = [
  "CREATE ROLE app LOGIN PASSWORD 'production'",
  'CREATE TABLE items AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 20000) i',
  'CREATE INDEX ON items (text)',
  'CREATE EXTENSION postgres_fdw',
  "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'production')",
  "CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (user 'app', password 'production')",
  "CREATE SUBSCRIPTION orders CONNECTION 'host=127.0.0.1 port=1 dbname=x password=production' PUBLICATION p WITH (connect = false, slot_name = NONE)",
  "SELECT pg_create_physical_replication_slot('standby', true)",
];

for (const major of oldestAndNewest(await presentMajors(), 'data directories')) {
  describe(`retrieval from a data directory of PostgreSQL ${major}`, () => {
    let bench: PostgresBench;
    let source: PostgresSource;
    before(async () => {
      bench = await openPostgresBench();
      source = await startPostgresSource({
        major,
        settings: {
          archive_mode: 'on',
          archive_command: '/bin/false',
          work_mem: '9MB',
          wal_level: 'logical',
          max_prepared_transactions: '3',
        },
      });
      await source.run('postgres', 'CREATE DATABASE shop');
      await source.run('shop', ...STATEMENTS);
    });
    after(async () => {
      await source.remove();
      await bench.close();
    });

    it('refuses it while its server runs', async () => {
      await assert.rejects(
        bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory }),
        code('directory_unusable', /server is running/),
      );
    });

    it('copies it, disarmed, and does not change it, also after a crash', async () => {
      const session = await source.connect('shop');
      await session.query('BEGIN');
      await session.query('INSERT INTO items VALUES (0, $1)', ['prepared']);
      await session.query("PREPARE TRANSACTION 'half'");
      await session.end();
      await source.kill();
      // What people are told to do after a crash.
      await rm(path.join(source.dataDirectory, 'postmaster.pid'));
      const before = await fingerprint(source.dataDirectory);
      const retrieved = await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
      await bench.checkNothingLeft();
      assert.equal(await fingerprint(source.dataDirectory), before);
      assert.equal(retrieved.database, 'shop');
      assert.equal(retrieved.version, String(major));
      assert.ok(bench.lines.some((line) => line.includes('not stopped cleanly')));
      assert.deepEqual(
        bench.lines.filter((line) => line.includes('properly shut down') || line.includes('redo')),
        [],
      );

      const clone = await bench.start(retrieved.target, retrieved.version);
      const [row] = await clone.query<Record<string, unknown>>(
        'shop',
        `SELECT (SELECT count(*)::int FROM items) AS items, current_setting('work_mem') AS work_mem,
                current_setting('archive_mode') AS archive, (SELECT count(*)::int FROM pg_replication_slots) AS slots,
                (SELECT count(*)::int FROM pg_subscription) AS subscriptions,
                (SELECT count(*)::int FROM pg_prepared_xacts) AS prepared,
                (SELECT umoptions::text FROM pg_user_mappings) AS mapping,
                (SELECT count(*)::int FROM pg_ls_waldir()) <= 3 AS little_wal`,
      );
      assert.deepEqual(row, {
        items: 20000,
        work_mem: '9MB',
        archive: 'off',
        slots: 0,
        subscriptions: 0,
        prepared: 1,
        mapping: '{user=app}',
        little_wal: true,
      });
      for (const user of ['app', SOURCE_USER]) {
        const password = user === 'app' ? 'production' : SOURCE_PASSWORD;
        await assert.rejects(clone.connect('shop', { user, password }), { code: '28P01' });
      }
      const log = await readFile(clone.spec.logFile, 'utf8');
      assert.doesNotMatch(log, /not properly shut down/);
      assert.doesNotMatch(log, /production|clone password|SCRAM/);
      await clone.stop();
    });
  });
}

describe('secrets of a data directory', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  useBenchWithSource({ settings: { wal_level: 'logical' } }, async (made) => {
    ({ bench, source } = made);
    await source.run('postgres', 'CREATE DATABASE shop');
  });

  it('are in no byte of the copy: not as dead rows, statistics, WAL or settings', async () => {
    const secrets = ['canary-of-mapping', 'canary-of-subscription', 'canary-of-settings'];
    await source.run(
      'shop',
      "CREATE ROLE app LOGIN PASSWORD 'production'",
      'CREATE EXTENSION postgres_fdw',
      "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'production')",
      `CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (user 'app', password '${secrets[0] ?? ''}')`,
      `CREATE SUBSCRIPTION orders CONNECTION 'host=127.0.0.1 port=1 dbname=x password=${secrets[1] ?? ''}' PUBLICATION p WITH (connect = false, slot_name = NONE)`,
      `ALTER SYSTEM SET primary_conninfo = 'host=production password=${secrets[2] ?? ''}'`,
      'ANALYZE',
      'CHECKPOINT',
    );
    const session = await source.connect('shop');
    const { rows } = await session.query<{ secret: string }>(
      'SELECT rolpassword AS secret FROM pg_authid WHERE rolpassword IS NOT NULL',
    );
    await session.end();
    secrets.push(...rows.map(({ secret }) => secret));
    assert.equal(rows.length, 2);
    const search = (directory: string) =>
      spawnSync('grep', ['-rlaF', ...secrets.flatMap((each) => ['-e', each]), directory], {
        encoding: 'utf8',
      });
    await source.kill();
    await rm(path.join(source.dataDirectory, 'postmaster.pid'));
    assert.equal(search(source.dataDirectory).status, 0, 'the source has them');
    const { target } = await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
    const { stdout, stderr, status } = search(target);
    assert.equal(status, 1, `${stdout}${stderr}`);
  });
});

describe('a data directory that can not be recovered', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  useBenchWithSource({}, (made) => void ({ bench, source } = made));

  it('is refused with what PostgreSQL said during the recovery', async () => {
    await source.kill();
    await rm(path.join(source.dataDirectory, 'postmaster.pid'));
    const wal = path.join(source.dataDirectory, 'pg_wal');
    for (const { name } of (await readdir(wal, { withFileTypes: true })).filter((entry) => entry.isFile()))
      await rm(path.join(wal, name));
    await assert.rejects(
      bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory }),
      code('verification_failed'),
    );
    assert.ok(
      bench.lines.some((line) => line.includes('Recovery: database system was interrupted')),
      bench.lines.join('\n'),
    );
  });
});

describe('a data directory whose server is not seen from here', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  before(async function () {
    const { status } = spawnSync('unshare', ['--pid', '--fork', 'true']);
    if (status !== 0) skipSuite(this, 'no right to make a pid namespace (unshare --pid, as root)');
    bench = await openPostgresBench();
    source = await startPostgresSource({ pidNamespace: true });
    await source.run('postgres', 'CREATE TABLE items (id serial, text text)');
  });
  after(async () => {
    await source.remove();
    await bench.close();
  });
  afterEach(() => bench.checkNothingLeft());

  it('is refused, with what to do when the server runs and when it crashed', async () => {
    const definition = { retrieval: 'directory' as const, directory: source.dataDirectory };
    const pattern = /may be running where .* Stop that server\. If .* crashed, remove postmaster\.pid/;
    const report = await bench.database.testSource((await bench.request(definition)).definition, undefined);
    assert.match(report.error?.message ?? '', pattern);
    await assert.rejects(bench.retrieve(definition), code('directory_unusable', pattern));
  });

  it('is refused when it is written while it is copied, even without its postmaster.pid', async () => {
    await rm(path.join(source.dataDirectory, 'postmaster.pid'));
    const session = await source.connect();
    const stop = new AbortController();
    const writer = (async () => {
      while (!stop.signal.aborted) await session.query("INSERT INTO items (text) VALUES ('x')");
    })();
    try {
      await assert.rejects(
        bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory }),
        code('directory_unusable', /changed while it was copied \((base|pg_wal)/),
      );
    } finally {
      stop.abort();
      await writer;
      await session.end();
    }
  });

  it('is copied when it was shut down', async () => {
    await source.stop();
    await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
  });
});

describe('a data directory that is not usable', () => {
  let bench: PostgresBench;
  let whole: string;
  before(async () => {
    bench = await openPostgresBench();
    const source = await startPostgresSource();
    try {
      await source.stop();
      whole = path.join(bench.root, 'whole');
      await cp(source.dataDirectory, whole, { recursive: true });
    } finally {
      await source.remove();
    }
  });
  after(() => bench.close());
  afterEach(() => bench.checkNothingLeft());

  let number = 0;
  const changed = async (change: (directory: string) => Promise<unknown>): Promise<string> => {
    const directory = path.join(bench.root, `changed-${++number}`);
    await cp(whole, directory, { recursive: true, verbatimSymlinks: true });
    await change(directory);
    return directory;
  };
  const refused = async (
    directory: string,
    pattern: RegExp,
    expected = 'directory_unusable',
  ): Promise<void> => {
    const definition = { retrieval: 'directory' as const, directory };
    const report = await bench.database.testSource((await bench.request(definition)).definition, undefined);
    assert.equal(report.error?.code, expected, report.error?.message);
    await assert.rejects(bench.retrieve(definition), code(expected, pattern));
  };

  it('is refused when there is none', async () => {
    await refused(path.join(bench.root, 'nowhere'), /no such directory/);
    await refused('relative/path', /not absolute/);
  });

  it('is refused when it is another kind of folder', async () => {
    await refused(bench.root, /no file PG_VERSION/);
  });

  it('is refused with the place of a tablespace outside', async () => {
    const directory = await changed(async (copy) => {
      await symlink('/srv/fast-disk', path.join(copy, 'pg_tblspc', '16400'));
    });
    await refused(directory, /tablespace outside, at \/srv\/fast-disk/);
  });

  it('is refused with the place of a pg_wal outside', async () => {
    const directory = await changed(async (copy) => {
      await rm(path.join(copy, 'pg_wal'), { recursive: true });
      await symlink('/srv/wal', path.join(copy, 'pg_wal'));
    });
    await refused(directory, /pg_wal is a link to \/srv\/wal/);
  });

  it('is refused when a part is missing', async () => {
    await refused(
      await changed((copy) => rm(path.join(copy, 'global', 'pg_control'))),
      /global\/pg_control is missing/,
    );
  });

  it('is refused with what to install when there are no programs of its version', async () => {
    const directory = await changed((copy) => writeFile(path.join(copy, 'PG_VERSION'), '12\n'));
    await refused(directory, /PostgreSQL 12, which the data in .* needs/, 'programs_missing');
  });

  it('is refused when its version is not the one that was asked for', async () => {
    await assert.rejects(
      bench.retrieve({ retrieval: 'directory', directory: whole, version: 13 }),
      code('directory_unusable', /version 13 was asked for/),
    );
  });

  it('is refused when the database that was asked for is not there', async () => {
    await assert.rejects(
      bench.retrieve({ retrieval: 'directory', directory: whole, database: 'nothing' }),
      code('directory_unusable', /no database "nothing" \(it has postgres\)/),
    );
  });

  it('fails its check when an index is damaged', async () => {
    const directory = await changed(async (copy) => {
      const base = path.join(copy, 'base');
      for (const name of await readdir(base)) {
        // pg_class_oid_index has the fixed number 2662.
        const file = path.join(base, name, '2662');
        const bytes = await readFile(file);
        bytes.fill(0xff, 8192 + 100, 8192 + 4000);
        await writeFile(file, bytes);
      }
    });
    await assert.rejects(bench.retrieve({ retrieval: 'directory', directory }), code('verification_failed'));
  });

  it('brings nothing of a configuration outside and of included files that are missing', async () => {
    const directory = await changed(async (copy) => {
      await writeFile(
        path.join(copy, 'postgresql.conf'),
        "include_dir '/etc/nowhere'\ninclude 'missing.conf'\ndata_directory = '/srv/production'\nhba_file = '/etc/hba'\nlisten_addresses = '*'\nshared_preload_libraries = 'pg_cron, no_such_module'\n",
      );
      await writeFile(
        path.join(copy, 'postgresql.auto.conf'),
        "primary_conninfo = 'host=production'\nport = 1\n",
      );
      await writeFile(path.join(copy, 'standby.signal'), '');
    });
    const retrieved = await bench.retrieve({ retrieval: 'directory', directory });
    assert.ok(bench.lines.some((line) => line.includes('pg_cron')));
    assert.ok(bench.lines.some((line) => line.includes('no_such_module')));
    const clone = await bench.start(retrieved.target, retrieved.version);
    const [row] = await clone.query<Record<string, unknown>>(
      'postgres',
      "SELECT pg_is_in_recovery() AS standby, current_setting('listen_addresses') AS addresses, current_setting('primary_conninfo') AS primary",
    );
    assert.deepEqual(row, { standby: false, addresses: '127.0.0.1', primary: '' });
    await clone.stop();
  });
});

describe('a running clone', () => {
  let bench: PostgresBench;
  let golden: { target: string; version: string };
  before(async () => {
    bench = await openPostgresBench();
    golden = await retrieveNew(bench);
  });
  after(() => bench.close());

  it('is not taken for its sibling that listens where it should', async () => {
    const one = await bench.start(await bench.copy(golden.target), golden.version);
    const spec = await bench.specFor(await bench.copy(golden.target), golden.version);
    const login = { user: 'clone', password: 'clone password' };
    await assert.rejects(
      bench.database.checkLogin({ ...spec, port: one.spec.port }, login, 'postgres'),
      code('server_start_failed', /another server \(data-/),
    );
    await assert.rejects(
      bench.database.ready(
        { ...spec, socketDirectory: one.spec.socketDirectory, port: one.spec.port },
        async () => true,
        login,
      ),
      code('server_start_failed', /another server \(data-/),
    );
    await one.stop();
    await bench.machine.files.remove(spec.socketDirectory);
    await bench.checkNothingLeft();
  });

  it('keeps its address, its identity and its safety whatever ALTER SYSTEM says', async () => {
    const target = await bench.copy(golden.target);
    const first = await bench.start(target, golden.version);
    const session = await first.connect('postgres');
    for (const setting of [
      "listen_addresses = '*'",
      'port = 1',
      "cluster_name = 'other'",
      "hba_file = '/etc/hba'",
      "archive_mode = 'on'",
    ]) {
      await session.query(`ALTER SYSTEM SET ${setting}`);
    }
    await session.query("ALTER SYSTEM SET work_mem = '11MB'");
    await session.end();
    await first.stop('clean');
    const second = await bench.start(target, golden.version);
    const [row] = await second.query<Record<string, unknown>>(
      'postgres',
      `SELECT current_setting('listen_addresses') AS addresses, current_setting('archive_mode') AS archive,
              current_setting('work_mem') AS work_mem, current_setting('cluster_name') AS name`,
    );
    assert.deepEqual(row, {
      addresses: '127.0.0.1',
      archive: 'off',
      work_mem: '11MB',
      name: second.spec.identity,
    });
    await second.stop();
  });

  it('lets the engine in by its socket alone', async () => {
    const clone = await bench.start(await bench.copy(golden.target), golden.version);
    await assert.rejects(clone.connect('postgres', { user: 'thin_clones_engine', password: '' }));
    await assert.rejects(clone.connect('postgres', { user: SOURCE_USER, password: SOURCE_PASSWORD }));
    const socket = await stat(clone.spec.socketDirectory);
    assert.equal(socket.mode & 0o777, 0o700);
    await clone.stop();
  });

  it('counts the connections of people', async () => {
    const clone = await bench.start(await bench.copy(golden.target), golden.version);
    const session = await clone.connect('postgres');
    assert.equal(await bench.database.connections(clone.spec), 1);
    await session.end();
    await clone.stop();
  });
});
