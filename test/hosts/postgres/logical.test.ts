import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { useBenchWithSource } from '../../support/benchWithSource.ts';
import { oldestAndNewest } from '../../support/long.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { processesUnder } from '../../support/processesUnder.ts';
import {
  presentMajors,
  SOURCE_PASSWORD,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../../support/postgresSource.ts';

const ODD = `O'Dd "Näme" $()`;
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const code = (expected: string, pattern?: RegExp) => (error: ThinClonesError) => {
  assert.equal(error.code, expected, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return true;
};

for (const major of oldestAndNewest(await presentMajors(), 'logical retrieval')) {
  describe(`logical retrieval from PostgreSQL ${major}`, () => {
    let bench: PostgresBench;
    let source: PostgresSource;
    const settings = { lc_monetary: 'C', timezone: 'Asia/Tokyo' };
    useBenchWithSource({ major, settings }, async (made) => {
      ({ bench, source } = made);
      await source.run(
        'postgres',
        "CREATE ROLE app LOGIN PASSWORD 'production'",
        `CREATE ROLE ${quote(ODD)} NOLOGIN`,
        `GRANT ${quote(ODD)} TO app`,
        `ALTER ROLE app SET search_path TO "My Schema", public`,
        `CREATE DATABASE ${quote(ODD)}`,
        `ALTER DATABASE ${quote(ODD)} SET work_mem = '7MB'`,
      );
      await source.run(
        ODD,
        'CREATE TABLE customers (id int PRIMARY KEY, name text)',
        "INSERT INTO customers SELECT i, 'name ' || i FROM generate_series(1, 5000) i",
        'ALTER TABLE customers OWNER TO app',
        `CREATE SCHEMA ${quote(ODD)} AUTHORIZATION ${quote(ODD)}`,
        `CREATE TABLE ${quote(ODD)}.${quote(ODD)} (id int REFERENCES customers, at timestamptz DEFAULT now())`,
        `INSERT INTO ${quote(ODD)}.${quote(ODD)} VALUES (1), (2)`,
        'CREATE VIEW names AS SELECT name FROM customers',
        'CREATE TABLE audit_log (entry text)',
        "INSERT INTO audit_log VALUES ('large')",
      );
    });

    it('brings tables, roles and settings, refuses production passwords, and leaves nothing behind', async () => {
      const before = Date.now();
      const retrieved = await bench.retrieve(
        { retrieval: 'logical', url: source.url(ODD) },
        { password: SOURCE_PASSWORD },
      );
      await bench.checkNothingLeft();
      assert.equal(retrieved.database, ODD);
      assert.equal(retrieved.version, String(major));
      assert.ok(Math.abs(retrieved.dataStateAt.getTime() - before) < 60_000);
      assert.deepEqual(
        bench.progress,
        bench.progress.toSorted((one, other) => one - other),
      );
      assert.equal(bench.progress.at(-1), 1);
      assert.deepEqual(bench.phases, [
        ...['reading the source', 'dumping', 'restoring', 'gathering statistics', 'comparing', 'checking'],
      ]);
      const { lines } = bench;
      for (const told of ['Dumped customers.', 'Restored public.customers.'])
        assert.ok(lines.includes(`info: ${told}`), lines.join('\n'));
      assert.ok(
        lines.indexOf('info: Restored public.customers.') < lines.indexOf('info: Gathering statistics.'),
      );
      assert.ok(
        lines.some((line) => line.startsWith('info: Made constraint public.')),
        lines.join('\n'),
      );

      const clone = await bench.start(retrieved.target, retrieved.version);
      const [counts] = await clone.query<Record<string, unknown>>(
        ODD,
        `SELECT (SELECT count(*)::int FROM customers) AS customers, (SELECT count(*)::int FROM names) AS names,
                (SELECT count(*)::int FROM ${quote(ODD)}.${quote(ODD)}) AS odd,
                (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'customers') AS owner,
                (SELECT count(*)::int FROM pg_authid WHERE rolpassword IS NOT NULL AND rolname <> 'clone') AS passwords,
                current_setting('work_mem') AS work_mem, current_setting('TimeZone') AS zone`,
      );
      assert.deepEqual(counts, {
        customers: 5000,
        names: 5000,
        odd: 2,
        owner: 'app',
        passwords: 0,
        work_mem: '7MB',
        zone: 'Asia/Tokyo',
      });
      await assert.rejects(clone.connect(ODD, { user: 'app', password: 'production' }), { code: '28P01' });
      await clone.stop();
    });

    it('copies only what is chosen', async () => {
      const retrieved = await bench.retrieve(
        {
          retrieval: 'logical',
          url: source.url(ODD),
          include: { schemas: ['public'] },
          exclude: { tables: ['audit_log'] },
        },
        { password: SOURCE_PASSWORD },
      );
      const clone = await bench.start(retrieved.target, retrieved.version);
      const rows = await clone.query<{ relname: string }>(
        ODD,
        `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'v') AND nspname !~ '^pg_|information_schema' ORDER BY 1`,
      );
      assert.deepEqual(
        rows.map((row) => row.relname),
        ['customers', 'names'],
      );
      await clone.stop();
    });
  });
}

describe('a logical source that is not usable', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  before(async () => {
    bench = await openPostgresBench();
    source = await startPostgresSource({ settings: { shared_preload_libraries: '' } });
    await source.run(
      'postgres',
      "CREATE ROLE reader LOGIN PASSWORD 'reader'",
      'CREATE TABLE hidden (id int)',
      'CREATE TABLE shown (id int)',
      'GRANT SELECT ON shown TO reader',
    );
  });
  after(async () => {
    await source.remove();
    await bench.close();
  });
  afterEach(() => bench.checkNothingLeft());

  const url = (change: {
    host?: string;
    port?: number;
    user?: string;
    database?: string;
    query?: string;
  }): string =>
    `postgresql://${change.user ?? 'owner'}@${change.host ?? '127.0.0.1'}:${change.port ?? source.port}/${change.database ?? 'postgres'}${change.query ?? ''}`;
  const cases: readonly {
    title: string;
    url: () => string | Promise<string>;
    code: string;
    password?: string;
  }[] = [
    { title: 'a wrong password', url: () => url({}), code: 'source_password', password: 'wrong' },
    { title: 'an unknown host', url: () => url({ host: 'no-such-host.invalid' }), code: 'source_dns' },
    {
      title: 'a port where nothing listens',
      url: async () => url({ port: await freePort() }),
      code: 'source_refused',
    },
    { title: 'an unknown database', url: () => url({ database: 'nothing' }), code: 'source_database' },
    {
      title: 'TLS where the server has none',
      url: () => url({ query: '?sslmode=require' }),
      code: 'source_tls',
    },
    {
      title: 'a table that the user may not read',
      url: () => url({ user: 'reader' }),
      code: 'source_permission',
      password: 'reader',
    },
    { title: 'a URL of another kind', url: () => 'mysql://x@y/z', code: 'source_url' },
    { title: 'an unknown parameter', url: () => url({ query: '?sslmod=require' }), code: 'source_url' },
  ];
  const freePort = async (): Promise<number> => {
    const lease = await bench.machine.leasePort();
    await lease.release();
    return lease.port;
  };
  for (const { title, url: make, code: expected, password = SOURCE_PASSWORD } of cases) {
    it(`is told as ${expected} for ${title}, in the test and in the retrieval`, async () => {
      const definition = { retrieval: 'logical' as const, url: await make() };
      const request = await bench.request(definition);
      const report = await bench.database.testSource(request.definition, password);
      assert.equal(report.error?.code, expected, report.error?.message);
      assert.equal(report.ok, false);
      await assert.rejects(bench.retrieve(definition, { password }), code(expected));
    });
  }

  it('is told as source_password_missing when there is no password', async () => {
    const { definition } = await bench.request({ retrieval: 'logical', url: url({}) });
    const report = await bench.database.testSource(definition, undefined);
    assert.equal(report.error?.code, 'source_password_missing', report.error?.message);
  });

  it('is told as source_timeout when the host accepts and says nothing', async () => {
    const silent = createServer((socket) => socket.resume());
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port));
    });
    const { definition } = await bench.request({
      retrieval: 'logical',
      url: url({ port, query: '?sslmode=disable' }),
    });
    const report = await bench.database.testSource(definition, SOURCE_PASSWORD);
    assert.equal(report.error?.code, 'source_timeout', report.error?.message);
    await new Promise((resolve) => silent.close(resolve));
  });

  it('is told as source_selection for a table that is not there', async () => {
    await assert.rejects(
      bench.retrieve(
        { retrieval: 'logical', url: url({}), exclude: { tables: ['public.nothing'] } },
        { password: SOURCE_PASSWORD },
      ),
      code('source_selection', /public\.nothing/),
    );
  });

  it('is told as source_too_new when the client tools are older', async () => {
    const tools = path.join(bench.root, 'old-tools');
    await mkdir(tools, { recursive: true });
    for (const name of ['pg_dump', 'pg_restore', 'psql', 'pg_dumpall']) {
      const script = `#!/bin/sh\necho "${name} (PostgreSQL) 12.1"\n`;
      await writeFile(path.join(tools, name), script, { mode: 0o755 });
    }
    const old = await openPostgresBench(testPrograms({ clientDirectory: tools }));
    try {
      const definition = { retrieval: 'logical' as const, url: url({}) };
      await assert.rejects(
        old.retrieve(definition, { password: SOURCE_PASSWORD }),
        code('source_too_new', /12\.1/),
      );
      const report = await old.database.testSource(
        (await old.request(definition)).definition,
        SOURCE_PASSWORD,
      );
      assert.equal(report.error?.code, 'source_too_new');
    } finally {
      await old.close();
    }
  });

  it('never changes a source, by what a retrieval does', async () => {
    await source.run('postgres', 'CREATE DATABASE trap');
    await source.run('trap', 'CREATE TABLE t AS SELECT 1 AS id');
    const client = await source.connect('trap');
    const changes = async (): Promise<unknown> => {
      const { rows } = await client.query<{ changes: string }>(
        'SELECT tup_inserted + tup_updated + tup_deleted AS changes FROM pg_stat_database WHERE datname = current_database()',
      );
      return rows[0]?.changes;
    };
    const before = await changes();
    await bench.retrieve(
      { retrieval: 'logical', url: url({ database: 'trap' }) },
      { password: SOURCE_PASSWORD },
    );
    assert.deepEqual(await changes(), before);
    await client.end();
  });
});

