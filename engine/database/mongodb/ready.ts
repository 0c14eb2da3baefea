/** Waits until a server answers on its unix socket, proves that it is the right one, and gives a login its password. */
import { setTimeout as delay } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import type { Machine } from '../../machine/machine.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { RunningServer, ServerSpec } from '../../runtime/runtime.ts';
import type { Login } from '../database.ts';
import { boundsOf, inSession, loginOf, newClient, noSecret, readSecret, withAdmin } from './admin.ts';
import { setPassword } from './users.ts';
import { flavourOf } from './serverSpec.ts';
import { accepts } from '../serverSockets.ts';

/** A FerretDB listens after 20 ms; probing a socket file costs 50 us. */
const PROBE_MS = 2;
const PROBES_PER_LIFE_CHECK = 10;
const LOG_LINES = 15;
/** A server that recovers listens afterwards: minutes of journal are nothing that ours have. */
const SOCKET_PATIENCE_MS = 60_000;
const ANSWER_PATIENCE_MS = 60_000;

export interface ReadyOptions {
  machine: Machine;
  spec: ServerSpec;
  isAlive: () => Promise<boolean>;
  find: () => Promise<RunningServer | undefined>;
  login: (Login & { database?: string }) | undefined;
  logTail: (lines: number) => Promise<readonly string[]>;
  signal: AbortSignal | undefined;
  patienceMs?: number | undefined;
  /** Nobody has to log in: it is a server of ours alone. */
  isPrivate?: boolean;
}

/** Rejects with `server_start_failed` or `port_taken`. */
export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const { machine, spec, login, signal, patienceMs = ANSWER_PATIENCE_MS, isPrivate = false } = options;
  signal?.throwIfAborted();
  const flavour = flavourOf(spec);
  await waitForSocket(options);
  const secret = isPrivate ? undefined : await readSecret(machine, spec.dataDirectory);
  if (!isPrivate && secret === undefined) throw noSecret(spec.title);
  try {
    await withAdmin({ spec, flavour, secret, timeoutMs: patienceMs, signal }, async (client) => {
      await checkIdentity(client, options);
      if (login !== undefined) await setPassword(client, flavour, login);
    });
    if (login?.database !== undefined && spec.port !== null)
      await checkLogin(spec, login, login.database, { signal, timeoutMs: patienceMs });
  } catch (error) {
    signal?.throwIfAborted();
    if (isFailure(error)) throw error;
    if (!(await options.isAlive())) throw await startFailure(options);
    const problem = error instanceof Error ? error.message : String(error);
    throw fail('server_start_failed', { server: spec.title, problem }, { cause: error });
  }
}

async function waitForSocket(options: ReadyOptions): Promise<void> {
  const { spec, signal } = options;
  const file = flavourOf(spec).socketFile(spec);
  const began = performance.now();
  for (let probes = 1; !(await accepts(file)); probes += 1) {
    signal?.throwIfAborted();
    if (probes % PROBES_PER_LIFE_CHECK === 0 && !(await options.isAlive())) throw await startFailure(options);
    if (performance.now() - began > SOCKET_PATIENCE_MS)
      throw fail('server_start_failed', {
        ...{ server: spec.title, problem: `it runs, but nothing listens at ${file}` },
      });
    await delay(PROBE_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** A copy carries nothing that names its server, so it is the process that answers. */
async function checkIdentity(client: MongoClient, { spec, find }: ReadyOptions): Promise<void> {
  const { pid } = await client.db('admin').command({ serverStatus: 1 });
  const running = await find();
  if (running === undefined || Number(pid) !== running.pid)
    throw fail('server_start_failed', {
      ...{ server: spec.title, problem: `another server (process ${String(pid)}) answers at its socket` },
    });
}

async function startFailure({ spec, logTail }: ReadyOptions): Promise<Error> {
  const lines = await logTail(LOG_LINES);
  const isTaken = lines.some((line) => /address already in use/i.test(line));
  if (isTaken && spec.port !== null) return fail('port_taken', { port: spec.port });
  return fail('server_start_failed', { server: spec.title, problem: lines.join('\n') || 'it ended.' });
}

/** Logs in as people do, over loopback TCP. */
export async function checkLogin(
  spec: Pick<ServerSpec, 'port' | 'title'>,
  login: Login,
  database: string,
  { signal, timeoutMs = 10_000 }: { signal?: AbortSignal | undefined; timeoutMs?: number },
): Promise<void> {
  signal?.throwIfAborted();
  const url = `mongodb://127.0.0.1:${spec.port ?? 0}/${encodeURIComponent(database)}`;
  const client = await newClient(url, { ...boundsOf(timeoutMs), ...loginOf(login) });
  try {
    await inSession(client, signal, (session) =>
      session.db(database).command({ listCollections: 1, nameOnly: true }),
    );
  } catch (error) {
    signal?.throwIfAborted();
    const problem = error instanceof Error ? error.message : String(error);
    throw fail('server_start_failed', { server: spec.title, problem }, { cause: error });
  }
}
