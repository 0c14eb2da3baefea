import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from '../../../engine/http/listen.ts';
import { homePaths, type HomePaths } from '../../../engine/protocol/node/home.ts';
import { connectQuickly, type QuickOptions } from '../../../engine/protocol/node/quickConnection.ts';
import { createShortTransport } from '../../../engine/protocol/node/shortTransport.ts';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';

const program = { execPath: '/nowhere/node', file: '/nowhere/engine.mjs', version: '1.2.3', build: 'b' };

describe('the connection of a command', () => {
  let folder: string;
  let paths: HomePaths;
  const cleanups: (() => Promise<unknown>)[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-quick-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    paths = homePaths({ platform: process.platform, uid: 1, variables: { THIN_CLONES_HOME: folder } });
    await mkdir(paths.engineDirectory);
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const announce = (changes: object = {}): Promise<void> =>
    writeFile(
      paths.discovery,
      JSON.stringify({
        ...{ format: 1, pid: process.pid, version: '1.2.3', protocol: protocolVersion, build: 'b' },
        ...{ startedAt: new Date().toISOString(), socket: paths.socket, token, tcpPort: null },
        ...changes,
      }),
    );
  const connect = (options: Partial<QuickOptions> = {}) =>
    connectQuickly({
      ...{ paths, user: 'anna', program, transport: createShortTransport, lookAfterMs: 60_000 },
      ...options,
    });
  /** An engine in memory at the socket, and what it was asked. */
  const startEngine = async (
    onRequest: () => void = () => undefined,
  ): Promise<{ memory: MemoryApp; asked: string[] }> => {
    const memory = await openMemoryApp();
    const asked: string[] = [];
    const app: MemoryApp['app'] = (request) => {
      asked.push(`${request.method} ${request.target}`);
      onRequest();
      return memory.app(request);
    };
    const listening = await listen(app, { socket: paths.socket, tcpPort: null });
    cleanups.push(async () => {
      memory.end();
      await listening.close();
      await memory.engine.close();
    });
    return { memory, asked };
  };
  /** What takes connections and hands each to the next of these. */
  const serve = async (...each: ((end: (text?: string) => void) => void)[]): Promise<() => number> => {
    let taken = 0;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      cleanups.push(async () => socket.destroy());
      const next = each[taken++];
      socket.once('data', () => next?.((text = '') => socket.end(text)));
    });
    await new Promise<void>((resolve) => server.listen(paths.socket, resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    return () => taken;
  };
  const nothing = (): void => undefined;

  it('asks an engine that runs for what the command wants, and for nothing before', async () => {
    const { asked } = await startEngine();
    await announce();
    const { client, close } = await connect();
    assert.deepEqual((await client.call('cloneList', {})).items, []);
    assert.deepEqual((await client.call('jobList', {})).items, []);
    close();
    assert.deepEqual(asked, ['GET /v1/clones', 'GET /v1/jobs']);
  });

  for (const [what, changes] of [
    ['build', { build: 'older' }],
    ['version', { version: '2.0.0' }],
  ] as const)
    it(`asks an engine of another ${what} what it is`, async () => {
      // What it would do next is start another one.
      const giveUp = new AbortController();
      const { asked } = await startEngine(() => giveUp.abort(new Error('it was asked')));
      await announce(changes);
      await assert.rejects(connect({ signal: giveUp.signal }), /it was asked/);
      assert.deepEqual(asked, ['GET /v1/engine']);
    });

  it('goes to the engine of now when the file was of one that is gone', async () => {
    await announce({ socket: join(folder, 'gone.sock') });
    const { client, close } = await connect();
    const { asked } = await startEngine();
    await announce();
    assert.deepEqual((await client.call('cloneList', {})).items, []);
    close();
    assert.deepEqual(asked, ['GET /v1/engine', 'GET /v1/clones']);
  });

  it('asks once more, and has one effect, when its token was of the past', async () => {
    const { memory, asked } = await startEngine();
    await announce({ token: 'of-the-past' });
    const { client, close } = await connect();
    await announce();
    const url = 'postgresql://reader@127.0.0.1:1/app';
    const definition = { members: { main: { engine: 'postgres', retrieval: 'logical', url } } } as const;
    await client.call('environmentApply', { params: { name: 'shop' }, body: { definition } });
    close();
    const put = 'PUT /v1/environments/shop';
    assert.deepEqual(asked, [put, 'GET /v1/engine', put]);
    assert.equal(memory.engine.store.environments.list().length, 1);
  });

  it('does not send a change again that may have had its effect', async () => {
    const taken = await serve((end) => end());
    await announce();
    const { client, close } = await connect();
    await assert.rejects(client.call('cloneDestroy', { params: { clone: 'a' } }), {
      code: 'engine_unreachable',
    });
    close();
    assert.equal(taken(), 1);
  });

  it('looks whether the engine works when the first answer takes long, and says what is wrong', async () => {
    const answer = 'HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\r\n';
    const error = {
      code: 'internal',
      message: 'It is broken.',
      next: 'Mend it.',
      retryable: false,
      details: {},
    };
    const taken = await serve(nothing, (end) => end(answer + JSON.stringify({ error })));
    await announce();
    const { client, close } = await connect({ lookAfterMs: 1 });
    await assert.rejects(client.call('cloneList', {}), { message: 'It is broken.' });
    close();
    assert.equal(taken(), 2);
  });

  it('is given up with the command', async () => {
    await serve(nothing);
    await announce();
    const { client, close } = await connect();
    const signal = AbortSignal.timeout(5);
    await assert.rejects(client.call('cloneList', {}, { signal }), { name: 'TimeoutError' });
    close();
  });
});
