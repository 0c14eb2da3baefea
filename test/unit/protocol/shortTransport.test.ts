import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from '../../../engine/http/listen.ts';
import { createClient } from '../../../engine/protocol/client.ts';
import { createShortTransport } from '../../../engine/protocol/node/shortTransport.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';

describe('requests of a command that lives for a moment', () => {
  let folder: string;
  let socket: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-short-'));
    socket = join(folder, 's');
  });
  afterEach(() => rm(folder, { recursive: true }));

  describe('to an engine', () => {
    let memory: MemoryApp;
    let stop: () => Promise<void>;
    beforeEach(async () => {
      memory = await openMemoryApp();
      const listening = await listen(memory.app, { socket, tcpPort: null });
      stop = async () => {
        memory.end();
        await listening.close();
      };
    });
    afterEach(() => stop());
    const client = (given = token) =>
      createClient({ transport: createShortTransport({ socketPath: socket }), user: 'Zoë', token: given });

    it('are answered', async () => {
      assert.equal((await client().call('engineInfo', {})).name, 'thin-clones');
    });
    it('carry a body, and fail with the reason of the engine', async () => {
      const refused = client().call('cloneCreate', { body: { environment: 'nöwhere' } });
      await assert.rejects(refused, { code: 'not_found', message: /nöwhere/ });
      await assert.rejects(client('another').call('engineInfo', {}), { code: 'unauthorized' });
    });
    it('follow the events until nobody wants them', async () => {
      const { epoch } = await client().call('overview', {});
      const abort = new AbortController();
      const kinds: string[] = [];
      for await (const event of client().events({ epoch: `not ${epoch}`, seq: 0 }, abort.signal)) {
        kinds.push(event.kind);
        abort.abort();
      }
      assert.deepEqual(kinds, ['resync']);
    });
    it('end when they are given up before they are sent', async () => {
      const signal = AbortSignal.abort(new Error('no longer wanted'));
      await assert.rejects(client().call('engineInfo', {}, { signal }), /no longer wanted/);
    });
  });

  describe('to what is no engine', () => {
    const answers: [string, string][] = [
      ['says nothing', ''],
      ['does not speak HTTP', 'SSH-2.0-x\r\n\r\n'],
      ['ends in its head', 'HTTP/1.1 200 OK\r\ncontent-le'],
      ['ends in its answer', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"name":'],
      ['answers something else', 'HTTP/1.1 200 OK\r\n\r\nhello'],
    ];
    for (const [what, answer] of answers) {
      it(`fail when it ${what}`, async () => {
        const server = createServer((peer) => peer.end(answer)).listen(socket);
        await once(server, 'listening');
        try {
          const transport = createShortTransport({ socketPath: socket });
          const call = createClient({ transport, user: 'x' }).call('engineInfo', {});
          await assert.rejects(call, { code: 'engine_unreachable' });
        } finally {
          server.close();
        }
      });
    }
    it('fail when nobody listens', async () => {
      const transport = createShortTransport({ socketPath: socket });
      const call = createClient({ transport, user: 'x' }).call('engineInfo', {});
      await assert.rejects(call, { code: 'engine_unreachable' });
    });
    it('end by their signal when it never answers', async () => {
      const peers: Socket[] = [];
      const server = createServer((peer) => peers.push(peer)).listen(socket);
      await once(server, 'listening');
      try {
        const abort = new AbortController();
        const transport = createShortTransport({ socketPath: socket });
        const call = createClient({ transport, user: 'x' }).call('engineInfo', {}, { signal: abort.signal });
        await once(server, 'connection');
        abort.abort(new Error('enough'));
        await assert.rejects(call, /enough/);
      } finally {
        for (const peer of peers) peer.destroy();
        server.close();
      }
    });
    it('never carry a line break in a header', async () => {
      const transport = createShortTransport({ socketPath: socket });
      const request = { method: 'GET', path: '/v1/engine HTTP/1.1\r\nx: y', headers: {}, body: undefined };
      await assert.rejects(transport.request({ ...request, signal: undefined }), /line break/);
    });
  });
});
