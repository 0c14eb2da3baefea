/** Waits until a server answers on its unix socket, proves that it is the right one, and gives a login its password. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Login } from '../database.ts';
import { openAdminSession, socketPath, sqlState } from './admin.ts';
import { quoteName, quoteText } from './quoting.ts';
import { scramVerifier } from './scram.ts';
import { majorOf } from './serverSpec.ts';

/** A clean server answers after about 40 ms: probing a socket file costs 50 us, so 2 ms is next to nothing. */
const PROBE_MS = 2;
/** Asking whether the process lives costs a file read: every tenth probe is often enough. */
const PROBES_PER_LIFE_CHECK = 10;
const LOG_LINES = 15;
/** A postmaster opens its socket before it recovers: one that lives without a socket for this long never answers. */
const SOCKET_PATIENCE_MS = 60_000;

export interface ReadyOptions {
  spec: ServerSpec;
  isAlive: () => Promise<boolean>;
  login: Login | undefined;
  logTail: (lines: number) => Promise<readonly string[]>;
  signal: AbortSignal | undefined;
}

/** Rejects with `server_start_failed` or `port_taken`. Recovery of much WAL takes minutes, so only a missing socket has a time limit. */
export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const { spec, login, signal } = options;
  signal?.throwIfAborted();
  // 4096 rounds of SHA-256 take about 2 ms in the thread pool, while the server starts.
  const verifier = login === undefined ? undefined : scramVerifier(login.password);
  verifier?.catch(() => undefined); // best effort: awaited below, where a failure is thrown
  const client = await connectWhenUp(options);
  try {
    await checkIdentity(client, spec);
    if (login !== undefined && verifier !== undefined) await setPassword(client, login.user, await verifier);
  } finally {
    await client.end().catch(() => undefined); // best effort: the work has its result or its error
  }
}

async function connectWhenUp(options: ReadyOptions): Promise<Client> {
  const { spec, signal } = options;
  const file = socketPath(spec);
  let probes = 0;
  let seen = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    if (await accepts(file)) {
      seen = performance.now();
      const client = await tryToConnect(spec);
      if (client !== undefined) return client;
    }
    probes += 1;
    if (probes % PROBES_PER_LIFE_CHECK === 0 && !(await options.isAlive())) throw await startFailure(options);
    if (performance.now() - seen > SOCKET_PATIENCE_MS) {
      const problem = `it runs, but nothing listens at ${file}`;
      throw fail('server_start_failed', { server: spec.title, problem });
    }
    await delay(PROBE_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** True when something listens: connecting and hanging up is cheaper than a start packet that is answered with "starting up". */
function accepts(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    // Any error means "not yet": the life check tells a server that will never listen.
    socket.once('error', () => finish(false));
  });
}

async function tryToConnect(spec: ServerSpec): Promise<Client | undefined> {
  try {
    return await openAdminSession({ spec, major: majorOf(spec) });
  } catch (error) {
    const state = sqlState(error);
    // 57P03: it starts up. 57P01, ECONNRESET and the like: it went away again, which the life check tells.
    if (state === undefined || state === '57P03' || state === '57P01' || /^E[A-Z]+$/.test(state))
      return undefined;
    if (state === '3D000') {
      return await openAdminSession({ spec, major: majorOf(spec), database: 'template1' });
    }
    throw fail(
      'server_start_failed',
      { server: spec.title, problem: error instanceof Error ? error.message : String(error) },
      { cause: error },
    );
  }
}

async function checkIdentity(client: Client, spec: ServerSpec): Promise<void> {
  const { rows } = await client.query<{ name: string }>("SELECT current_setting('cluster_name') AS name");
  if (rows[0]?.name !== spec.identity) {
    throw fail('server_start_failed', {
      server: spec.title,
      problem: `another server (${rows[0]?.name ?? 'unnamed'}) answers at ${spec.socketDirectory}`,
    });
  }
}

async function setPassword(client: Client, user: string, verifier: string): Promise<void> {
  const attributes = `WITH SUPERUSER LOGIN CONNECTION LIMIT -1 PASSWORD ${quoteText(verifier)} VALID UNTIL 'infinity'`;
  try {
    await client.query(`ALTER ROLE ${quoteName(user)} ${attributes}`);
  } catch (error) {
    if (sqlState(error) !== '42704') throw error;
    await client.query(`CREATE ROLE ${quoteName(user)} ${attributes}`);
  }
}

async function startFailure(options: ReadyOptions): Promise<Error> {
  const lines = await options.logTail(LOG_LINES);
  const taken =
    options.spec.port !== null &&
    lines.some((line) => /could not bind IPv[46] address .*: Address already in use/.test(line));
  if (taken && options.spec.port !== null) return fail('port_taken', { port: options.spec.port });
  return fail('server_start_failed', { server: options.spec.title, problem: tellFailure(lines) });
}

/** The lines that say why, or the last ones. */
export function tellFailure(lines: readonly string[]): string {
  if (lines.length === 0) return 'it ended without a word in its log.';
  const telling = lines.filter((line) =>
    /\b(FATAL|PANIC|ERROR|HINT|DETAIL)\b|error while loading/.test(line),
  );
  return (telling.length > 0 ? telling : lines.slice(-5)).map((line) => line.trim()).join(' ');
}

export function isStartFailure(error: unknown): boolean {
  return isFailure(error, 'server_start_failed') || isFailure(error, 'port_taken');
}
