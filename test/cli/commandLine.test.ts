import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import type {
  Clone,
  EngineInfo,
  ErrorDocument,
  Host,
  Job,
  Snapshot,
} from '../../engine/protocol/entities.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { queryAt } from '../support/session.ts';
import { makeUsableEngine, parsed, startCommand, thinClones } from './realCommand.ts';

const variables = { THIN_CLONES_STORAGE_DRIVER: 'copy' };
interface Failure {
  error: ErrorDocument;
}

describe('the command line and a real engine', () => {
  let engine: TestEngine;
  before(async () => (engine = await makeTestEngine({ variables })));
  after(async () => {
    await engine.dispose();
    assert.deepEqual(engine.processes(), []);
    await assert.rejects(access(engine.home));
  });

  it('says with 4 that none runs, and starts none by that', async () => {
    const ended = await thinClones(engine, 'engine', 'status', '--json');
    assert.equal(ended.code, 4);
    assert.equal(parsed<Failure>(ended).error.code, 'engine_unreachable');
    assert.equal(ended.stderr, '');
    assert.deepEqual(engine.processes(), []);
  });

  it('starts one engine on demand, even for three commands at once', async () => {
    const all = await Promise.all([1, 2, 3].map(() => thinClones(engine, 'host', 'list', '--json')));
    for (const ended of all) {
      assert.equal(ended.code, 0, ended.stdout);
      assert.equal(ended.stderr, '');
      assert.equal(parsed<{ items: Host[] }>(ended).items[0]?.name, 'local');
    }
    // The two that lost the race end by themselves.
    const deadline = performance.now() + 60_000;
    while (engine.processes().length > 1) {
      assert.ok(performance.now() < deadline, 'more than one engine goes on');
      await nextTurn();
    }
    assert.equal(engine.processes().length, 1);
  });

  it('keeps the engine that runs, and tells which it is', async () => {
    const first = parsed<EngineInfo>(await thinClones(engine, 'engine', 'status', '--json'));
    const second = parsed<EngineInfo>(await thinClones(engine, 'engine', 'status', '--json'));
    assert.equal(first.pid, second.pid);
    assert.equal(first.home, engine.home);
    assert.deepEqual(
      engine.processes().map(({ pid }) => pid),
      [first.pid],
    );
  });

  it('refuses to serve a home that an engine serves already', async () => {
    const ended = await thinClones(engine, 'engine', 'serve', '--json');
    assert.equal(ended.code, 3);
    assert.equal(parsed<Failure>(ended).error.code, 'engine_running');
  });

  it('stops the engine, serves one in this terminal instead, and ends it at Ctrl-C', async () => {
    assert.equal((await thinClones(engine, 'engine', 'stop', '--json')).code, 0);
    assert.deepEqual(engine.processes(), []);
    const serving = startCommand(engine, ['engine', 'serve']);
    await serving.says('engine started');
    const { pid } = parsed<EngineInfo>(await thinClones(engine, 'engine', 'status', '--json'));
    assert.equal(pid, serving.pid);
    serving.signal('SIGINT');
    assert.equal((await serving.finished).code, 0);
    assert.equal((await thinClones(engine, 'engine', 'status')).code, 4);
  });

  for (const [argv, code] of [
    [['clone', 'show', 'nope'], 'not_found'],
    [['env', 'refresh', '../../etc'], 'not_found'],
    [['clone', 'create', "$(touch x)'\n"], 'not_found'],
    [['snapshot', 'delete', 'snapshot-aaaaaaaaaaaaaaaa', '--yes'], 'not_found'],
    [['job', 'logs', 'job-aaaaaaaaaaaaaaaa'], 'not_found'],
  ] as const) {
    it(`refuses ${JSON.stringify(argv.join(' '))} with 3`, async () => {
      const ended = await thinClones(engine, ...argv, '--json');
      assert.deepEqual([ended.code, parsed<Failure>(ended).error.code], [3, code]);
    });
  }
});

