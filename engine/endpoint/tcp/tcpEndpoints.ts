/** Endpoints as TCP listeners on 127.0.0.1 that pass bytes on to the servers of clones. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseEngine } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { HomeCertificate } from '../../ports/certificates.ts';
import type { Endpoint, Endpoints, OpenEndpointOptions } from '../endpoint.ts';
import type { Wire } from '../wire.ts';
import { serveClient, type Connection } from './connection.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { createSeats } from './seats.ts';
import { createSecurity, type Security } from './security.ts';
import type { ConnectionContext } from './served.ts';

export interface TcpEndpointsOptions {
  /** What is known of engines' protocols; for others bytes are just passed on. */
  wires: Partial<Record<DatabaseEngine, Wire>>;
  limits?: Partial<Limits>;
  /** What TLS clients are shown, who else are told that there is no TLS. */
  certificate?: () => HomeCertificate | undefined;
  /** A listener could not take a connection, e.g. because the process has too many open files. */
  onProblem?: (error: Error) => void;
}

export function createTcpEndpoints(options: TcpEndpointsOptions): Endpoints {
  const { wires, onProblem } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const security = createSecurity(options.certificate ?? (() => undefined));
  return {
    async open(endpoint) {
      const server = createServer({ allowHalfOpen: true, noDelay: true });
      const port = await listen(server, endpoint.port);
      // Before a connection is taken, and so that a failed accept ends nothing.
      server.on('error', (error) => onProblem?.(error));
      server.maxConnections = limits.connections;
      return serve(server, { ...endpoint, port }, wires[endpoint.engine], limits, security);
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw fail('port_taken', { port }, { cause: error });
    throw fail('port_unusable', { port, problem: message }, { cause: error });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw fail('internal', { problem: 'no TCP address' });
  return address.port;
}

function serve(
  server: Server,
  { port, title, target }: OpenEndpointOptions,
  wire: Wire | undefined,
  limits: Limits,
  security: () => Security | undefined,
): Endpoint {
  const connections = new Map<Socket, Connection>();
  /** Connections of our own to servers that carry a cancel request, and the clients that asked for one. */
  const cancels = new Set<Socket>();
  let current = target;
  let closing: Promise<void> | undefined;

  const count = (...stages: readonly ReturnType<Connection['stage']>[]): number =>
    [...connections.values()].filter((connection) => stages.includes(connection.stage())).length;

  const cancel = (serverPort: number, request: Buffer): Socket => {
    const socket = connect({ host: '127.0.0.1', port: serverPort });
    cancels.add(socket);
    socket.setTimeout(limits.greetingMs, () => socket.destroy());
    socket.on('error', () => undefined); // best effort: a server that is gone runs nothing
    socket.on('close', () => cancels.delete(socket));
    socket.resume();
    // The server closes when it has sent the signal: whoever asked may rely on that.
    socket.write(request);
    return socket;
  };

  const context: ConnectionContext = {
    ...{ wire, limits, title, port },
    target: () => current,
    mayHold: () => count('held') < limits.held,
    seats: createSeats({ count: limits.strangers, waiting: limits.held, ownMs: limits.strangerMs }),
    security,
    secured(client, through, secured) {
      connections.set(client, serveClient({ socket: client, through, security: secured }, context));
    },
    cancel,
    passCancel(key, client) {
      const session = [...connections.values()]
        .map((connection) => connection.session())
        .find((each) => each?.key === key);
      // A server does not answer one that it does not know either.
      if (session === undefined || wire === undefined) {
        client.destroy();
        return;
      }
      cancel(session.port, wire.cancel(key)).on('close', () => client.destroy());
    },
  };

  /** Who says nothing does not keep others out: the oldest of too many goes. */
  const makeRoom = (): void => {
    if (count('greeting') < limits.greeting) return;
    [...connections.values()].find((connection) => connection.stage() === 'greeting')?.destroy();
  };

  server.on('connection', (client) => {
    makeRoom();
    connections.set(client, serveClient({ socket: client, through: client, security: undefined }, context));
    client.on('close', () => connections.delete(client));
  });

  const close = async (notice: string): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of connections.values()) connection.dismiss(notice);
    const canceled = [...cancels].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    const patience = new AbortController();
    await Promise.race([
      Promise.all([closed, ...canceled]),
      delay(limits.closeMs, undefined, { signal: patience.signal }),
    ]).finally(() => patience.abort());
    for (const connection of connections.values()) connection.destroy();
    for (const socket of cancels) socket.destroy();
    await closed;
  };

  return {
    port,
    target: () => current,
    lead(next, notice, drainMs = 0) {
      current = next;
      for (const connection of connections.values()) connection.switched(next, notice, drainMs);
    },
    connections: () => count('held', 'queued', 'opening', 'open'),
    close: (notice = `${title} is no longer served at port ${port}.`) => (closing ??= close(notice)),
  };
}
