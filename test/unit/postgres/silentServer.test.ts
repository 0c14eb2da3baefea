import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openAdminSession, socketPath, withAdmin } from '../../../engine/database/postgres/admin.ts';
import { waitUntilReady } from '../../../engine/database/postgres/ready.ts';

/** AuthenticationOk, ReadyForQuery: a server that lets a session begin. */
const welcome = Buffer.from('520000000800000000' + '5a0000000549', 'hex');
/** An ErrorResponse with 57P03. */
const startingUp = (() => {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
  const head = Buffer.alloc(5);
  head.write('E', 0, 'latin1');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
})();

describe('a server that accepts and says nothing', () => {
  let folder: string;
  let server: Server;
  let greet: (socket: Socket) => void;
  const sockets = new Set<Socket>();
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'silent-'));
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      socket.once('data', () => greet(socket));
      socket.resume();
    });
    server.listen(socketPath({ socketDirectory: folder, port: 5432 }));
    await once(server, 'listening');
  });
  beforeEach(() => (greet = () => undefined));
  afterEach(async () => {
    while (sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
  after(async () => {
    server.close();
    await once(server, 'close');
    await rm(folder, { recursive: true });
  });

  const session = () => ({ spec: { socketDirectory: folder, port: 5432 }, major: 18 });
  const ready = (signal?: AbortSignal, patienceMs = 100) =>
    waitUntilReady({
      spec: {
        ...{ identity: 'data-aaaaaaaaaaaaaaaa', title: 'a (db)', program: '', args: [], logFile: '' },
        ...{ env: { THIN_CLONES_POSTGRES: '18' }, dataDirectory: '', socketDirectory: folder, port: 5432 },
      },
      isAlive: async () => true,
      login: undefined,
      logTail: async () => [],
      signal,
      patienceMs,
    });
  const stop = new Error('stopped by the test');

  it('ends no wait for a session that is to be opened but its time and its signal', async () => {
    await assert.rejects(openAdminSession({ ...session(), timeoutMs: 20 }), /timeout/);
    const ending = new AbortController();
    greet = () => ending.abort(stop);
    await assert.rejects(openAdminSession({ ...session(), signal: ending.signal }), stop);
  });

  it('ends a query when the signal aborts', async () => {
    greet = (socket) => socket.write(welcome);
    const ending = new AbortController();
    const asking = withAdmin({ ...session(), signal: ending.signal }, async (client) => {
      setImmediate(() => ending.abort(stop));
      await client.query('CHECKPOINT');
    });
    await assert.rejects(asking, stop);
  });

  it('keeps nobody who has said good-bye', async () => {
    greet = (socket) => socket.write(welcome);
    assert.equal(await withAdmin(session(), async () => 'done'), 'done');
  });

  it('is told as one that does not answer, before and after it let a session begin', async () => {
    const told = { code: 'server_start_failed', message: /did not answer within 0.1 s/ };
    await assert.rejects(ready(), told);
    greet = (socket) => socket.write(welcome);
    await assert.rejects(ready(), told);
  });

  it('is waited for while it says that it starts up, for longer than silence may last, until the signal aborts', async () => {
    const ending = new AbortController();
    const began = performance.now();
    // A slow machine may keep this process silent for a while.
    const patienceMs = 1500;
    greet = (socket) => {
      socket.end(startingUp);
      if (performance.now() - began > patienceMs + 300) ending.abort(stop);
    };
    await assert.rejects(ready(ending.signal, patienceMs), stop);
  });
});
