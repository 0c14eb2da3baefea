/** Waits until a server answers on its unix socket, proves that it is the right one, and gives a login its password. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Login } from '../database.ts';
import { inSession, openAdminSession, socketPath, sqlState, type AdminSession } from './admin.ts';
import { checkLogin } from './checkLogin.ts';
import { knock } from './login.ts';
import { quoteName, quoteText } from './quoting.ts';
import { giveLogin } from './roleOfSource.ts';
import { scramSecret, scramVerifier } from './scram.ts';
import { majorOf } from './serverSpec.ts';
import { accepts } from '../serverSockets.ts';

/** A clean server answers after about 40 ms: probing a socket file costs 50 us, so 2 ms is next to nothing. */
const PROBE_MS = 2;
/** Asking whether the process lives costs a file read: every tenth probe is often enough. */
const PROBES_PER_LIFE_CHECK = 10;
const LOG_LINES = 15;
/** A postmaster opens its socket before it recovers: one that lives without a socket for this long never answers. */
const SOCKET_PATIENCE_MS = 60_000;
/** A server that starts up, or recovers, says so whenever it is asked: one that accepts and says nothing for this long hangs. */
const ANSWER_PATIENCE_MS = 60_000;

export interface ReadyOptions {
  spec: ServerSpec;
  isAlive: () => Promise<boolean>;
  /** With a database: its login opens a session there, too. */
  login: (Login & { database?: string }) | undefined;
  logTail: (lines: number) => Promise<readonly string[]>;
  signal: AbortSignal | undefined;
  /** How long it may accept sessions and say nothing. Default: a minute. */
  patienceMs?: number | undefined;
}

/** Rejects with `server_start_failed` or `port_taken`. Recovery of much WAL takes minutes, so only a missing socket and silence have a time limit. */
export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const { spec, login, signal, patienceMs } = options;
  signal?.throwIfAborted();
  // 4096 rounds of SHA-256 take about 2 ms in the thread pool, while the server starts.
  const secret = login === undefined ? undefined : scramSecret(login.password);
  secret?.catch(() => undefined); // best effort: awaited below, where a failure is thrown
  const session = await connectWhenUp(options);
  // The server makes a process for the person's session while ours is at work.
  const door = login?.database === undefined || spec.port === null ? undefined : knock(spec.port);
  try {
    await identify(session, options, async (client) => {
      if (login === undefined || secret === undefined) return;
      const verifier = scramVerifier(await secret);
      if (login.isOfSource === true) await giveLogin(client, login.user, verifier);
      else await setPassword(client, login.user, verifier);
    });
    if (login?.database === undefined || door === undefined) return;
    const person = { ...login, database: login.database, secret: await secret };
    await checkLogin(spec, person, { signal, patienceMs, door });
  } finally {
    door?.destroySoon();
  }
}

/** Does the work in this session when the server is the right one, and closes it. */
async function identify(
  session: AdminSession,
  options: ReadyOptions,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const { spec, signal } = options;
  try {
    await inSession(
      session,
      signal,
      async (client) => {
        await checkIdentity(client, spec);
        await work(client);
      },
      { waits: false },
    );
  } catch (error) {
    // query_canceled: by the time limit of the session; without a code it is that of pg.
    const state = sqlState(error);
    if (signal?.aborted === true || isFailure(error) || (state !== undefined && state !== '57014'))
      throw error;
    throw silence(options, error);
  }
}

const patienceOf = ({ patienceMs = ANSWER_PATIENCE_MS }: ReadyOptions): number => patienceMs;

function silence(options: ReadyOptions, cause?: unknown): Error {
  const problem = `it runs, but did not answer within ${patienceOf(options) / 1000} s.`;
  return fail('server_start_failed', { server: options.spec.title, problem }, { cause });
}

async function connectWhenUp(options: ReadyOptions): Promise<AdminSession> {
  const { spec, signal } = options;
  const file = socketPath(spec);
  let probes = 0;
  let seen = performance.now();
  let answered = performance.now();
  // Each connection is a new process of the server, also one that only asks whether somebody listens.
  let listens = false;
  for (;;) {
    signal?.throwIfAborted();
    listens ||= await accepts(file);
    if (listens) {
      seen = performance.now();
      const session = await tryToConnect(options);
      if (typeof session === 'object') return session;
      listens = session === 'starting';
      if (session !== 'silent') answered = performance.now();
      else if (performance.now() - answered > patienceOf(options)) throw silence(options);
    } else answered = performance.now();
    probes += 1;
    if (probes % PROBES_PER_LIFE_CHECK === 0 && !(await options.isAlive())) throw await startFailure(options);
    if (performance.now() - seen > SOCKET_PATIENCE_MS) {
      const problem = `it runs, but nothing listens at ${file}`;
      throw fail('server_start_failed', { server: spec.title, problem });
    }
    await delay(PROBE_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** A session, or what the server said: that it starts up, that nobody is there any more, nothing at all. */
async function tryToConnect(options: ReadyOptions): Promise<AdminSession | 'starting' | 'gone' | 'silent'> {
  const { spec, signal } = options;
  const patienceMs = patienceOf(options);
  const bounds = { timeoutMs: Math.min(10_000, patienceMs), queryTimeoutMs: patienceMs };
  try {
    return await openAdminSession({ spec, major: majorOf(spec), silent: true, signal, ...bounds });
  } catch (error) {
    signal?.throwIfAborted();
    const state = sqlState(error);
    if (state === undefined) return 'silent';
    // cannot_connect_now: it starts up.
    if (state === '57P03') return 'starting';
    // 57P01, ECONNRESET and the like: it went away again, which the life check tells.
    if (state === '57P01' || /^E[A-Z]+$/.test(state)) return 'gone';
    throw fail(
      'server_start_failed',
      { server: spec.title, problem: error instanceof Error ? error.message : String(error) },
      { cause: error },
    );
  }
}

/** SHOW reads no catalogue, of which a server that has just started has nothing in memory: a SELECT takes ten times as long. */
async function checkIdentity(client: Client, spec: ServerSpec): Promise<void> {
  const { rows } = await client.query<{ cluster_name: string }>('SHOW cluster_name');
  const name = rows[0]?.cluster_name;
  if (name === spec.identity) return;
  throw fail('server_start_failed', {
    server: spec.title,
    problem: `another server (${name ?? 'unnamed'}) answers at ${spec.socketDirectory}`,
  });
}

/** The first start on a copy makes the role: trying is faster than looking, and nothing of it reaches the server's log. */
async function setPassword(client: Client, user: string, verifier: string): Promise<void> {
  const role = `ROLE ${quoteName(user)} WITH SUPERUSER LOGIN CONNECTION LIMIT -1 PASSWORD ${quoteText(verifier)} VALID UNTIL 'infinity'`;
  try {
    await client.query(`ALTER ${role}`);
  } catch (error) {
    // undefined_object: there is no such role.
    if (sqlState(error) !== '42704') throw error;
    await client.query(`CREATE ${role}`);
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
