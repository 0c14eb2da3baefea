import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import pg from 'pg';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import { createRefuser } from '../../../engine/endpoint/tcp/refuser.ts';
import { loopbackDoors } from '../../../engine/hub/loopbackDoors.ts';
import { refusalBy } from '../../../engine/hub/outOfReach.ts';
import type { Door, Lead } from '../../../engine/hub/tunnels.ts';
import { leadAhead } from '../../../engine/link/leadAhead.ts';
import type { Certificates } from '../../../engine/ports/certificates.ts';
import { systemClock } from '../../../engine/process/clock.ts';
import { openHomeCertificates } from '../../../engine/process/certificates/homeCertificates.ts';
import { hostSchema } from '../../../engine/protocol/entities.ts';
import { fail, toFailure } from '../../../engine/protocol/errors.ts';
import { testHost } from '../../support/postgresSource.ts';

const silent = {
  ...{ debug: () => undefined, info: () => undefined, warning: () => undefined, error: () => undefined },
};

describe('a port to a clone of another host that is out of reach', () => {
  let folder: string;
  let certificates: Certificates;
  let door: Door | undefined;
  let problems: unknown[];
  const away = hostSchema.parse({
    ...{ name: 'big', kind: 'ssh', state: 'unreachable', storage: null, problem: 'x' },
    unreachableSince: '2026-11-20T03:00:00.000Z',
  });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-doors-'));
    certificates = await openHomeCertificates({
      ...{ secrets: join(folder, 'secrets'), forServers: join(folder, 'tls') },
      ...{ machine: await testHost(), clock: systemClock, log: silent },
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(() => door?.close());

  const cut: Lead = async () => {
    throw fail('host_unreachable', { host: 'big', problem: 'the cable was cut' });
  };
  /** When the client has spoken. */
  const cutThen: Lead = async (from, signal) => {
    const into = new PassThrough();
    const ahead = leadAhead(from, into);
    await once(into, 'data');
    ahead.takeBack();
    return cut(from, signal);
  };
  /** Which host it is, and what the attempt to get there met. */
  const open = async (tls: boolean, host = away, met: Lead = cut): Promise<number> => {
    problems = [];
    const refuse = createRefuser({
      wires: { postgres: postgresWire },
      certificate: () => (tls ? certificates.current() : undefined),
    });
    door = await loopbackDoors(refuse).open({
      port: 0,
      lead: met,
      onProblem: (error) => problems.push(error),
      refusalBy: (error) => ({ engine: 'postgres', ...refusalBy(host, toFailure(error)) }),
    });
    assert.ok(door);
    return door.port;
  };
  const refused = async (port: number, ssl: pg.ClientConfig['ssl']): Promise<pg.DatabaseError> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'me', password: 'x', database: 'y', ssl });
    const [error] = await Promise.allSettled([client.connect()]);
    assert.ok(error.status === 'rejected');
    return error.reason as pg.DatabaseError;
  };

  for (const [how, ssl] of [
    ['in the open', false],
    ['by TLS', { rejectUnauthorized: false }],
  ] as const)
    it(`refuses who asks ${how} with the reason, since when, and what to do`, async () => {
      const { severity, code, message, hint } = await refused(await open(true), ssl);
      assert.deepEqual([severity, code], ['FATAL', '57P03']);
      assert.equal(
        message,
        "Host big can't be reached: the cable was cut. Host big is out of reach since 2026-11-20 03:00:00 UTC.",
      );
      assert.match(
        hint ?? '',
        /at once by: thin-clones host reconnect big\. Look at "thin-clones host doctor big"\.$/,
      );
      assert.equal(problems.length, 1);
    });

  it('refuses who has spoken already alike', async () => {
    const port = await open(true, away, cutThen);
    for (const ssl of [false, { rejectUnauthorized: false }])
      assert.match((await refused(port, ssl)).message, /the cable was cut/);
  });

  it('says that there is no TLS where this machine has no certificate, and refuses who goes on without', async () => {
    const port = await open(false);
    assert.match((await refused(port, { rejectUnauthorized: false })).message, /does not support SSL/);
    assert.equal((await refused(port, false)).code, '57P03');
  });

  it('says what else was in the way where the host is reached', async () => {
    const { message, code } = await refused(await open(true, { ...away, unreachableSince: null }), false);
    assert.deepEqual([message, code], ["Host big can't be reached: the cable was cut", '57P03']);
  });

  it('says nothing to who speaks something else, and is closed with whoever is still there', async () => {
    const port = await open(true);
    const speak = async (bytes: string): Promise<Socket> => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => undefined); // a connection that is dropped may be reset
      await once(socket, 'connect');
      socket.write(bytes);
      return socket;
    };
    const other = await speak('GET / HTTP/1.1\r\n\r\n');
    let said = '';
    other.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(other, 'close');
    assert.equal(said, '');
    const silentOne = await speak('');
    const closed = once(silentOne, 'close');
    await door?.close();
    await closed;
  });
});
