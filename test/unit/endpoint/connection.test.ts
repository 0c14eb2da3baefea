import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { Endpoint, EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import type { Limits } from '../../../engine/endpoint/tcp/limits.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import { cloneId, none, waiting } from '../../contract/endpoint/endpoint.contract.ts';
import {
  firstPacket,
  message,
  oneRow,
  readyForQuery,
  readyInFailedTransaction,
  readyInTransaction,
  startMarkServer,
  startup,
  type MarkServer,
  type MarkServerOptions,
} from '../../contract/endpoint/markServer.ts';
import { lastError, rawClient, type RawClient } from './rawClient.ts';

const SSL_REQUEST = firstPacket(80_877_103);
const GSSENC_REQUEST = firstPacket(80_877_104);
const query = (text: string): Buffer => message('Q', Buffer.from(`${text}\0`));
const endsWith = (tail: Buffer) => (bytes: Buffer) => bytes.subarray(-tail.length).equals(tail);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await turn();
};
/** Until a number has not changed for a long while of turns: nobody takes anything any more. Gives the number. */
const untilStill = async (count: () => number): Promise<number> => {
  let last = count();
  for (let still = 0; still < 500; still += 1) {
    await turn();
    if (count() === last) continue;
    still = 0;
    last = count();
  }
  return last;
};

