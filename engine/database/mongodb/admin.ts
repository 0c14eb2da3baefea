/** The engine's own sessions with servers, over their unix sockets. */
import { randomBytes } from 'node:crypto';
import type { MongoClient, MongoClientOptions } from 'mongodb';
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Flavour } from './flavours.ts';
import { ADMIN_USER } from './users.ts';

/** How sessions of the engine show in a server's log. */
const APPLICATION_NAME = 'thin-clones';
/** In the data directory, of mode 0600: every copy of a snapshot has it. */
const SECRET_FILE = 'thin-clones.secret';

export async function newSecret(machine: Machine, dataDirectory: string): Promise<string> {
  const secret = randomBytes(24).toString('base64url');
  await machine.files.inside(dataDirectory).write(SECRET_FILE, secret);
  return secret;
}

export const forgetSecret = (machine: Machine, dataDirectory: string): Promise<void> =>
  machine.files.inside(dataDirectory).remove(SECRET_FILE);

/** undefined: nobody prepared this data. */
export const readSecret = (machine: Machine, dataDirectory: string): Promise<string | undefined> =>
  machine.files.inside(dataDirectory).read(SECRET_FILE, { maxBytes: 1024 });

export interface SessionOptions {
  spec: Pick<ServerSpec, 'socketDirectory' | 'port' | 'title'>;
  flavour: Flavour;
  /** undefined: a server that asks for no password. */
  secret: string | undefined;
  /** Upper limit for finding the server, and for each answer. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const USUAL_MS = 10_000;

/** Opens a session for one piece of work. `mongodb` is imported late: the engine starts without it. */
export async function withAdmin<Value>(
  { spec, flavour, secret, timeoutMs = USUAL_MS, signal }: SessionOptions,
  work: (client: MongoClient) => Promise<Value>,
): Promise<Value> {
  signal?.throwIfAborted();
  const socket = encodeURIComponent(flavour.socketFile(spec));
  const client = await newClient(`mongodb://${socket}/`, {
    ...boundsOf(timeoutMs),
    ...(secret === undefined ? {} : loginOf({ user: ADMIN_USER, password: secret })),
  });
  return await inSession(client, signal, work);
}

/** As people log in. */
export const loginOf = ({ user, password }: { user: string; password: string }): MongoClientOptions => ({
  auth: { username: user, password },
  authSource: 'admin',
  authMechanism: 'SCRAM-SHA-256',
});

export const boundsOf = (timeoutMs: number): MongoClientOptions => ({
  serverSelectionTimeoutMS: timeoutMs,
  connectTimeoutMS: timeoutMs,
  socketTimeoutMS: timeoutMs,
});

/** One server, and no session of a monitor that outlives it for long. */
export async function newClient(url: string, options: MongoClientOptions): Promise<MongoClient> {
  const { MongoClient } = await import('mongodb');
  return new MongoClient(url, {
    ...{ appName: APPLICATION_NAME, directConnection: true, maxPoolSize: 4, retryReads: false },
    ...{ retryWrites: false, serverMonitoringMode: 'poll', ...options },
  });
}

/** Does the work and closes the client; an abort closes it at once, and is what it rejects with. */
export async function inSession<Value>(
  client: MongoClient,
  signal: AbortSignal | undefined,
  work: (client: MongoClient) => Promise<Value>,
): Promise<Value> {
  const close = (): void => {
    void client.close(true).catch(() => undefined); // best effort: the abort's reason is thrown
  };
  signal?.addEventListener('abort', close, { once: true });
  try {
    return await work(client);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', close);
    await client.close(true).catch(() => undefined); // best effort: the answer is there
  }
}

export const noSecret = (title: string): Error =>
  fail('server_start_failed', { server: title, problem: 'its data was not prepared by this product.' });
