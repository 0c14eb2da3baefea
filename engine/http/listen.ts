/** Carries requests to the app and its answers back, over a unix socket or named pipe, and loopback TCP. */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { App } from './app.ts';

export interface Listening {
  tcpPort: number | null;
  /** Listens at the socket's path once more, after the socket file was removed; open connections stay. */
  reopenSocket(): Promise<void>;
  close(): Promise<void>;
}

/** Listens on a unix socket of mode 0600 (or a named pipe), and on loopback TCP when a port is given (0: any). */
export async function listen(
  app: App,
  address: { socket: string; tcpPort: number | null; onTcpProblem?: (error: unknown) => void },
): Promise<Listening> {
  const servers: Server[] = [];
  const open = async (target: { path: string } | { host: string; port: number }): Promise<Server> => {
    const server = createServer({ keepAliveTimeout: 30_000 }, (incoming, outgoing) => {
      // A connection that broke in the middle of its answer has nobody to tell.
      carry(app, incoming, outgoing).catch(() => outgoing.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // A socket file is made inside of this call, and nobody else may connect before its mode is set.
      const umask = process.platform === 'win32' ? undefined : process.umask(0o177);
      try {
        server.listen(target, resolve);
      } finally {
        if (umask !== undefined) process.umask(umask);
      }
    });
    servers.push(server);
    return server;
  };
  const openSocket = async (): Promise<void> => {
    const pipe = address.socket.startsWith('\\\\');
    // Only the holder of the engine's lock comes here: a socket that is left is of an engine that is gone.
    if (!pipe) await rm(address.socket, { force: true });
    await open({ path: address.socket });
    if (!pipe) await chmod(address.socket, 0o600);
  };
  await openSocket();
  let tcp: Server | undefined;
  try {
    if (address.tcpPort !== null) tcp = await open({ host: '127.0.0.1', port: address.tcpPort });
  } catch (error) {
    // The socket is what clients use; a port that is taken must not keep them from their clones.
    if (address.onTcpProblem === undefined) throw error;
    address.onTcpProblem(error);
  }
  const bound = tcp?.address();
  return {
    tcpPort: typeof bound === 'object' && bound !== null ? bound.port : null,
    // The server without a name stays: closing it would remove the name of the new one.
    reopenSocket: openSocket,
    async close() {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeIdleConnections();
              // Open streams have ended by the signal; what still hangs is cut.
              setTimeout(() => server.closeAllConnections(), 200).unref();
            }),
        ),
      );
    },
  };
}

async function carry(app: App, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const leaving = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) leaving.abort();
  });
  // Without a listener a connection that breaks would end the engine.
  outgoing.on('error', () => leaving.abort());
  const { status, headers, body } = await app({
    method: incoming.method ?? '',
    target: incoming.url ?? '',
    header(name) {
      const value = incoming.headers[name];
      return typeof value === 'string' ? value : value?.join(', ');
    },
    text: (mostBytes) => readText(incoming, mostBytes),
    signal: leaving.signal,
  });
  if (typeof body === 'string') {
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  outgoing.writeHead(status, headers);
  await body(async (text) => {
    if (outgoing.destroyed || outgoing.write(text)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        outgoing.off('drain', go).off('close', go);
        resolve();
      };
      outgoing.once('drain', go).once('close', go);
    });
  });
  outgoing.end();
}

async function readText(incoming: IncomingMessage, mostBytes: number): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // Not destroyed when it is too long: the connection still has the answer to carry. Node reads the rest away.
  for await (const piece of incoming.iterator({ destroyOnReturn: false })) {
    bytes += (piece as Buffer).length;
    if (bytes > mostBytes) return undefined;
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString('utf8');
}
