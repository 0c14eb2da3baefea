import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import postgres from 'postgres';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { Endpoint, EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import { cloneId, none, waiting } from '../../contract/endpoint/endpoint.contract.ts';
import { oldestAndNewest } from '../../support/long.ts';
import {
  presentMajors,
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  type PostgresSource,
} from '../../support/postgresSource.ts';
import { firstPacket, message } from '../../contract/endpoint/markServer.ts';
import { rawClient, type RawClient } from '../../unit/endpoint/rawClient.ts';
import { startPsql, type PsqlOptions } from './psql.ts';

type CloneTarget = Extract<EndpointTarget, { kind: 'clone' }>;

const endpoints = createTcpEndpoints({ wires: { postgres: postgresWire } });
/** So that a slow machine may take its time for many logins at once. */
const patientEndpoints = createTcpEndpoints({
  wires: { postgres: postgresWire },
  limits: { strangerMs: 60_000 },
});
const openAt = (target: EndpointTarget, by = endpoints): Promise<Endpoint> =>
  by.open({ port: 0, engine: 'postgres', title: 'orders of /work/shop', target });
const targetOf = ({ port }: PostgresSource, letter: string): CloneTarget => ({
  kind: 'clone',
  clone: cloneId(letter),
  name: `feature/${letter}`,
  port,
});

function newClient(port: number, options: pg.ClientConfig = {}): pg.Client {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user: SOURCE_USER, password: SOURCE_PASSWORD, database: 'postgres' },
    ...options,
  });
  // What it is told while no query runs: a test that wants to know listens for it too.
  client.on('error', () => undefined);
  return client;
}

const connect = async (port: number, options?: pg.ClientConfig): Promise<pg.Client> => {
  const client = newClient(port, options);
  await client.connect();
  return client;
};

const valueOf = async (client: pg.Client, query: string): Promise<unknown> => {
  const { rows } = await client.query<unknown[]>({ text: query, rowMode: 'array' });
  return rows[0]?.[0];
};

const psql = async (options: PsqlOptions) => (await startPsql(options)).result;
const failureOf = async (work: Promise<unknown>): Promise<pg.DatabaseError> =>
  work.then(
    () => assert.fail('it should have failed'),
    (error: unknown) => error as pg.DatabaseError,
  );

