import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import pg from 'pg';
import postgres from 'postgres';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { Endpoint, EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import type { Certificates } from '../../../engine/ports/certificates.ts';
import { systemClock } from '../../../engine/process/clock.ts';
import { openHomeCertificates } from '../../../engine/process/certificates/homeCertificates.ts';
import { cloneId, none, waiting } from '../../contract/endpoint/endpoint.contract.ts';
import { firstPacket, startup } from '../../contract/endpoint/markServer.ts';
import { rawClient } from '../../unit/endpoint/rawClient.ts';
import { oldestAndNewest } from '../../support/long.ts';
import {
  presentMajors as findMajors,
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  testHost,
  type PostgresSource,
} from '../../support/postgresSource.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeMissing, ensureSystemPackages } from '../../support/systemPackages.ts';
import { startPsql, type PsqlOptions } from './psql.ts';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};
const isTls = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

const targetOf = ({ port }: PostgresSource, letter: string): EndpointTarget => ({
  kind: 'clone',
  clone: cloneId(letter),
  name: `feature/${letter}`,
  port,
});
/** The one that comes along has no TLS; Debian's has. */
const startTlsPsql = (options: PsqlOptions) => startPsql({ ...options, program: '/usr/bin/psql' });
const psql = async (options: PsqlOptions) => (await startTlsPsql(options)).result;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const presentMajors = await findMajors();