describe('a connection through an endpoint', () => {
  const servers: MarkServer[] = [];
  const endpoints: Endpoint[] = [];
  const clients: RawClient[] = [];
  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  const start = async (mark: string, options: Partial<MarkServerOptions> = {}): Promise<MarkServer> => {
    const server = await startMarkServer(mark, { speaks: 'postgres', ...options });
    servers.push(server);
    return server;
  };
  const to = (server: { port: number }, letter: string): Extract<EndpointTarget, { kind: 'clone' }> => ({
    kind: 'clone',
    clone: cloneId(letter),
    name: `clone-${letter}`,
    port: server.port,
  });
  const open = async (target: EndpointTarget, limits: Partial<Limits> = {}): Promise<Endpoint> => {
    const made = createTcpEndpoints({ wires: { postgres: postgresWire }, limits });
    const endpoint = await made.open({ port: 0, engine: 'postgres', title: 'orders of /work/shop', target });
    endpoints.push(endpoint);
    return endpoint;
  };
  const connect = async (endpoint: Endpoint): Promise<RawClient> => {
    const client = await rawClient(endpoint.port);
    clients.push(client);
    return client;
  };
  /** A client whose server waits for its query. */
  const login = async (endpoint: Endpoint): Promise<RawClient> => {
    const client = await connect(endpoint);
    client.socket.write(startup());
    await client.until(endsWith(readyForQuery));
    return client;
  };
  const keyOf = (client: RawClient): Buffer => {
    const at = client.received().indexOf('K');
    return client.received().subarray(at + 5, at + 13);
  };

  describe('as it begins', () => {
    it('answers the questions for encryption with no and goes on, in whatever pieces they come', async () => {
      const endpoint = await open(to(await start('main'), 'a'));
      const client = await connect(endpoint);
      for (const byte of GSSENC_REQUEST) client.socket.write(Buffer.from([byte]));
      await client.until((received) => received.toString() === 'N');
      client.socket.write(Buffer.concat([SSL_REQUEST, startup()]));
      await client.until(endsWith(readyForQuery));
      assert.equal(client.received().toString('latin1', 0, 3), 'NNR');
    });

    for (const [name, bytes] of [
      ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')],
      ['TLS at once', Buffer.from('16030100c8010000c40303', 'hex')],
    ] as const) {
      it(`drops a client that speaks ${name}, without an answer`, async () => {
        const server = await start('main');
        const client = await connect(await open(to(server, 'a')));
        client.socket.write(bytes);
        await client.ended;
        assert.equal(client.received().length, 0);
        assert.equal(server.sockets.size, 0);
      });
    }

    it('tells a client of another major version of the protocol that there is none', async () => {
      const client = await connect(await open(to(await start('main'), 'a')));
      client.socket.write(firstPacket(0x0002_0000));
      await client.ended;
      assert.equal(lastError(client.received())['C'], '0A000');
    });

    it('drops a client that does not say what it wants in time, whole or in part', async () => {
      const endpoint = await open(to(await start('main'), 'a'), { greetingMs: 50 });
      const silent = await connect(endpoint);
      const slow = await connect(endpoint);
      slow.socket.write(startup().subarray(0, 10));
      await Promise.all([silent.ended, slow.ended]);
    });

    it('drops a client that asks for encryption without an end', async () => {
      const client = await connect(await open(to(await start('main'), 'a')));
      client.socket.write(Buffer.alloc(8 * 2_000, SSL_REQUEST));
      await client.ended;
      assert.ok(client.received().length <= 1_250);
    });

    it('takes what a client sends ahead of the first answer, in order', async () => {
      const asked: string[] = [];
      const answer = (text: string): Buffer => {
        asked.push(text);
        return oneRow(text);
      };
      const endpoint = await open(waiting);
      const client = await connect(endpoint);
      client.socket.write(Buffer.concat([startup(), query('one')]));
      await until(() => endpoint.connections() === 1);
      client.socket.write(Buffer.concat([query('two'), query('x'.repeat(100_000))]));
      endpoint.lead(to(await start('main', { answer }), 'a'), 'Switched.');
      await client.until((received) => received.includes('x'.repeat(100_000)));
      assert.deepEqual(asked.slice(0, 2), ['one', 'two']);
    });

    it('takes what a client sends while its server thinks about the first answer', async () => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          client.socket.write('all of ');
          client.socket.write('this', () => setImmediate(() => socket.write(readyForQuery)));
          socket.on('data', (chunk: Buffer) => (taken += chunk.toString()));
        });
      });
      let taken = '';
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const client = await connect(await open(to(server.address() as { port: number }, 'a')));
      client.socket.write(startup());
      await until(() => taken === 'all of this');
      server.close();
    });

    it('is led on to the next clone while the server of the one before has not answered', async () => {
      const silent = await start('silent', { speaks: 'silent' });
      const endpoint = await open(to(silent, 'a'));
      const client = await connect(endpoint);
      client.socket.write(startup());
      await until(() => silent.sockets.size === 1);
      endpoint.lead(waiting, 'Switching.');
      endpoint.lead(to(await start('feature'), 'b'), 'Switched.');
      await client.until(endsWith(readyForQuery));
      client.socket.write(query('mark'));
      await client.until((received) => received.includes('feature'));
      await until(() => silent.sockets.size === 0);
    });

    it('has nothing run twice that it asked ahead when it is led on before its server has answered', async () => {
      let taken = 0;
      const silent = createServer((socket) => {
        socket.on('error', () => undefined).on('data', (chunk) => (taken += chunk.length));
      });
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const endpoint = await open(to(silent.address() as { port: number }, 'a'));
      const client = await connect(endpoint);
      client.socket.write(Buffer.concat([startup(), query('UPDATE stock SET amount = 0')]));
      await until(() => taken >= startup().length);
      const feature = await start('feature');
      endpoint.lead(to(feature, 'b'), 'Switched.');
      await client.ended;
      assert.equal(lastError(client.received())['M'], 'Switched.');
      assert.deepEqual([taken, feature.asked()], [startup().length, 0]);
      silent.close();
    });

    it('is refused readably when its server takes it and then says nothing', async () => {
      const endpoint = await open(to(await start('silent', { speaks: 'silent' }), 'a'), { answerMs: 100 });
      const client = await connect(endpoint);
      client.socket.write(startup());
      await client.ended;
      assert.equal(lastError(client.received())['C'], '57P03');
      assert.match(lastError(client.received())['M'] ?? '', /clone-a .*does not answer/);
    });

    it('is told why the host of its clone is not reached, and what to do', async () => {
      const server = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      let problem: { reason: string; next: string } | undefined = {
        ...{ reason: "Host big can't be reached: the cable was cut", next: 'Plug it in.' },
      };
      const target = to(server.address() as { port: number }, 'a');
      const endpoint = await open({ ...target, far: { problem: () => problem } });
      const refused = async () => {
        const client = await connect(endpoint);
        client.socket.write(startup());
        await client.ended;
        return lastError(client.received());
      };
      const { C: code, M: text, H: hint } = await refused();
      assert.deepEqual(
        [code, text, hint],
        ['57P03', "Host big can't be reached: the cable was cut", 'Plug it in.'],
      );
      problem = undefined;
      assert.match((await refused())['M'] ?? '', /clone-a .*does not answer/);
      server.close();
    });

    it('is refused readably when its server closes, or resets, before it answers', async () => {
      for (const leave of ['destroy', 'resetAndDestroy'] as const) {
        const server = createServer((socket) =>
          socket.on('error', () => undefined).once('data', () => socket[leave]()),
        );
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const { port } = server.address() as { port: number };
        const client = await connect(await open(to({ port }, 'a')));
        client.socket.write(startup());
        assert.equal(await client.ended, 'closed');
        assert.equal(lastError(client.received())['C'], '57P03', leave);
        server.close();
      }
    });

    it('is refused when the endpoint would lead to itself', async () => {
      const endpoint = await open(none);
      endpoint.lead(to(endpoint, 'a'), 'A mistake.');
      const client = await connect(endpoint);
      client.socket.write(startup());
      let most = 0;
      await until(() => {
        most = Math.max(most, endpoint.connections());
        return client.socket.closed;
      });
      assert.equal(lastError(client.received())['C'], '57P03');
      assert.ok(most <= 1, `it led to itself ${most} times`);
    });

    it('does not wait when as many wait already as may', async () => {
      const endpoint = await open(waiting, { held: 3 });
      for (let count = 1; count <= 3; count += 1) {
        (await connect(endpoint)).socket.write(startup());
        await until(() => endpoint.connections() === count);
      }
      const client = await connect(endpoint);
      client.socket.write(startup());
      await client.ended;
      assert.match(lastError(client.received())['M'] ?? '', /^Too many connections wait/);
      assert.equal(endpoint.connections(), 3);
    });

    it('is served though others connected and say nothing, more than the endpoint takes', async () => {
      const endpoint = await open(to(await start('main'), 'a'), { connections: 20, greeting: 5 });
      const silent: RawClient[] = [];
      for (let each = 0; each < 30; each++) silent.push(await connect(endpoint));
      await login(endpoint);
      // The oldest ones had to go.
      await Promise.all(silent.slice(0, 25).map(({ ended }) => ended));
      assert.equal(silent.slice(26).filter(({ socket }) => socket.destroyed).length, 0);
    });

    it('is served though others wait to be logged in and never are, and no server has more of them than it may', async () => {
      let most = 0;
      const server = await start('main', {
        // A user's name makes this server ask for a password.
        login: (packet) => !packet.includes('stranger'),
      });
      const endpoint = await open(to(server, 'a'), { strangers: 4, strangerMs: 20, held: 30 });
      const strangers: RawClient[] = [];
      for (let each = 0; each < 40; each++) {
        const client = await connect(endpoint);
        client.socket.write(firstPacket(196_608, Buffer.from('user\0stranger\0\0')));
        strangers.push(client);
      }
      await until(() => server.sockets.size > 0);
      for (let each = 0; each < 5; each++) {
        const client = await login(endpoint);
        most = Math.max(most, server.sockets.size);
        client.socket.destroy();
      }
      // Its own one as well, and those that had to go a moment before: more of them when the server is slow to notice.
      assert.ok(most <= 20, `${most} connections at the server`);
      // Those who had their time are told so.
      await Promise.race(strangers.map(({ ended }) => ended));
      const told = strangers.find(({ socket }) => socket.destroyed);
      assert.match(lastError(told?.received() ?? Buffer.alloc(0))['M'] ?? '', /Too many connections log in/);
    });

    it('is closed when it does not log in in time, also when nobody waits', async () => {
      const server = await start('main', { login: () => false });
      const client = await connect(await open(to(server, 'a'), { loginMs: 50 }));
      client.socket.write(startup());
      await client.ended;
      assert.match(lastError(client.received())['M'] ?? '', /did not log in in time/);
      await until(() => server.sockets.size === 0);
    });

    it('waits for its turn when very many come at once, and all are served', async () => {
      const endpoint = await open(to(await start('main'), 'a'), { strangers: 2 });
      const all = await Promise.all(Array.from({ length: 100 }, () => login(endpoint)));
      assert.equal(all.length, 100);
    });

    it('is closed at once when the endpoint has as many as it may', async () => {
      const endpoint = await open(to(await start('main'), 'a'), { connections: 2 });
      await login(endpoint);
      await login(endpoint);
      const third = await connect(endpoint);
      await third.ended;
      assert.equal(third.received().length, 0);
    });
  });

  describe('at a switch', () => {
    it('is told with SQLSTATE 57P01 and the notice, then closed in order', async () => {
      const endpoint = await open(to(await start('main'), 'a'));
      const client = await login(endpoint);
      endpoint.lead(to(await start('feature'), 'b'), 'Branch feature is checked out now.');
      assert.equal(await client.ended, 'closed');
      const { S, C, M } = lastError(client.received());
      assert.deepEqual([S, C, M], ['FATAL', '57P01', 'Branch feature is checked out now.']);
    });

    it('is cut without a word in the middle of a message, so that no message is ever corrupt', async () => {
      const half = oneRow('main').subarray(0, -readyForQuery.length - 3);
      const endpoint = await open(to(await start('main', { answer: () => half }), 'a'));
      const client = await login(endpoint);
      client.socket.write(query('mark'));
      await client.until(endsWith(half));
      const before = client.received();
      endpoint.lead(none, 'Branch feature is checked out now.');
      await client.ended;
      assert.deepEqual(client.received(), before);
    });

    for (const [name, filler] of [
      ['one large message', message('D', Buffer.alloc(64_000_000, 7))],
      // 64 bytes each: wherever the endpoint stops to read, one has just ended.
      ['many small messages', Buffer.alloc(64_000_000, message('D', Buffer.alloc(59, 7)))],
    ] as const) {
      it(`gets nothing any more of ${name} that it was too slow to take`, async () => {
        const big = Buffer.concat([filler, readyForQuery]);
        const server = await start('main', { answer: () => big });
        const endpoint = await open(to(server, 'a'));
        const client = await login(endpoint);
        client.socket.pause();
        client.socket.write(query('big'));
        await until(() => server.asked() === 1);
        const [serverSide] = server.sockets;
        const left = await untilStill(() => serverSide?.writableLength ?? 0);
        assert.ok(left > big.length / 2, `${big.length - left} bytes lie before a client that does not read`);
        endpoint.lead(none, 'Branch feature is checked out now.');
        await until(() => server.sockets.size === 0);
        client.socket.resume();
        assert.equal(await client.ended, 'ECONNRESET');
        assert.ok(!client.received().includes('Branch feature'));
      });
    }

    it('sends nothing of a query to either server that it had sent by half', async () => {
      const [main, feature] = [await start('main'), await start('feature')];
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      const bytes = query('UPDATE stock SET amount = 0');
      client.socket.write(bytes.subarray(0, 12));
      await turn();
      endpoint.lead(to(feature, 'b'), 'Switched.');
      client.socket.write(bytes.subarray(12));
      await client.ended;
      await until(() => main.sockets.size === 0);
      assert.deepEqual([main.asked(), feature.asked()], [0, 0]);
      assert.equal(lastError(client.received())['C'], '57P01');
    });

    it('has no query answered that the client sent after it, on many connections at once', async () => {
      const [main, feature] = [await start('main'), await start('feature')];
      const endpoint = await open(to(main, 'a'));
      const all = await Promise.all(Array.from({ length: 50 }, () => login(endpoint)));
      endpoint.lead(to(feature, 'b'), 'Switched.');
      for (const { socket } of all) socket.write(query('mark'));
      await Promise.all(all.map(({ ended }) => ended));
      assert.equal(main.asked(), 0);
      for (const client of all) assert.equal(lastError(client.received())['M'], 'Switched.');
    });

    it('cancels what its server still runs for it, and nothing where the server was idle', async () => {
      const main = await start('main', { answer: () => undefined });
      const endpoint = await open(to(main, 'a'));
      const busy = await login(endpoint);
      await login(endpoint);
      busy.socket.write(query('SELECT pg_sleep(1000)'));
      await until(() => main.asked() === 1);
      endpoint.lead(none, 'Switched.');
      await until(() => main.cancels.length > 0);
      assert.deepEqual(main.cancels, [keyOf(busy).toString('hex')]);
      assert.equal(lastError(busy.received())['C'], '57P01');
    });

    it('does not keep a client that never closes', async () => {
      const endpoint = await open(to(await start('main'), 'a'), { lingerMs: 50 });
      const socket = connectSocket({ host: '127.0.0.1', port: endpoint.port, allowHalfOpen: true });
      socket.on('error', () => undefined);
      socket.write(startup());
      await new Promise((resolve) => socket.once('data', resolve));
      endpoint.lead(none, 'Switched.');
      // Its own direction stays open: only the endpoint's end can break it.
      await new Promise((resolve) => {
        const talk = (): void => {
          if (socket.destroyed) resolve(undefined);
          else socket.write('x', () => setImmediate(talk));
        };
        talk();
      });
    });
  });

  describe('at a switch that lets transactions end', () => {
    const long = 3_600_000;
    const begin = async (client: RawClient): Promise<void> => {
      client.socket.write(query('BEGIN'));
      await client.until(endsWith(readyInTransaction));
    };

    it('gets all answers until the transaction ends, and then the notice, in order', async () => {
      const [main, feature] = [await start('main'), await start('feature')];
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      await begin(client);
      endpoint.lead(to(feature, 'b'), 'Switched.', long);
      client.socket.write(query('mark'));
      await client.until(endsWith(oneRow('main', readyInTransaction)));
      const before = client.received().length;
      client.socket.write(query('COMMIT'));
      assert.equal(await client.ended, 'closed');
      const committed = Buffer.concat([message('C', Buffer.from('COMMIT\0')), readyForQuery]);
      const told = client.received().subarray(before);
      assert.deepEqual(told.subarray(0, committed.length), committed);
      assert.deepEqual([lastError(told)['C'], lastError(told)['M']], ['57P01', 'Switched.']);
      assert.deepEqual([main.asked(), feature.asked(), main.cancels], [3, 0, []]);
    });

    it('gets the answer of a query that runs outside of one, all of it, however slow it is to take it', async () => {
      const big = Buffer.concat([message('D', Buffer.alloc(16_000_000, 7)), readyForQuery]);
      let answer = (): void => undefined;
      const server = await start('main', {
        answer(_query, socket) {
          answer = () => void socket.write(big);
          return undefined;
        },
      });
      const endpoint = await open(to(server, 'a'), { lingerMs: 1 });
      const client = await login(endpoint);
      client.socket.write(query('big'));
      await until(() => server.asked() === 1);
      endpoint.lead(none, 'Switched.', long);
      const chunks: Buffer[] = [];
      client.socket.removeAllListeners('data').on('data', (chunk: Buffer) => chunks.push(chunk));
      client.socket.pause();
      answer();
      await untilStill(() => endpoint.connections());
      client.socket.resume();
      assert.equal(await client.ended, 'closed');
      const received = Buffer.concat(chunks);
      assert.ok(received.subarray(0, big.length).equals(big));
      assert.equal(lastError(received)['M'], 'Switched.');
      assert.deepEqual(server.cancels, []);
    });

    it('may go on in one that has failed, to roll it back', async () => {
      const answer = (text: string): Buffer =>
        text === 'ROLLBACK' ? readyForQuery : readyInFailedTransaction;
      const endpoint = await open(to(await start('main', { answer }), 'a'));
      const client = await login(endpoint);
      client.socket.write(query('SELECT 1/0'));
      await client.until(endsWith(readyInFailedTransaction));
      endpoint.lead(none, 'Switched.', long);
      client.socket.write(query('ROLLBACK'));
      assert.equal(await client.ended, 'closed');
      assert.equal(lastError(client.received())['C'], '57P01');
    });

    for (const [when, seen] of [
      ['before the first answer', 0],
      ['after it', 1],
    ] as const) {
      it(`gets the answers of all that it has asked ahead, when that is ${when}`, async () => {
        const answers: ((bytes: Buffer) => void)[] = [];
        const main = await start('main', {
          answer: () => new Promise((resolve) => void answers.push(resolve)),
        });
        const endpoint = await open(to(main, 'a'));
        const client = await login(endpoint);
        const before = client.received().length;
        client.socket.write(Buffer.concat([query('one'), query('two'), query('three')]));
        await until(() => answers.length === 3);
        const rows = [oneRow('one'), oneRow('two'), oneRow('three')];
        const give = (from: number, to?: number): void =>
          rows.slice(from, to).forEach((row, at) => answers[from + at]?.(row));
        give(0, seen);
        await until(() => client.received().length === before + Buffer.concat(rows.slice(0, seen)).length);
        endpoint.lead(none, 'Switched.', long);
        give(seen, 1);
        await client.until((received) => received.length >= before + oneRow('one').length);
        give(1);
        assert.equal(await client.ended, 'closed');
        const told = client.received().subarray(before);
        const all = Buffer.concat(rows);
        assert.ok(told.subarray(0, all.length).equals(all));
        assert.deepEqual([lastError(told)['C'], lastError(told)['M']], ['57P01', 'Switched.']);
        assert.deepEqual([main.asked(), main.cancels], [3, []]);
      });
    }

    it('begins no other one that it asked for in the same breath', async () => {
      const main = await start('main');
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      await begin(client);
      endpoint.lead(none, 'Switched.', long);
      client.socket.write(query('COMMIT'));
      await client.until((received) => received.includes('COMMIT'));
      client.socket.write(query('UPDATE stock SET amount = 0'));
      await client.ended;
      await until(() => main.sockets.size === 0);
      assert.equal(main.asked(), 2);
    });

    it('is ended with the notice when its time is over, and what runs for it is canceled', async () => {
      const main = await start('main', {
        answer: (text) => (text === 'BEGIN' ? readyInTransaction : undefined),
      });
      const endpoint = await open(to(main, 'a'));
      const [idle, busy] = [await login(endpoint), await login(endpoint)];
      await begin(idle);
      await begin(busy);
      busy.socket.write(query('SELECT pg_sleep(1000)'));
      await until(() => main.asked() === 3);
      endpoint.lead(none, 'Switched.', 30);
      await Promise.all([idle.ended, busy.ended]);
      for (const client of [idle, busy]) assert.equal(lastError(client.received())['M'], 'Switched.');
      await until(() => main.cancels.length > 0);
      assert.deepEqual(main.cancels, [keyOf(busy).toString('hex')]);
    });

    it('stays without a bound when it is led back meanwhile', async () => {
      const main = await start('main');
      const [endpoint, other] = [await open(to(main, 'a')), await open(to(main, 'a'))];
      const [client, watch] = [await login(endpoint), await login(other)];
      await begin(client);
      await begin(watch);
      endpoint.lead(none, 'Switched.', 10);
      endpoint.lead(to(main, 'a'), 'Switched back.');
      // When this one is ended, the time of the first one is over too.
      other.lead(none, 'Switched.', 20);
      await watch.ended;
      client.socket.write(query('COMMIT'));
      await client.until(endsWith(readyForQuery));
      client.socket.write(query('mark'));
      await client.until(endsWith(oneRow('main')));
    });

    it('waits for nobody who has not logged in', async () => {
      const main = await start('main', { login: () => false });
      const endpoint = await open(to(main, 'a'));
      const client = await connect(endpoint);
      client.socket.write(startup());
      await client.until((received) => received.length > 0);
      endpoint.lead(none, 'Switched.', long);
      await client.ended;
      assert.equal(lastError(client.received())['M'], 'Switched.');
    });

    it('ends with its server, whatever time it has', async () => {
      const main = await start('main');
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      await begin(client);
      endpoint.lead(none, 'Switched.', long);
      await main.close();
      assert.equal(await client.ended, 'closed');
      assert.equal(endpoint.connections(), 0);
    });

    it('can still be canceled', async () => {
      const main = await start('main');
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      await begin(client);
      endpoint.lead(to(await start('feature'), 'b'), 'Switched.', long);
      const canceling = await connect(endpoint);
      canceling.socket.write(firstPacket(80_877_102, keyOf(client)));
      await canceling.ended;
      assert.deepEqual(main.cancels, [keyOf(client).toString('hex')]);
    });
  });

  describe('for a cancel request', () => {
    const cancelWith = async (endpoint: Endpoint, key: Buffer): Promise<RawClient> => {
      const client = await connect(endpoint);
      client.socket.write(Buffer.concat([SSL_REQUEST, firstPacket(80_877_102, key)]));
      await client.ended;
      return client;
    };

    it('passes it on to the server that has the key, and closes when that has', async () => {
      const main = await start('main');
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      const canceling = await cancelWith(endpoint, keyOf(client));
      assert.deepEqual(main.cancels, [keyOf(client).toString('hex')]);
      assert.equal(canceling.received().toString(), 'N');
      assert.equal(endpoint.connections(), 1);
    });

    it('lets nobody cancel, or find out, what another clone does', async () => {
      const [main, feature] = [await start('main'), await start('feature')];
      const own = await open(to(main, 'a'));
      const other = await open(to(feature, 'b'));
      await login(own);
      const client = await login(other);
      const stranger = await cancelWith(own, keyOf(client));
      assert.deepEqual([main.cancels, feature.cancels], [[], []]);
      assert.equal(stranger.received().toString(), 'N');
    });

    it('knows no session any more that a switch has ended', async () => {
      const [main, feature] = [await start('main'), await start('feature')];
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      endpoint.lead(to(feature, 'b'), 'Switched.');
      await cancelWith(endpoint, keyOf(client));
      assert.deepEqual([main.cancels, feature.cancels], [[], []]);
    });
  });

  describe('with clients that go at any moment', () => {
    it('keeps nothing of 500 that were aborted before they said anything, while they were held, or at work', async () => {
      const server = await start('main');
      const endpoint = await open(to(server, 'a'));
      const led: EndpointTarget[] = [to(server, 'a'), waiting, none];
      for (let round = 0; round < 500; round += 1) {
        endpoint.lead(led[round % led.length] ?? none, 'Switched.');
        const socket = connectSocket({ host: '127.0.0.1', port: endpoint.port });
        socket.on('error', () => undefined);
        const bytes = startup().subarray(0, (round * 7) % (startup().length + 1));
        if (bytes.length > 0) socket.write(bytes);
        await new Promise((resolve) => socket.once('connect', resolve));
        for (let turns = round % 6; turns > 0; turns -= 1) await turn();
        if (round % 2 === 0) socket.resetAndDestroy();
        else socket.destroy();
      }
      await until(() => endpoint.connections() === 0 && server.sockets.size === 0);
    });

    it('notices that a held client has gone', async () => {
      const endpoint = await open(waiting);
      const [closes, resets] = [await connect(endpoint), await connect(endpoint)];
      for (const { socket } of [closes, resets]) socket.write(startup());
      await until(() => endpoint.connections() === 2);
      closes.socket.end();
      resets.socket.resetAndDestroy();
      await until(() => endpoint.connections() === 0);
    });

    it('lets a server finish for a client that has closed only its own direction', async () => {
      const endpoint = await open(to(await start('main'), 'a'));
      const client = await login(endpoint);
      client.socket.end(query('mark'));
      await client.until((received) => received.includes('main'));
      assert.equal(await client.ended, 'closed');
      await until(() => endpoint.connections() === 0);
    });
  });

  describe('with one side slower than the other', () => {
    it('gives a client all that its server had to say before it closed', async () => {
      const big = Buffer.concat([message('D', Buffer.alloc(16_000_000, 7)), readyForQuery]);
      const answer = (_query: string, socket: Socket): undefined => {
        socket.end(big);
      };
      const endpoint = await open(to(await start('main', { answer }), 'a'), { lingerMs: 1 });
      const client = await login(endpoint);
      const before = client.received().length;
      let received = 0;
      client.socket.removeAllListeners('data').on('data', (chunk) => (received += chunk.length));
      client.socket.pause();
      client.socket.write(query('big'));
      await untilStill(() => endpoint.connections());
      client.socket.resume();
      assert.equal(await client.ended, 'closed');
      assert.deepEqual([before > 0, received], [true, big.length]);
    });

    it('takes little from a client that waits for a clone', async () => {
      const endpoint = await open(waiting);
      const client = await connect(endpoint);
      const size = 64_000_000;
      client.socket.write(startup());
      client.socket.write(Buffer.alloc(size));
      const left = await untilStill(() => client.socket.writableLength);
      assert.ok(left > size / 2, `${size - left} bytes were taken`);
    });

    it('takes no more from a client than its server takes', async () => {
      const server = await start('main');
      const endpoint = await open(to(server, 'a'));
      const client = await login(endpoint);
      const [serverSide] = server.sockets;
      serverSide?.pause();
      const size = 64_000_000;
      client.socket.write(Buffer.alloc(size));
      const left = await untilStill(() => client.socket.writableLength);
      assert.ok(left > size / 2, `${size - left} bytes lie before a server that does not read`);
      let taken = 0;
      serverSide?.removeAllListeners('data').on('data', (chunk) => (taken += chunk.length));
      serverSide?.resume();
      await until(() => taken === size);
    });
  });

  describe('when the endpoint closes', () => {
    it('is ended soon in every state, even if its client does nothing about it', async () => {
      const server = await start('main', { answer: () => Buffer.alloc(32_000_000, readyForQuery) });
      const silent = await start('silent', { speaks: 'silent' });
      const endpoint = await open(to(server, 'a'));
      const [slow, idle, greeting] = [await login(endpoint), await login(endpoint), await connect(endpoint)];
      slow.socket.pause();
      slow.socket.write(query('big'));
      await until(() => server.asked() === 1);
      endpoint.lead(to(silent, 'b'), 'Switched.');
      const opening = await connect(endpoint);
      opening.socket.write(startup());
      await until(() => silent.sockets.size === 1);
      const started = performance.now();
      await endpoint.close('The engine stops.');
      // What would hold it is never done; the bound is for a slow machine.
      assert.ok(performance.now() - started < 20_000);
      slow.socket.resume();
      await Promise.all([slow, idle, greeting, opening].map(({ ended }) => ended));
      assert.equal(lastError(opening.received())['M'], 'The engine stops.');
      await until(() => server.sockets.size + silent.sockets.size === 0);
    });

    it('leaves nothing running at its server', async () => {
      const main = await start('main', { answer: () => undefined });
      const endpoint = await open(to(main, 'a'));
      const client = await login(endpoint);
      client.socket.write(query('SELECT pg_sleep(1000)'));
      await until(() => main.asked() === 1);
      await endpoint.close('The engine stops.');
      assert.deepEqual(main.cancels, [keyOf(client).toString('hex')]);
    });

    it('is ended soon as a cancel request too that its server does not finish', async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        sockets.push(socket.on('error', () => undefined));
        const key = message('K', Buffer.alloc(8, 5));
        socket.once('data', () => sockets.length === 1 && socket.write(Buffer.concat([key, readyForQuery])));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const endpoint = await open(to(server.address() as { port: number }, 'a'));
      await login(endpoint);
      const canceling = await connect(endpoint);
      canceling.socket.write(firstPacket(80_877_102, Buffer.alloc(8, 5)));
      await until(() => sockets.length === 2);
      await endpoint.close();
      await canceling.ended;
      const [, cancel] = sockets;
      cancel?.resume();
      await new Promise((resolve) => server.close(resolve));
    });
  });

  it('can be made from this machine only', async () => {
    const endpoint = await open(to(await start('main'), 'a'));
    const addresses = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .map(({ address }) => address)
      .filter((address) => address !== '127.0.0.1' && !address.startsWith('fe80'));
    for (const host of addresses) {
      const outcome = await new Promise<string>((resolve) => {
        const socket = connectSocket({ host, port: endpoint.port }, () => {
          socket.destroy();
          resolve('connected');
        });
        socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'failed'));
      });
      assert.notEqual(outcome, 'connected', host);
    }
  });
});