for (const major of oldestAndNewest(await presentMajors(), 'endpoints')) {
  describe(`an endpoint that leads to PostgreSQL ${major}`, () => {
    let source: PostgresSource;
    let endpoint: Endpoint;
    before(async () => {
      source = await startPostgresSource({ major });
    });
    after(() => source.remove());
    beforeEach(async () => {
      endpoint = await openAt(targetOf(source, 'a'));
    });
    afterEach(() => endpoint.close());

    it('lets people in while strangers hold 200 connections that never log in', async () => {
      const strangers: RawClient[] = [];
      try {
        for (let each = 0; each < 200; each++) {
          const stranger = await rawClient(endpoint.port);
          strangers.push(stranger);
          stranger.socket.write(firstPacket(196_608, Buffer.from(`user\0${SOURCE_USER}\0\0`)));
        }
        for (let each = 0; each < 3; each++) {
          const client = await connect(endpoint.port);
          assert.equal(await valueOf(client, 'SELECT 1'), 1);
          await client.end();
        }
      } finally {
        for (const { socket } of strangers) socket.destroy();
      }
    });

    it('lets node-postgres and psql log in with the password, which it never knows', async () => {
      const client = await connect(endpoint.port);
      assert.equal(await valueOf(client, "SELECT current_setting('port')"), String(source.port));
      await client.end();
      const { port } = endpoint;
      const told = await psql({ port, args: ['-c', 'SHOW port'] });
      assert.deepEqual(told, { code: 0, stdout: String(source.port), stderr: '' });
    });

    it('shows a wrong password as the server does', async () => {
      const wrong = { password: 'wrong' };
      const [direct, through] = [
        await failureOf(connect(source.port, wrong)),
        await failureOf(connect(endpoint.port, wrong)),
      ];
      assert.deepEqual([through.code, through.message], [direct.code, direct.message]);
      assert.equal(through.code, '28P01');
    });

    it('says to clients why it leads them nowhere, and to those that it parts from their server', async () => {
      const idle = await connect(endpoint.port);
      const busy = await connect(endpoint.port);
      const sleeping = failureOf(busy.query('SELECT pg_sleep(1000)'));
      const told = new Promise<unknown>((resolve) => idle.once('error', resolve));
      const watching = await connect(source.port);
      const active = `SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'`;
      while ((await valueOf(watching, active)) !== 1);
      endpoint.lead(none, 'Branch main is checked out no longer.');
      const { code, message } = await sleeping;
      assert.deepEqual([code, message], ['57P01', 'Branch main is checked out no longer.']);
      assert.equal(((await told) as pg.DatabaseError).code, '57P01');
      // What ran for nobody any more was canceled.
      while ((await valueOf(watching, active)) !== 0);
      await watching.end();

      const refused = await failureOf(connect(endpoint.port));
      assert.deepEqual(
        [refused.code, refused.message, refused.hint],
        ['57P03', 'No branch is checked out.', 'Check one out.'],
      );
      const { code: exitCode, stderr } = await psql({ port: endpoint.port, args: ['-c', 'SELECT 1'] });
      assert.equal(exitCode, 2);
      assert.match(stderr, /FATAL: {2}No branch is checked out\.\nHINT: {2}Check one out\./);
    });
  });
}

