import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { socketPath, withAdmin } from '../../../engine/database/postgres/admin.ts';

/** AuthenticationOk, ReadyForQuery: a server that lets a session begin. */
const welcome = Buffer.from('520000000800000000' + '5a0000000549', 'hex');

describe('a session of the engine with a server that hangs', () => {
  let folder: string;
  let server: Server;
  let tellClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => (tellClosed = resolve));
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'admin-'));
    server = createServer((socket) => {
      // The start packet is answered, nothing else is.
      socket.once('data', () => socket.write(welcome));
      socket.on('close', tellClosed);
      socket.on('error', () => undefined);
      socket.resume();
    });
    server.listen(socketPath({ socketDirectory: folder, port: 5432 }));
    await once(server, 'listening');
  });
  after(async () => {
    server.close();
    await once(server, 'close');
    await rm(folder, { recursive: true });
  });

  it('ends after the time that a query may take, and leaves no connection', async () => {
    const options = { spec: { socketDirectory: folder, port: 5432 }, major: 18, queryTimeoutMs: 20 };
    await assert.rejects(
      withAdmin(options, (client) => client.query('SELECT 1')),
      /timeout/,
    );
    await closed;
  });
});
