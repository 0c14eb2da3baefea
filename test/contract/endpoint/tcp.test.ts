import { createServer, connect as connectSocket, type AddressInfo, type Server } from 'node:net';
import pg from 'pg';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import { cloneId, endpointContract, type CloneTarget, type ContractClient } from './endpoint.contract.ts';
import { startMarkServer, type MarkServer } from './markServer.ts';

const WAIT_MS = 1_000;

/** A client of a protocol that the endpoint does not know. */
async function connectBytes(port: number): Promise<ContractClient> {
  const socket = connectSocket({ host: '127.0.0.1', port });
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  const ended = new Promise<string>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve('closed'));
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return {
    async ask() {
      received = '';
      socket.write('?');
      const answered = new Promise<'answered'>((resolve) => socket.once('data', () => resolve('answered')));
      if ((await Promise.race([answered, ended])) === 'closed') throw new Error('The connection was ended.');
      return received;
    },
    begin: async () => undefined,
    commit: async () => undefined,
    ended,
    async close() {
      socket.destroy();
      await ended;
    },
  };
}

/** node-postgres, as applications use it. */
async function connectPostgres(port: number): Promise<ContractClient> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'someone',
    password: 'none',
    database: 'shop',
  });
  let told = '';
  const ended = new Promise<string>((resolve) => client.once('end', () => resolve(told)));
  const note = (error: unknown): void => {
    const { message, hint } = error as pg.DatabaseError;
    told += `${message} ${hint ?? ''} `;
  };
  client.on('error', note);
  const connected = client.connect();
  connected.catch(note);
  await new Promise<void>((resolve) => {
    const { stream } = client.connection;
    stream.once('connect', () => resolve());
    stream.once('close', () => resolve());
  });
  return {
    async ask() {
      await connected;
      try {
        const { rows } = await client.query<{ mark: string }>('SELECT mark');
        return rows[0]?.mark ?? '';
      } catch (error) {
        // What a server says while a query runs, node-postgres tells whoever asked.
        note(error);
        throw error;
      }
    },
    async begin() {
      await connected;
      await client.query('BEGIN');
    },
    async commit() {
      await client.query('COMMIT');
    },
    ended,
    close: () => client.end(),
  };
}

for (const speaks of ['postgres', 'bytes'] as const) {
  endpointContract(`TCP, ${speaks === 'postgres' ? 'PostgreSQL' : 'an unknown protocol'}`, async () => {
    const servers = new Map<string, MarkServer>();
    const strangers: Server[] = [];
    return {
      endpoints: createTcpEndpoints({
        wires: speaks === 'postgres' ? { postgres: postgresWire } : {},
        limits: { answerMs: WAIT_MS },
      }),
      tells: speaks === 'postgres',
      async startClone(name) {
        const server = await startMarkServer(name, { speaks });
        const clone = cloneId(String.fromCharCode('a'.charCodeAt(0) + servers.size));
        servers.set(clone, server);
        const target: CloneTarget = { kind: 'clone', clone, name, port: server.port };
        return target;
      },
      async stopClone({ clone }) {
        await servers.get(clone)?.close();
      },
      connect: speaks === 'postgres' ? connectPostgres : connectBytes,
      async takePort() {
        const server = createServer();
        strangers.push(server);
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        return (server.address() as AddressInfo).port;
      },
      // The limit above passes by itself: who is held waits for its end.
      passWait: async () => undefined,
      drainMs: 50,
      passDrain: async () => undefined,
      async untilConnections(endpoint, count) {
        while (endpoint.connections() !== count) await new Promise((resolve) => setImmediate(resolve));
      },
      async close() {
        for (const server of strangers) server.close();
        await Promise.all([...servers.values()].map((server) => server.close()));
      },
    };
  });
}