describe('TLS', () => {
  let root: string;
  let certificates: Certificates;
  let strangers: Certificates;
  let serverFile: string;
  const opened: Endpoint[] = [];
  before(async function () {
    const { missing } = await ensureSystemPackages(['postgresql-client']);
    if (missing.length > 0) skipSuite(this, describeMissing(missing));
    root = await mkdtemp(path.join(tmpdir(), 'tc-tls-'));
    await chmod(root, 0o755);
    const machine = await testHost();
    const open = (name: string): Promise<Certificates> =>
      openHomeCertificates({
        ...{ machine, clock: systemClock, log: silent },
        ...{ secrets: path.join(root, name, 'secrets'), forServers: path.join(root, name, 'tls') },
      });
    certificates = await open('ours');
    strangers = await open('strangers');
    await chmod(path.join(root, 'ours'), 0o755);
    const file = await certificates.serverFile();
    assert.ok(file !== undefined);
    serverFile = file;
  });
  after(() => rm(root, { recursive: true, force: true }));
  afterEach(() => Promise.all(opened.splice(0).map((endpoint) => endpoint.close())));

  const openAt = async (target: EndpointTarget): Promise<Endpoint> => {
    const endpoints = createTcpEndpoints({
      wires: { postgres: postgresWire },
      certificate: () => certificates.current(),
      // So that a slow machine may take its time for many handshakes at once.
      limits: { strangerMs: 60_000 },
    });
    const title = 'orders of /work/shop';
    const endpoint = await endpoints.open({ port: 0, engine: 'postgres', title, target });
    opened.push(endpoint);
    return endpoint;
  };
  const startServer = (major?: number): Promise<PostgresSource> =>
    startPostgresSource({
      ...(major === undefined ? {} : { major }),
      settings: { ssl: 'on', ssl_cert_file: serverFile, ssl_key_file: serverFile },
    });
  const verifyFull = (trusted: Certificates): string =>
    `host=localhost sslmode=verify-full sslrootcert=${trusted.authorityFile}`;
  const newClient = (port: number, ssl: pg.ClientConfig['ssl'], more: pg.ClientConfig = {}): pg.Client => {
    const client = new pg.Client({
      ...{ host: 'localhost', port, user: SOURCE_USER, password: SOURCE_PASSWORD, database: 'postgres', ssl },
      ...more,
    });
    client.on('error', () => undefined);
    return client;
  };
  const trusting = (): { ca: string } => ({ ca: certificates.current()?.authority ?? '' });

  for (const major of oldestAndNewest(presentMajors, 'TLS')) {
    describe(`with PostgreSQL ${major}`, () => {
      let server: PostgresSource;
      before(async () => {
        server = await startServer(major);
      });
      after(() => server.remove());

      const ways = (): readonly string[] => [
        'sslmode=require',
        verifyFull(certificates),
        `${verifyFull(certificates)} channel_binding=require`,
      ];

      it('lets psql in directly, by a name that it verified and bound to the certificate', async () => {
        for (const connection of ways()) {
          const told = await psql({ port: server.port, connection, args: ['-c', isTls] });
          assert.deepEqual(told, { code: 0, stdout: 't', stderr: '' }, connection);
        }
      });

      it('lets psql in through a stable port in the same ways', async () => {
        const { port } = await openAt(targetOf(server, 'a'));
        for (const connection of ways()) {
          const told = await psql({ port, connection, args: ['-c', isTls] });
          assert.deepEqual(told, { code: 0, stdout: 't', stderr: '' }, connection);
        }
        const plain = await psql({ port, connection: 'sslmode=disable', args: ['-c', isTls] });
        assert.deepEqual(plain, { code: 0, stdout: 'f', stderr: '' });
      });
    });
  }

  describe('through a stable port', () => {
    let server: PostgresSource;
    let plainServer: PostgresSource;
    before(async () => {
      [server, plainServer] = await Promise.all([startServer(), startPostgresSource()]);
    });
    after(() => Promise.all([server.remove(), plainServer.remove()]));

    it('lets node-postgres in, with channel binding and without', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      for (const enableChannelBinding of [true, false]) {
        const client = newClient(port, trusting(), { enableChannelBinding });
        await client.connect();
        const { rows } = await client.query<{ ssl: boolean }>(isTls);
        assert.deepEqual(rows, [{ ssl: true }]);
        await client.end();
      }
    });

    it('lets postgres.js in', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const sql = postgres({
        ...{ host: 'localhost', port, user: SOURCE_USER, password: SOURCE_PASSWORD, database: 'postgres' },
        ...{ ssl: trusting(), max: 3 },
      });
      assert.deepEqual([...(await sql.unsafe(isTls))], [{ ssl: true }]);
      await sql.end();
    });

    describe('with drivers of Python', () => {
      before(async function () {
        const { missing } = await ensureSystemPackages(['python3-psycopg', 'python3-asyncpg']);
        if (missing.length > 0) skipSuite(this, describeMissing(missing));
      });
      /** Debian's Python, which has its packages. */
      const python = async (lines: readonly string[], port: number): Promise<string> => {
        const { authorityFile } = certificates;
        const { stdout } = await promisify(execFile)(
          '/usr/bin/python3',
          ['-c', lines.join('\n'), String(port), SOURCE_USER, authorityFile, isTls],
          { env: { PATH: process.env['PATH'], PGPASSWORD: SOURCE_PASSWORD } },
        );
        return stdout.trim();
      };
      const atBothPorts = async (lines: readonly string[]): Promise<void> => {
        const { port } = await openAt(targetOf(server, 'a'));
        for (const each of [port, server.port]) assert.equal(await python(lines, each), 'True');
      };

      it('lets psycopg in, bound to the certificate', () =>
        atBothPorts([
          'import sys, psycopg',
          '_, port, user, authority, query = sys.argv',
          'options = dict(sslmode="verify-full", sslrootcert=authority, channel_binding="require")',
          'with psycopg.connect(host="localhost", port=port, user=user, dbname="postgres", **options) as session:',
          '    print(session.execute(query).fetchone()[0])',
        ]));

      it('lets asyncpg in', () =>
        atBothPorts([
          'import asyncio, asyncpg, ssl, sys',
          '_, port, user, authority, query = sys.argv',
          'async def ask():',
          '    trusted = ssl.create_default_context(cafile=authority)',
          '    where = dict(host="localhost", port=int(port), user=user, database="postgres")',
          '    session = await asyncpg.connect(**where, ssl=trusted)',
          '    print(await session.fetchval(query))',
          '    await session.close()',
          'asyncio.run(ask())',
        ]));
    });

    it('is refused by a client that trusts the authority of somebody else', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const { code, stderr } = await psql({ port, connection: verifyFull(strangers), args: ['-c', isTls] });
      assert.equal(code, 2);
      assert.match(stderr, /certificate verify failed/);
    });

    it('leads nobody to a server that is not of this home', async () => {
      const file = await strangers.serverFile();
      assert.ok(file !== undefined);
      await chmod(path.join(root, 'strangers'), 0o755);
      const stranger = await startPostgresSource({
        settings: { ssl: 'on', ssl_cert_file: file, ssl_key_file: file },
      });
      try {
        const { port } = await openAt(targetOf(stranger, 'a'));
        const { code, stderr } = await psql({ port, connection: 'sslmode=require', args: ['-c', isTls] });
        assert.equal(code, 2);
        assert.match(stderr, /The server of clone feature\/a .* does not answer/);
      } finally {
        await stranger.remove();
      }
    });

    it('leads to a server without TLS all the same, to that without channel binding', async () => {
      const { port } = await openAt(targetOf(plainServer, 'a'));
      const told = await psql({ port, connection: verifyFull(certificates), args: ['-c', isTls] });
      assert.deepEqual(told, { code: 0, stdout: 'f', stderr: '' });
    });

    it('says why it leads nowhere, and to those that it parts from their server', async () => {
      const endpoint = await openAt(targetOf(server, 'a'));
      const idle = newClient(endpoint.port, trusting());
      await idle.connect();
      const busy = newClient(endpoint.port, trusting());
      await busy.connect();
      const told = new Promise<pg.DatabaseError>((resolve) => idle.once('error', resolve));
      const sleeping = busy
        .query('SELECT pg_sleep(1000)')
        .catch((error: unknown) => error as pg.DatabaseError);
      const watching = newClient(server.port, false);
      await watching.connect();
      const active = async (): Promise<number> => {
        const { rows } = await watching.query<{ count: number }>(
          `SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'`,
        );
        return rows[0]?.count ?? 0;
      };
      while ((await active()) !== 1);
      endpoint.lead(none, 'Branch main is checked out no longer.');
      const { code, message } = (await sleeping) as pg.DatabaseError;
      assert.deepEqual([code, message], ['57P01', 'Branch main is checked out no longer.']);
      assert.equal((await told).code, '57P01');
      while ((await active()) !== 0);
      await watching.end();

      const args = ['-c', 'SELECT 1'];
      const refused = await psql({ port: endpoint.port, connection: verifyFull(certificates), args });
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /FATAL: {2}No branch is checked out\.\nHINT: {2}Check one out\./);
    });

    it('lets a transaction end first where it may, and then parts its client', async () => {
      const endpoint = await openAt(targetOf(server, 'a'));
      const client = newClient(endpoint.port, trusting());
      await client.connect();
      const told = new Promise<pg.DatabaseError>((resolve) => client.once('error', resolve));
      await client.query('BEGIN');
      endpoint.lead(none, 'Switched.', 3_600_000);
      assert.deepEqual((await client.query(isTls)).rows, [{ ssl: true }]);
      const { rows } = await client.query<{ text: string }>("SELECT repeat('0123456789', 50000) AS text");
      assert.equal(rows[0]?.text.length, 500_000);
      assert.equal((await client.query('COMMIT')).command, 'COMMIT');
      const { code, message } = await told;
      assert.deepEqual([code, message], ['57P01', 'Switched.']);
    });

    it('holds a client until there is a clone, and leads it to another one while it waits', async () => {
      const endpoint = await openAt(waiting);
      const client = newClient(endpoint.port, trusting());
      const connecting = client.connect();
      while (endpoint.connections() < 1) await turn();
      endpoint.lead({ kind: 'waiting', reason: 'Still switching.' }, 'Switching.');
      endpoint.lead(targetOf(server, 'b'), 'Switched.');
      await connecting;
      assert.deepEqual((await client.query(isTls)).rows, [{ ssl: true }]);
      await client.end();
    });

    it('cancels a query with Ctrl-C in psql', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const args = ['-c', 'SELECT pg_sleep(1000) /* to cancel */'];
      const { child, result } = await startTlsPsql({ port, connection: 'sslmode=require', args });
      const watching = newClient(server.port, false);
      await watching.connect();
      const active = `SELECT FROM pg_stat_activity WHERE query LIKE '%to cancel *%' AND state = 'active' AND pid <> pg_backend_pid()`;
      while ((await watching.query(active)).rowCount !== 1);
      child.kill('SIGINT');
      const { code, stderr } = await result;
      assert.equal(code, 1);
      assert.match(stderr, /canceling statement due to user request/);
      await watching.end();
    });

    it('passes on a cancel request that came by TLS', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const client = newClient(port, trusting());
      await client.connect();
      const sleeping = client.query('SELECT pg_sleep(1000) /* by TLS */').catch((error: unknown) => error);
      const watching = newClient(server.port, false);
      await watching.connect();
      const active = `SELECT FROM pg_stat_activity WHERE query LIKE '%by TLS *%' AND state = 'active' AND pid <> pg_backend_pid()`;
      while ((await watching.query(active)).rowCount !== 1);
      const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
      const request = Buffer.alloc(16);
      [16, 80_877_102, processID, secretKey].forEach((word, at) => request.writeInt32BE(word, at * 4));
      const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['postgresql'], ...trusting() });
      socket.on('error', () => undefined);
      socket.write(request);
      assert.equal(((await sleeping) as pg.DatabaseError).code, '57014');
      socket.destroy();
      await Promise.all([client.end(), watching.end()]);
    });

    it('goes over to TLS with the first byte for who names the protocol, and drops who does not', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const client = newClient(port, trusting(), { sslnegotiation: 'direct' });
      await client.connect();
      assert.deepEqual((await client.query(isTls)).rows, [{ ssl: true }]);
      await client.end();
      const unnamed = connectTls({ port, host: '127.0.0.1', ...trusting() });
      unnamed.on('error', () => undefined);
      unnamed.write(startup());
      const received: Buffer[] = [];
      unnamed.on('data', (chunk: Buffer) => received.push(chunk));
      await new Promise((resolve) => unnamed.once('close', resolve));
      assert.equal(Buffer.concat(received).length, 0);
    });

    it('takes nothing for said under TLS that came before', async () => {
      const { port } = await openAt(targetOf(server, 'a'));
      const client = await rawClient(port);
      client.socket.write(Buffer.concat([firstPacket(80_877_103), startup()]));
      await client.ended;
      assert.equal(client.received().length, 0);
    });

    it('carries large results and many clients at once', async () => {
      const endpoint = await openAt(targetOf(server, 'a'));
      const clients = Array.from({ length: 30 }, () => newClient(endpoint.port, trusting()));
      await Promise.all(clients.map((client) => client.connect()));
      const lengths = await Promise.all(
        clients.map(async (client) => {
          const { rows } = await client.query<{ text: string }>("SELECT repeat('0123456789', 50000) AS text");
          return rows[0]?.text.length;
        }),
      );
      assert.deepEqual(new Set(lengths), new Set([500_000]));
      await Promise.all(clients.map((client) => client.end()));
      while (endpoint.connections() > 0) await turn();
    });
  });
});
