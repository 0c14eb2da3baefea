/** The engine's own role in every copy, and sessions of it over the server's unix socket. */
import { Socket } from 'node:net';
import path from 'node:path';
import type { Client } from 'pg';
import type { ServerSpec } from '../../runtime/runtime.ts';

/** Superuser in every copy, without a password: only the unix socket in its 0700 folder lets it in. */
export const ADMIN_ROLE = 'thin_clones_engine';

/** How sessions of the engine show in pg_stat_activity, so that they don't count as use of a clone. */
export const APPLICATION_NAME = 'thin-clones';

/**
 * Options of the start packet win over what ALTER DATABASE and ALTER ROLE set, so that neither a read-only database, nor
 * a preloaded module, nor a timeout gets in our way, and nothing that we say reaches the log.
 */
const sessionOptions = (major: number, queryTimeoutMs: number, isSilent: boolean): string =>
  [
    // ALTER DATABASE may make every session another role's.
    'role=none',
    'default_transaction_read_only=off',
    'default_transaction_isolation=read\\ committed',
    'default_transaction_deferrable=off',
    // A password that a power cut takes back is set again at the next start; waiting for the disk costs 5 to 10 ms.
    'synchronous_commit=off',
    'session_preload_libraries=',
    'local_preload_libraries=',
    'search_path=pg_catalog',
    // Nothing that we gave up is done later, when the server goes on.
    `statement_timeout=${queryTimeoutMs}`,
    'lock_timeout=0',
    'idle_in_transaction_session_timeout=0',
    'log_statement=none',
    'log_min_duration_statement=-1',
    'log_min_error_statement=panic',
    ...(isSilent ? ['log_min_messages=panic'] : []),
    'log_duration=off',
    'standard_conforming_strings=on',
    'client_min_messages=warning',
    // Login event triggers of the data would run in our sessions (PostgreSQL 17).
    ...(major >= 17 ? ['event_triggers=off'] : []),
  ]
    .map((setting) => `-c ${setting}`)
    .join(' ');

export function socketPath(spec: Pick<ServerSpec, 'socketDirectory' | 'port'>): string {
  return path.join(spec.socketDirectory, `.s.PGSQL.${socketNumber(spec)}`);
}

/** Names the database that people work in for those who get only the spec. The server itself does not read it. */
export const DATABASE_VARIABLE = 'THIN_CLONES_DATABASE';
/** Each of them may have been dropped. */
const EVERYWHERE = ['postgres', 'template1'];

/** A server without TCP still names its socket after a port. */
export function socketNumber(spec: Pick<ServerSpec, 'port'>): number {
  return spec.port ?? 5432;
}

export interface AdminSessionOptions {
  spec: Pick<ServerSpec, 'socketDirectory' | 'port'> & Partial<Pick<ServerSpec, 'env'>>;
  major: number;
  /** Default: the one that people work in, which has to be opened anyway; where that is gone, one that every server has. */
  database?: string;
  /** Upper limit for connecting. */
  timeoutMs?: number;
  /** Upper limit for each query: a server that hangs answers never. Default: none, for who has a signal. */
  queryTimeoutMs?: number;
  /** What goes wrong in it is no news for who reads the server's log. */
  silent?: boolean;
  /** Ends the session, whatever the server does; what waits for it rejects with the abort reason. */
  signal?: AbortSignal | undefined;
}

/** `drop` ends it without a word to the server, which may not listen. */
export type AdminSession = Client & { readonly drop: () => void };

/** How long a server may take to say good-bye. */
const FAREWELL_MS = 2000;
/** The server's own limit comes first: its error says what took so long. */
const ANSWER_MS = 1000;

/** Opens a session of the admin role. */
export async function openAdminSession(options: AdminSessionOptions): Promise<AdminSession> {
  if (options.database !== undefined) return await openIn(options.database, options);
  const people = options.spec.env?.[DATABASE_VARIABLE];
  const [first = '', ...others] = new Set([...(people === undefined ? [] : [people]), ...EVERYWHERE]);
  let opening = openIn(first, options);
  for (const other of others) {
    opening = opening.catch((error: unknown) => {
      // invalid_catalog_name: there is no such database.
      if (sqlState(error) !== '3D000') throw error;
      return openIn(other, options);
    });
  }
  return await opening;
}

/** `pg` is imported late: the engine starts without it. */
async function openIn(database: string, options: AdminSessionOptions): Promise<AdminSession> {
  const { default: pg } = await import('pg');
  const { signal, queryTimeoutMs } = options;
  signal?.throwIfAborted();
  const socket = new Socket();
  const client: AdminSession = Object.assign(
    new pg.Client({
      stream: () => socket,
      host: options.spec.socketDirectory,
      port: socketNumber(options.spec),
      user: ADMIN_ROLE,
      // An empty password keeps pg from looking for one in the environment and in ~/.pgpass.
      password: '',
      ssl: false,
      database,
      application_name: APPLICATION_NAME,
      options: sessionOptions(options.major, queryTimeoutMs ?? 0, options.silent === true),
      connectionTimeoutMillis: options.timeoutMs ?? 10_000,
      ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs + ANSWER_MS }),
    }),
    { drop: () => void socket.destroy() },
  );
  // A server that is stopped while the session is idle is no surprise; the next query tells.
  client.on('error', () => undefined);
  signal?.addEventListener('abort', client.drop, { once: true });
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.drop();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', client.drop);
  }
}

/** Says good-bye; a server that does not answer to that keeps nobody. */
export async function closeSession(session: AdminSession): Promise<void> {
  const timer = setTimeout(session.drop, FAREWELL_MS);
  try {
    await session.end();
  } catch {
    // best effort: the work has its result or its error
  } finally {
    clearTimeout(timer);
    session.drop();
  }
}

/** Runs something in a session of the admin role and closes it. */
export async function withAdmin<Value>(
  options: AdminSessionOptions,
  work: (client: Client) => Promise<Value>,
): Promise<Value> {
  return await inSession(await openAdminSession(options), options.signal, work);
}

/**
 * Closes the session afterwards; an abort of the signal ends it in the middle. `waits`: until the server has ended it too,
 * which takes as long as a query; whoever needs it to be alone (CREATE DATABASE) waits for such sessions itself.
 */
export async function inSession<Value>(
  session: AdminSession,
  signal: AbortSignal | undefined,
  work: (client: Client) => Promise<Value>,
  { waits = true }: { waits?: boolean } = {},
): Promise<Value> {
  signal?.addEventListener('abort', session.drop, { once: true });
  try {
    signal?.throwIfAborted();
    return await work(session);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', session.drop);
    const closed = closeSession(session);
    if (waits) await closed;
  }
}

/** The five characters by which PostgreSQL tells what went wrong, or Node's own code such as ECONNREFUSED. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
