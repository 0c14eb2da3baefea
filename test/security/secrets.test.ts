import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import type { Event } from '../../engine/protocol/events.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { followJobs, type JobFollower } from '../support/engineClient.ts';
import {
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  type PostgresSource,
} from '../support/postgresSource.ts';
import { skipSuite } from '../support/skips.ts';

const rolePassword = 'canary-of-production-7f3a';

/** Command lines of every process, taken again and again. */
function sampleCommandLines(): { lines: Set<string>; stop: () => void } {
  const lines = new Set<string>();
  const look = (): void => {
    for (const name of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(name)) continue;
      try {
        lines.add(readFileSync(`/proc/${name}/cmdline`, 'utf8'));
      } catch {
        // best effort: it ended while it was looked at
      }
    }
  };
  const timer = setInterval(look, 10);
  return { lines, stop: () => clearInterval(timer) };
}

interface Listener {
  pid: number;
  address: string;
}

/** TCP sockets on which processes listen, from /proc/net/tcp (proc(5)): address in hex, state 0A. */
function listenersOf(pids: readonly number[]): Listener[] {
  const inodes = new Map<string, number>();
  for (const pid of pids) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[([0-9]+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode !== undefined) inodes.set(inode, pid);
      } catch {
        // best effort: closed meanwhile
      }
    }
  }
  return ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/net/${file}`, 'utf8')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const pid = inodes.get(fields[9] ?? '');
        return fields[3] === '0A' && pid !== undefined ? [{ pid, address: fields[1] ?? '' }] : [];
      }),
  );
}

describe('where secrets are, over a whole loop with a real database', function () {
  this.timeout(180_000);
  let source: PostgresSource;
  let engine: TestEngine;
  let client: Client;
  let follower: JobFollower;
  let folder: string;
  const cleanup: (() => Promise<void>)[] = [];
  const events: Event[] = [];
  const ending = new AbortController();
  let listening: Promise<void> = Promise.resolve();
  const commandLines = sampleCommandLines();
  const secrets: string[] = [SOURCE_PASSWORD, rolePassword];
  let connections: Connection[] = [];
  const precious = (): string[] => [
    join(engine.paths.pool, 'data', 'precious', 'file'),
    join(engine.paths.pool, 'data', 'data-aaaaaaaaaaaaaaaa', 'PG_VERSION'),
    join(engine.paths.pool, 'tags', 'notes.txt'),
    join(engine.paths.pool, 'tags', 'data-bbbbbbbbbbbbbbbb.json'),
    join(engine.paths.pool, 'mine'),
  ];

  before(async function () {
    if (process.platform !== 'linux') skipSuite(this, 'command lines and listeners are read from /proc');
    folder = await mkdtemp(join(tmpdir(), 'tc-secrets-'));
    cleanup.push(() => rm(folder, { recursive: true, force: true }));
    source = await startPostgresSource();
    cleanup.push(() => source.remove());
    await source.run('postgres', 'CREATE DATABASE shop');
    await source.run(
      'shop',
      `CREATE ROLE app LOGIN PASSWORD '${rolePassword}'`,
      'CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 1000) i',
      'GRANT ALL ON orders TO app',
    );
    engine = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_TCP_PORT: '0', THIN_CLONES_LOG: 'debug' },
    });
    cleanup.push(() => engine.dispose());
    client = await engine.client();
    const { epoch, seq } = await client.call('overview', {});
    listening = (async () => {
      for await (const event of client.events({ epoch, seq }, ending.signal)) events.push(event);
    })().catch(() => undefined);
    follower = await followJobs(client);
    cleanup.push(() => follower.close());

    const definition = {
      members: {
        orders: { engine: 'postgres' as const, retrieval: 'logical' as const, url: source.url('shop') },
      },
      clones: {},
    };
    const passwords = { orders: SOURCE_PASSWORD };
    const environment = 'shop';
    await client.call('environmentApply', {
      params: { name: environment },
      body: { definition, passwords, remember: true },
    });
    // One that is refused, whose password must not stand in the error either.
    const refused = await client.call('sourceTest', {
      body: { member: definition.members.orders, password: `${rolePassword}-wrong` },
    });
    assert.equal(refused.ok, false);
    assert.equal(JSON.stringify(refused).includes(rolePassword), false);
    await follower.time(() => client.call('environmentRefresh', { params: { environment }, body: {} }));
    for (const name of ['feature/a', 'b'])
      await follower.time(() => client.call('cloneCreate', { body: { environment, name } }));
    const clone = 'feature/a';
    await follower.time(() => client.call('cloneReset', { params: { clone }, body: { keepAs: 'kept' } }));
    await follower.time(() => client.call('cloneCommit', { params: { clone }, body: { message: 'm' } }));
    for (const name of ['feature/a', 'b'])
      connections.push(...(await client.call('cloneConnection', { params: { clone: name } })).items);
    secrets.push(...connections.map(({ password }) => password));
  });
  after(async () => {
    commandLines.stop();
    ending.abort();
    await listening;
    // What `before` did not get to is not there.
    for (const undo of cleanup.reverse()) await undo();
  });

  const login = async (connection: Connection, user: string, password: string): Promise<unknown> => {
    const { host, port, database } = connection;
    const session = new pg.Client({ host, port, database, user, password });
    session.on('error', () => undefined);
    try {
      await session.connect();
      return (await session.query<{ count: string }>('SELECT count(*) FROM orders')).rows[0]?.count;
    } finally {
      await session.end();
    }
  };

  it('lets in whoever has the password of the clone, over loopback', async () => {
    for (const connection of connections)
      assert.equal(await login(connection, connection.user, connection.password), '1000');
    assert.equal(new Set(connections.map(({ password }) => password)).size, 2);
  });

  it('lets nobody in with a password of production, no password, or that of another clone', async () => {
    const [first, second] = connections;
    assert.ok(first && second);
    const tries: [string, string][] = [
      [SOURCE_USER, SOURCE_PASSWORD],
      [SOURCE_USER, ''],
      ['app', rolePassword],
      ['app', ''],
      ['postgres', ''],
      [first.user, ''],
      [first.user, second.password],
      [first.user, `${first.password}x`],
    ];
    for (const [user, password] of tries)
      await assert.rejects(
        login(first, user, password),
        /authentication failed|no password|not permitted|does not exist|SASL|pg_hba/,
        `${user} got in`,
      );
  });

  it('listens on unix sockets and loopback alone', () => {
    const pids = engine.processes().map(({ pid }) => pid);
    const found = listenersOf(pids);
    const ports = new Set(found.map(({ address }) => Number.parseInt(address.split(':')[1] ?? '', 16)));
    for (const { port } of connections) assert.ok(ports.has(port), `nothing listens at ${port}`);
    // 127.0.0.1 and ::1 in the byte order of the machine.
    for (const { pid, address } of found)
      assert.match(
        address,
        /^(0100007F|00000000000000000000000001000000):/,
        `process ${pid} listens at ${address}`,
      );
  });

  it('has no password in any file that it wrote: state, tags, logs, data', () => {
    // A fixed-string search in every file, with the texts in a file: they must not be arguments of ours either.
    const patterns = join(folder, 'patterns');
    const needles = [
      ...secrets,
      encodeURIComponent(SOURCE_PASSWORD),
      Buffer.from(SOURCE_PASSWORD).toString('base64'),
    ];
    writeFileSync(patterns, `${needles.join('\n')}\n`, { mode: 0o600 });
    const { stdout, stderr, status } = spawnSync('grep', ['-rlaF', '-f', patterns, engine.home], {
      encoding: 'utf8',
    });
    assert.equal(status, 1, `${stdout}${stderr}`);
    // The same search finds what is no secret.
    assert.equal(spawnSync('grep', ['-rlaFq', 'feature/a', engine.home]).status, 0);
  });

  it('has no password in a command line of any process, ever', () => {
    assert.ok(commandLines.lines.size > 20, 'too few samples to tell anything');
    assert.ok(
      [...commandLines.lines].some((line) => line.includes('pg_dump')),
      'pg_dump was never seen',
    );
    for (const line of commandLines.lines)
      for (const secret of secrets) assert.equal(line.includes(secret), false, line.replaceAll('\0', ' '));
  });

  it('has no password in an event, a job or its lines', async () => {
    const { items } = await client.call('jobList', { query: {} });
    assert.ok(items.length >= 5);
    const lines = await Promise.all(items.map(({ id }) => client.call('jobLines', { params: { job: id } })));
    assert.ok(events.length > 20);
    const text = JSON.stringify([events, items, lines, await client.call('overview', {})]);
    for (const secret of secrets) assert.equal(text.includes(secret), false);
  });

  it('gives the servers of clones no password in their environment', () => {
    for (const { pid, commandLine } of engine.processes()) {
      if (!commandLine.includes('-D')) continue;
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      for (const secret of secrets) assert.equal(environment.includes(secret), false, commandLine);
    }
  });

  it('destroys nothing that does not carry our tag, whatever is destroyed around it', async () => {
    for (const path of precious()) {
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, `precious ${path}`);
    }
    const environment = 'shop';
    for (const clone of ['feature/a', 'b'])
      await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
    await follower.time(() => client.call('environmentDelete', { params: { environment } }));
    await follower.close();
    ending.abort();
    await engine.stop();
    client = await engine.client();
    assert.deepEqual((await client.call('environmentList', {})).items, []);
    follower = await followJobs(client);
    for (const path of precious()) assert.equal(readFileSync(path, 'utf8'), `precious ${path}`);
    const left = readdirSync(join(engine.paths.pool, 'data'));
    assert.deepEqual(left.sort(), ['data-aaaaaaaaaaaaaaaa', 'precious']);
    assert.deepEqual(
      engine.processes().filter(({ commandLine }) => commandLine.includes('postgres')),
      [],
    );
    connections = [];
  });
});