describe('a database through the command line', () => {
  let engine: TestEngine;
  let repository: string;
  before(async function () {
    this.timeout(120_000);
    engine = await makeUsableEngine(this, variables);
    repository = join(engine.home, 'repository');
    await mkdir(repository);
    await writeFile(
      join(repository, 'shop.sql'),
      `CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL);
       INSERT INTO orders SELECT i, 'item ' || i FROM generate_series(1, 1000) i;`,
    );
    await writeFile(join(repository, 'slow.sql'), 'CREATE TABLE slow (id int); SELECT pg_sleep(300);');
    await writeFile(
      join(repository, 'thin-clones.yaml'),
      `version: 1
environments:
  shop:
    members:
      orders: { engine: postgres, retrieval: dump, dump: shop.sql, database: shop }
    clones: { idleTtl: 24h, limit: 2, durable: false }
  slow:
    members:
      one: { engine: postgres, retrieval: dump, dump: slow.sql, database: shop }
`,
    );
    await chmod(repository, 0o755);
  });
  after(async () => {
    await engine.dispose();
    assert.deepEqual(engine.processes(), []);
  });

  const run = async (...argv: string[]) => {
    const ended = await startCommand(engine, argv, { cwd: repository }).finished;
    assert.equal(ended.code, 0, `${argv.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return ended;
  };
  const refused = async (...argv: string[]) => {
    const ended = await startCommand(engine, [...argv, '--json'], { cwd: repository }).finished;
    return { exit: ended.code, code: parsed<Failure>(ended).error.code };
  };
  const query = async <Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> => {
    const { stdout } = await run('clone', 'url', 'feature/a');
    assert.match(stdout, /^postgresql:\/\/[^\n]+\n$/);
    return queryAt<Row>(stdout.trim(), sql);
  };

  it('declares the environments of a file once, and says "unchanged" the second time', async () => {
    assert.equal(
      (await run('env', 'apply', '-f', 'thin-clones.yaml')).stdout,
      'shop: created\nslow: created\n',
    );
    const again = await run('env', 'apply', '--json');
    assert.deepEqual(
      parsed<{ items: { outcome: string }[] }>(again).items.map(({ outcome }) => outcome),
      ['unchanged', 'unchanged'],
    );
  });
  it('has no snapshot to clone before the first refresh', async () => {
    assert.deepEqual(await refused('clone', 'create', 'shop'), { exit: 3, code: 'no_snapshot' });
  });
  it('makes a snapshot and answers with it', async function () {
    this.timeout(120_000);
    const ended = await run('env', 'refresh', 'shop', '--name', 'first', '--json');
    const snapshot = parsed<Snapshot>(ended);
    assert.deepEqual([snapshot.name, snapshot.environment, snapshot.state], ['first', 'shop', 'ready']);
    assert.match(ended.stderr, /\[.*orders.*\]/);
  });
  it('makes a clone that answers', async () => {
    const clone = parsed<Clone>(await run('clone', 'create', 'shop', '--name', 'feature/a', '--json'));
    assert.deepEqual([clone.name, clone.state, clone.members.length], ['feature/a', 'ready', 1]);
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 1000 }]);
  });
  it('stops a clone whose data stays, and starts it again', async () => {
    const stopped = parsed<Clone>(await run('clone', 'stop', 'feature/a', '--json'));
    assert.deepEqual([stopped.state, stopped.problem], ['stopped', null]);
    assert.notEqual(stopped.stoppedBy, null);
    await assert.rejects(query('SELECT 1'), /ECONNREFUSED/);
    const started = parsed<Clone>(await run('clone', 'start', 'feature/a', '--json'));
    assert.deepEqual([started.state, started.stoppedBy], ['ready', null]);
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 1000 }]);
  });
  it('shows over TLS the certificate of this host, after a reset too, of which the data has nothing', async () => {
    const path = (await run('host', 'certificate', '--path')).stdout.trim();
    const authority = await readFile(path, 'utf8');
    assert.equal((await run('host', 'certificate')).stdout, authority);
    const shown = parsed<{ path: string; certificate: string; validUntil: string }>(
      await run('host', 'certificate', '--json'),
    );
    assert.deepEqual([shown.path, shown.certificate], [path, authority]);
    const url = new URL((await run('clone', 'url', 'feature/a')).stdout.trim());
    const login = { user: url.username, password: decodeURIComponent(url.password), database: 'shop' };
    const isTls = async (): Promise<unknown> => {
      const client = new pg.Client({
        ...{ host: 'localhost', port: Number(url.port), ssl: { ca: authority }, ...login },
      });
      await client.connect();
      const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      await client.end();
      return rows;
    };
    assert.deepEqual(await isTls(), [{ ssl: true }]);
    await run('clone', 'reset', 'feature/a', '--yes');
    assert.deepEqual(await isTls(), [{ ssl: true }]);
    const { status, stdout } = spawnSync('grep', ['-rlaF', 'PRIVATE KEY', join(engine.home, 'pool')], {
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout], [1, '']);
  });
  it('refuses the same name again, a snapshot in use and an environment in use', async () => {
    assert.deepEqual(await refused('clone', 'create', 'shop', '--name', 'feature/a'), {
      exit: 3,
      code: 'name_taken',
    });
    assert.deepEqual(await refused('snapshot', 'delete', 'first', '--yes'), {
      exit: 3,
      code: 'snapshot_in_use',
    });
    assert.deepEqual(await refused('env', 'delete', 'shop', '--yes'), {
      exit: 3,
      code: 'environment_in_use',
    });
  });
  it('needs --yes for what loses data, since this is no terminal', async () => {
    assert.deepEqual(await refused('clone', 'destroy', 'feature/a'), { exit: 2, code: 'usage' });
    assert.deepEqual(await refused('clone', 'reset', 'feature/a'), { exit: 2, code: 'usage' });
  });
  it('puts a ruined clone back, on the same port', async () => {
    const url = (await run('clone', 'url', 'feature/a')).stdout;
    await query('DROP TABLE orders');
    const clone = parsed<Clone>(await run('clone', 'reset', 'feature/a', '--yes', '--json'));
    assert.notEqual(clone.resetAt, null);
    assert.equal((await run('clone', 'url', 'feature/a')).stdout, url);
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 1000 }]);
  });
  it('commits a changed clone as a snapshot with a message', async () => {
    await query('DELETE FROM orders WHERE id > 10');
    const snapshot = parsed<Snapshot>(
      await run('clone', 'commit', 'feature/a', '-m', 'ten orders', '--name', 'ten', '--json'),
    );
    assert.deepEqual([snapshot.name, snapshot.message, snapshot.origin], ['ten', 'ten orders', 'commit']);
    await run('clone', 'reset', 'feature/a', '--snapshot', 'latest', '--yes');
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 1000 }]);
    await run('clone', 'reset', 'feature/a', '--snapshot', 'ten', '--yes');
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 10 }]);
  });
  it('goes on with the clone when the engine is stopped or killed', async () => {
    await run('engine', 'stop');
    const before = engine.processes().length;
    assert.ok(before > 0);
    assert.deepEqual(await query('SELECT count(*)::int AS n FROM orders'), [{ n: 10 }]);
    await engine.kill();
    const { state } = parsed<Clone>(await run('clone', 'show', 'feature/a', '--json'));
    assert.equal(state, 'ready');
  });
  it('refuses to destroy a protected clone until the protection is off', async () => {
    await run('clone', 'protect', 'feature/a', '--for', '8h');
    assert.deepEqual(await refused('clone', 'destroy', 'feature/a', '--yes'), {
      exit: 3,
      code: 'clone_protected',
    });
    await run('clone', 'protect', 'feature/a', '--off');
  });
  it('cancels a refresh at Ctrl-C, and nothing of it is left', async function () {
    this.timeout(120_000);
    const refreshing = startCommand(engine, ['env', 'refresh', 'slow', '--json'], { cwd: repository });
    await refreshing.says('slow.sql');
    refreshing.signal('SIGINT');
    const ended = await refreshing.finished;
    assert.equal(ended.code, 1);
    const { error } = parsed<Failure>(ended);
    assert.equal(error.code, 'canceled');
    const job = parsed<Job>(await run('job', 'show', String(error.details.job), '--json'));
    assert.equal(job.state, 'cancelled');
    assert.deepEqual(parsed(await run('snapshot', 'list', 'slow', '--json')), { items: [] });
  });
  it('tells a failed job as the error of the command, and its log afterwards', async function () {
    this.timeout(120_000);
    await writeFile(join(repository, 'slow.sql'), 'CREATE TABLE a (id int);\nSELECT * FROM nowhere;\n');
    const ended = await startCommand(engine, ['env', 'refresh', 'slow', '--json'], { cwd: repository })
      .finished;
    assert.equal(ended.code, 1);
    const { error } = parsed<Failure>(ended);
    assert.equal(error.code, 'restore_failed');
    const { items } = parsed<{ items: { text: string }[] }>(
      await run('job', 'logs', String(error.details.job), '--json'),
    );
    assert.ok(items.some(({ text }) => text.includes('nowhere')));
  });
  it('destroys the clone, the snapshots and the environments, and no server is left', async () => {
    await run('clone', 'destroy', 'feature/a', '--yes');
    await run('snapshot', 'delete', 'ten', '--yes');
    await run('env', 'delete', 'shop', '--yes');
    await run('env', 'delete', 'slow', '--yes', '--json');
    assert.deepEqual(parsed(await run('env', 'list', '--json')), { items: [] });
    assert.deepEqual(parsed(await run('snapshot', 'list', '--json')), { items: [] });
    await run('engine', 'stop');
    assert.deepEqual(engine.processes(), []);
  });
});