describe('clients of PostgreSQL through an endpoint', () => {
  let source: PostgresSource;
  let endpoint: Endpoint;
  before(async () => {
    source = await startPostgresSource({ settings: { max_connections: '250', max_wal_size: '2GB' } });
  });
  after(() => source.remove());
  beforeEach(async () => {
    endpoint = await openAt(targetOf(source, 'a'), patientEndpoints);
  });
  afterEach(() => endpoint.close());

  for (const connection of [
    'sslmode=prefer',
    'sslmode=disable',
    'gssencmode=prefer sslmode=prefer',
    'sslmode=prefer min_protocol_version=3.2 max_protocol_version=latest',
    'sslmode=prefer channel_binding=prefer target_session_attrs=read-write',
  ]) {
    it(`connect with psql and ${connection}`, async () => {
      const told = await psql({ port: endpoint.port, connection, args: ['-c', 'SHOW port'] });
      assert.deepEqual(told, { code: 0, stdout: String(source.port), stderr: '' });
    });
  }

  for (const connection of ['sslmode=require', 'sslmode=require sslnegotiation=direct']) {
    it(`are told by psql and ${connection} that there is no TLS, as by the clone itself`, async () => {
      const args = ['-c', 'SELECT 1'];
      const { code, stderr } = await psql({ port: endpoint.port, connection, args });
      assert.equal(code, 2);
      assert.match(stderr, /SSL/);
    });
  }

  it('go to the next of several hosts when the first leads nowhere', async () => {
    const other = await openAt(none);
    const where = `host=127.0.0.1,127.0.0.1 port=${other.port},${endpoint.port}`;
    const told = await psql({ port: other.port, connection: where, args: ['-c', 'SHOW port'] });
    assert.equal(told.stdout, String(source.port), told.stderr);
    await other.close();
  });

  for (const connection of [
    'max_protocol_version=3.0',
    'min_protocol_version=3.2 max_protocol_version=3.2',
  ]) {
    it(`cancel a query with Ctrl-C in psql (${connection})`, async () => {
      const marked = `SELECT pg_sleep(1000) /* ${connection} */`;
      const { child, result } = await startPsql({ port: endpoint.port, connection, args: ['-c', marked] });
      const watching = await connect(source.port);
      const running = async (): Promise<unknown> =>
        await valueOf(
          watching,
          `SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%${connection} *%' AND state = 'active' AND pid <> pg_backend_pid()`,
        );
      while ((await running()) !== 1);
      child.kill('SIGINT');
      const { code, stderr } = await result;
      assert.equal(code, 1);
      assert.match(stderr, /canceling statement due to user request/);
      while ((await running()) !== 0);
      await watching.end();
    });
  }

  it('carry COPY of 100 MB in both directions without a byte changed', async () => {
    const rows = 1_000_000;
    const line = (row: number): string => `${String(row).padStart(12, '0')}\t${'x'.repeat(86)}\n`;
    const sent = createHash('sha256');
    function* chunks(): Generator<Buffer> {
      for (let row = 0; row < rows; row += 10_000) {
        const chunk = Buffer.from(Array.from({ length: 10_000 }, (_, at) => line(row + at)).join(''));
        sent.update(chunk);
        yield chunk;
      }
    }
    await source.run('postgres', 'CREATE TABLE bulk (row text, text text)');
    const { port } = endpoint;
    const into = await startPsql({ port, stdin: 'pipe', args: ['-c', 'COPY bulk FROM STDIN'] });
    assert.ok(into.child.stdin !== null);
    await pipeline(Readable.from(chunks()), into.child.stdin);
    assert.deepEqual(await into.result, { code: 0, stdout: 'COPY 1000000', stderr: '' });

    const from = await startPsql({ port, stdout: 'pipe', args: ['-c', 'COPY bulk TO STDOUT'] });
    const received = createHash('sha256');
    assert.ok(from.child.stdout !== null);
    await pipeline(from.child.stdout, received);
    assert.equal((await from.result).code, 0);
    assert.equal(received.digest('hex'), sent.digest('hex'));
    await source.run('postgres', 'DROP TABLE bulk');
  });

  it('are notified through LISTEN without having asked', async () => {
    const listener = await connect(endpoint.port);
    const heard = new Promise<unknown>((resolve) =>
      listener.once('notification', ({ payload }: pg.Notification) => resolve(payload)),
    );
    await listener.query('LISTEN news');
    await source.run('postgres', "NOTIFY news, 'hello'");
    assert.equal(await heard, 'hello');
    await listener.end();
  });

  it('may be 200 at once, each with its own session', async () => {
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(endpoint.port)));
    assert.equal(endpoint.connections(), 200);
    const pids = await Promise.all(clients.map((client) => valueOf(client, 'SELECT pg_backend_pid()')));
    assert.equal(new Set(pids).size, 200);
    await Promise.all(clients.map((client) => client.end()));
    while (endpoint.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('may be 200 at once that wait for a clone, and all reach it', async () => {
    endpoint.lead(waiting, 'Switching.');
    const clients = Array.from({ length: 200 }, () => newClient(endpoint.port));
    const connecting = Promise.all(clients.map((client) => client.connect()));
    while (endpoint.connections() < 200) await new Promise((resolve) => setImmediate(resolve));
    endpoint.lead(targetOf(source, 'a'), 'Switched.');
    await connecting;
    await Promise.all(clients.map((client) => client.end()));
  });

  it('see a prepared statement, a transaction and a large result as without it', async () => {
    const client = await connect(endpoint.port);
    const prepared = { name: 'twice', text: 'SELECT $1::int * 2 AS value' };
    for (const value of [1, 2, 3]) {
      const { rows } = await client.query<{ value: number }>({ ...prepared, values: [value] });
      assert.equal(rows[0]?.value, value * 2);
    }
    await client.query('BEGIN');
    const { code } = await failureOf(client.query('SELECT 1/0'));
    assert.equal(code, '22012');
    await client.query('ROLLBACK');
    const text = await valueOf(client, "SELECT repeat('0123456789', 2000000)");
    assert.equal((text as string).length, 20_000_000);
    await client.end();
  });

  it('lose an open transaction at a switch, and the server rolls it back', async () => {
    await source.run('postgres', 'CREATE TABLE stock AS SELECT 5 AS amount');
    const client = await connect(endpoint.port);
    await client.query('BEGIN');
    await client.query('UPDATE stock SET amount = 0');
    endpoint.lead(none, 'Switched.');
    const watching = await connect(source.port);
    // The row is locked until the server has seen that its client is gone.
    await watching.query('UPDATE stock SET amount = amount + 1');
    assert.equal(await valueOf(watching, 'SELECT amount FROM stock'), 6);
    await watching.query('DROP TABLE stock');
    await watching.end();
  });
});

describe('transactions of clients whose endpoint leads elsewhere, and that may end first', () => {
  const long = 3_600_000;
  let left: PostgresSource;
  let next: PostgresSource;
  let endpoint: Endpoint;
  beforeEach(async () => {
    [left, next] = await Promise.all([startPostgresSource(), startPostgresSource()]);
    await left.run('postgres', 'CREATE TABLE stock AS SELECT 5 AS amount');
    endpoint = await openAt(targetOf(left, 'a'));
  });
  afterEach(async () => {
    await endpoint.close();
    await Promise.all([left.remove(), next.remove()]);
  });
  const inTransaction = async (): Promise<{ client: pg.Client; told: Promise<pg.DatabaseError> }> => {
    const client = await connect(endpoint.port);
    const told = new Promise<pg.DatabaseError>((resolve) => client.once('error', resolve));
    await client.query('BEGIN');
    await client.query('UPDATE stock SET amount = amount + 1');
    return { client, told };
  };
  const amount = async (): Promise<unknown> => {
    const watching = await connect(left.port);
    try {
      return await valueOf(watching, 'SELECT amount FROM stock');
    } finally {
      await watching.end();
    }
  };

  it('are committed there, while idle clients part and new ones reach the next clone', async () => {
    const { client, told } = await inTransaction();
    const idle = await connect(endpoint.port);
    const parted = new Promise<pg.DatabaseError>((resolve) => idle.once('error', resolve));
    endpoint.lead(targetOf(next, 'b'), 'Switched.', long);
    assert.equal((await parted).message, 'Switched.');
    const fresh = await connect(endpoint.port);
    assert.equal(await valueOf(fresh, 'SHOW port'), String(next.port));
    await fresh.end();
    assert.equal(await valueOf(client, 'SHOW port'), String(left.port));
    await client.query('COMMIT');
    const { code, message } = await told;
    assert.deepEqual([code, message], ['57P01', 'Switched.']);
    assert.equal(await amount(), 6);
  });

  it('are all committed that a driver has asked ahead', async () => {
    const locking = await connect(left.port);
    await locking.query('SELECT pg_advisory_lock(1)');
    const sql = postgres({
      ...{ host: '127.0.0.1', port: endpoint.port, user: SOURCE_USER, password: SOURCE_PASSWORD },
      ...{ database: 'postgres', max: 1 },
    });
    // Otherwise it asks for types first, and then one after the other.
    await sql`SELECT`;
    const asked = [
      sql`UPDATE stock SET amount = amount + 1`,
      sql`SELECT pg_advisory_lock(1)`,
      sql`UPDATE stock SET amount = amount + 1`,
      sql`UPDATE stock SET amount = amount + 1`,
    ].map(async (query) => (await query).count);
    await asked[0];
    endpoint.lead(targetOf(next, 'b'), 'Switched.', long);
    await locking.end();
    assert.deepEqual(await Promise.all(asked), [1, 1, 1, 1]);
    await sql.end();
    assert.equal(await amount(), 8);
  });

  it('keep no client that has copied rows in, and had ended that command before it saw that they are taken', async () => {
    const client = await connect(endpoint.port);
    const told = new Promise<pg.DatabaseError>((resolve) => client.once('error', resolve));
    const sync = message('S', Buffer.alloc(0));
    const command = [
      message('P', Buffer.from('\0COPY stock FROM STDIN\0\0\0')),
      message('B', Buffer.alloc(2 + 3 * 2)),
      message('E', Buffer.alloc(1 + 4)),
      sync,
    ];
    const rows = [message('d', Buffer.from('7\n')), message('c', Buffer.alloc(0)), sync];
    await new Promise<void>((resolve, reject) => {
      const copying = {
        submit: ({ stream }: pg.Connection) => void stream.write(Buffer.concat(command)),
        handleCopyInResponse: ({ stream }: pg.Connection) => void stream.write(Buffer.concat(rows)),
        handleCommandComplete: () => undefined,
        handleReadyForQuery: () => resolve(),
        handleError: reject,
      };
      client.query(copying);
    });
    endpoint.lead(targetOf(next, 'b'), 'Switched.', long);
    assert.equal((await told).message, 'Switched.');
    const watching = await connect(left.port);
    assert.equal(await valueOf(watching, 'SELECT sum(amount)::int FROM stock'), 12);
    await watching.end();
  });

  it('are rolled back when their time is over, and the client is told as at once', async () => {
    const { client, told } = await inTransaction();
    endpoint.lead(targetOf(next, 'b'), 'Switched.', 50);
    const { code, message } = await told;
    assert.deepEqual([code, message], ['57P01', 'Switched.']);
    await assert.rejects(client.query('COMMIT'));
    // The row is locked until the server has seen that its client is gone.
    await left.run('postgres', 'UPDATE stock SET amount = amount + 10');
    assert.equal(await amount(), 15);
  });

  it('do not keep the server of that clone from ending', async () => {
    const { told } = await inTransaction();
    endpoint.lead(targetOf(next, 'b'), 'Switched.', long);
    await left.stop();
    const { code, message } = await told;
    assert.deepEqual([code, message], ['57P01', 'terminating connection due to administrator command']);
  });
});

describe('a server that dies behind an endpoint', () => {
  let source: PostgresSource;
  let endpoint: Endpoint;
  beforeEach(async () => {
    source = await startPostgresSource();
    endpoint = await openAt(targetOf(source, 'a'));
  });
  afterEach(async () => {
    await endpoint.close();
    await source.remove();
  });

  /** What a client is told whose query runs, directly and through the endpoint. */
  const bothTold = async (die: () => Promise<void>) => {
    const clients = await Promise.all([connect(source.port), connect(endpoint.port)]);
    const watching = await connect(source.port);
    const failures = clients.map((client) => failureOf(client.query('SELECT pg_sleep(1000)')));
    const active = `SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'`;
    while ((await valueOf(watching, active)) !== 2);
    await die();
    const [direct, through] = await Promise.all(failures);
    return { direct, through };
  };

  it('is seen in the middle of a query as without it when it is killed', async () => {
    const { direct, through } = await bothTold(() => source.kill());
    assert.ok(direct !== undefined && through !== undefined);
    assert.deepEqual([through.code, through.message], [direct.code, direct.message]);
  });

  it('is seen in the middle of a query as without it when it is shut down', async () => {
    const { direct, through } = await bothTold(() => source.stop());
    assert.ok(direct !== undefined && through !== undefined);
    assert.deepEqual([through.code, through.message], [direct.code, direct.message]);
    assert.equal(through.code, '57P01');
  });

  it('is told as one that does not answer to whoever comes afterwards', async () => {
    await source.stop();
    const { code, message, hint } = await failureOf(connect(endpoint.port));
    assert.equal(code, '57P03');
    assert.equal(message, 'The server of clone feature/a (orders of /work/shop) does not answer.');
    assert.match(hint ?? '', /thin-clones clone start feature\/a/);
  });
});