describe('a logical retrieval that is interrupted', () => {
  let bench: PostgresBench;
  beforeEach(async () => {
    bench = await openPostgresBench();
  });
  afterEach(() => bench.close());

  /** The dump of this source waits for a lock that the test holds, on a catalog that only pg_dump reads. */
  const slowSource = async () => {
    const source = await startPostgresSource();
    await source.run('postgres', 'CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS id');
    const locker = await source.connect();
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE pg_catalog.pg_transform IN ACCESS EXCLUSIVE MODE');
    const dumping = async (): Promise<void> => {
      const watcher = await source.connect();
      const deadline = performance.now() + 60_000;
      for (;;) {
        assert.ok(performance.now() < deadline, 'pg_dump never came to the lock');
        const { rows } = await watcher.query(
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'thin-clones'",
        );
        if (rows.length > 0) break;
      }
      await watcher.end();
    };
    return { source, dumping };
  };

  it('leaves no process when it is canceled in the middle of the dump', async () => {
    const { source, dumping } = await slowSource();
    try {
      const controller = new AbortController();
      const retrieval = bench.retrieve(
        { retrieval: 'logical', url: source.url() },
        { password: SOURCE_PASSWORD, signal: controller.signal },
      );
      const outcome = assert.rejects(retrieval, { name: 'AbortError' });
      await dumping();
      controller.abort();
      await outcome;
      await bench.checkNothingLeft();
    } finally {
      await source.remove();
    }
  });

  it('is told as source_lost when the source is killed in the middle of the dump', async () => {
    const { source, dumping } = await slowSource();
    try {
      const retrieval = bench.retrieve(
        { retrieval: 'logical', url: source.url() },
        { password: SOURCE_PASSWORD },
      );
      const outcome = assert.rejects(retrieval, code('source_lost'));
      await dumping();
      await source.kill();
      await outcome;
      await bench.checkNothingLeft();
    } finally {
      await source.remove();
    }
  });

  it('leaves nothing for abandon to do twice after an engine was killed in the middle', async () => {
    const { source, dumping } = await slowSource();
    try {
      const request = await bench.request(
        { retrieval: 'logical', url: source.url() },
        { password: SOURCE_PASSWORD },
      );
      const silent = { line: () => undefined, progress: () => undefined, phase: () => undefined };
      const retrieval = bench.database.retrieve(request, silent, new AbortController().signal);
      const outcome = assert.rejects(retrieval);
      await dumping();
      assert.ok(processesUnder([bench.root]).length > 0);
      await bench.database.abandon(request.mark, request.target, request.dataset);
      await outcome;
      await bench.checkNothingLeft();
      await bench.database.abandon(request.mark, request.target, request.dataset);
    } finally {
      await source.remove();
    }
  });
});
