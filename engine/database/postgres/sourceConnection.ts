/** Opens read-only sessions at a source: at the server that libpq would take of those that its URL names. */
import { Socket } from 'node:net';
import type { Client, ClientConfig } from 'pg';
import { fail, isFailure } from '../../protocol/errors.ts';
import { isSocketFolder } from '../../protocol/connectionUrl/connectionUrl.ts';
import type { Machine } from '../../machine/machine.ts';
import { findCandidates, type SessionKind, type SourceConnection } from './access/candidates.ts';
import { startOptionsOf } from './access/libpq.ts';
import { ownFiles, type OwnFiles } from './access/ownFiles.ts';
import { checkPeer } from './access/peer.ts';
import { createSignIn } from './access/signIn.ts';
import { tlsOptions } from './access/tls.ts';
import { APPLICATION_NAME } from './admin.ts';
import { explainConnectError, isStartupParameterRefused } from './sourceErrors.ts';

export type { SourceConnection };

export interface SourceSession {
  client: Client;
  /** The server that was reached, of all that the URL names: everything else goes to it. */
  source: SourceConnection;
  /** False behind poolers that refuse options in the start packet (PgBouncer without ignore_startup_parameters). */
  startOptions: boolean;
  /** Sentences: what was left out of the URL. */
  notes: readonly string[];
}

export interface SourceOptions {
  machine: Pick<Machine, 'files' | 'platform'>;
  url: string | undefined;
  password: string | undefined;
  /** For errors. */
  member: string;
  signal?: AbortSignal | undefined;
}

/** Rejects with the source_* error that says what to mend. */
export async function openSource(options: SourceOptions): Promise<SourceSession> {
  const { machine, url, password, member, signal } = options;
  const own = ownFiles(machine);
  const { servers, sessionKind, notes } = await findCandidates(machine, own, url, password);
  const failures: { source: SourceConnection; error: Error }[] = [];
  // What no libpq has for `prefer-standby` in one round: standbys first, then whatever answers.
  const rounds: readonly SessionKind[] =
    sessionKind === 'prefer-standby' ? ['standby', 'any'] : [sessionKind];
  for (const kind of rounds) {
    for (const source of servers) {
      try {
        await checkPeer(source, machine, own);
        return { ...(await openServer(source, kind, { member, own, signal })), notes };
      } catch (error) {
        signal?.throwIfAborted();
        const explained = explainConnectError(error, source, member);
        // As libpq: a server that answers and lets nobody in is an answer.
        if (isRefusal(explained) || (servers.length === 1 && kind === rounds.at(-1))) throw explained;
        failures.push({ source, error: explained });
      }
    }
  }
  const told = failures
    .slice(-servers.length)
    .map(({ source, error }) => `${source.host}:${source.port}: ${error.message}`);
  throw fail('source_failed', { problem: `none of its hosts can be used. ${told.join(' ')}` });
}

const isRefusal = (error: Error): boolean =>
  isFailure(error, 'source_password') ||
  isFailure(error, 'source_password_missing') ||
  isFailure(error, 'source_role') ||
  isFailure(error, 'source_database');

interface Around {
  member: string;
  own: OwnFiles;
  signal: AbortSignal | undefined;
}

async function openServer(
  source: SourceConnection,
  kind: SessionKind,
  around: Around,
): Promise<Omit<SourceSession, 'notes'>> {
  await checkKind(source, kind, around);
  try {
    return { ...(await connectSource(source, true, around)), startOptions: true };
  } catch (error) {
    around.signal?.throwIfAborted();
    if (!isStartupParameterRefused(error)) throw error;
  }
  return { ...(await connectSource(source, false, around)), startOptions: false };
}

/** Asked in a session without our own options, which would make every one of them read-only. */
async function checkKind(source: SourceConnection, kind: SessionKind, around: Around): Promise<void> {
  if (kind === 'any') return;
  const { client } = await connectSource(source, false, around);
  try {
    const { rows } = await client.query<{ standby: boolean; readonly: boolean }>(
      `SELECT pg_catalog.pg_is_in_recovery() AS standby,
              pg_catalog.current_setting('transaction_read_only') = 'on' AS readonly`,
    );
    const { standby = false, readonly = false } = rows[0] ?? {};
    const fits = {
      primary: !standby,
      standby,
      'prefer-standby': true,
      'read-only': standby || readonly,
      'read-write': !standby && !readonly,
    }[kind];
    if (!fits) {
      const found = standby ? 'a standby' : readonly ? 'read-only' : 'a primary that may be written';
      throw fail('source_failed', {
        problem: `${source.host}:${source.port} is ${found}, and the URL has target_session_attrs=${kind}`,
      });
    }
  } finally {
    await client.end().catch(() => undefined); // best effort: it has answered
  }
}

interface Connected {
  client: Client;
  source: SourceConnection;
}

async function connectSource(
  source: SourceConnection,
  startOptions: boolean,
  around: Around,
): Promise<Connected> {
  const { signal, own } = around;
  signal?.throwIfAborted();
  const attempt = (ssl: ClientConfig['ssl']): Promise<Connected> =>
    connectOnce(source, ssl ?? false, startOptions, around);
  const tls = await tlsOptions(
    { mode: source.sslMode, parameters: source.parameters, keyPassword: source.keyPassword },
    source.host,
    own,
  );
  if (source.sslMode === 'allow') {
    return await attempt(undefined).catch((error: unknown) => {
      if (isEncryptionWanted(error)) return attempt(tls);
      throw error;
    });
  }
  if (source.sslMode !== 'prefer' || tls === undefined) return await attempt(tls);
  return await attempt(tls).catch((error: unknown) => {
    // What libpq does for `prefer`: the same again without TLS when that is what failed.
    if (isTlsUnavailable(error) || isEncryptionUnwanted(error)) return attempt(undefined);
    throw error;
  });
}

async function connectOnce(
  source: SourceConnection,
  ssl: NonNullable<ClientConfig['ssl']>,
  startOptions: boolean,
  { member, signal }: Around,
): Promise<Connected> {
  const { default: pg } = await import('pg');
  const { parameters } = source;
  const signIn = createSignIn(source, member);
  const socket = new Socket();
  const options = startOptionsOf(source, startOptions);
  const client = new pg.Client({
    stream: () => socket,
    host: source.hostaddr ?? source.host,
    port: source.port,
    user: source.user,
    database: source.database,
    password: signIn.password,
    ssl,
    ...(ssl !== false && parameters['sslnegotiation'] === 'direct' ? { sslnegotiation: 'direct' } : {}),
    enableChannelBinding: parameters['channel_binding'] === 'require' && ssl !== false,
    application_name: parameters['application_name'] ?? APPLICATION_NAME,
    ...(options === '' ? {} : { options }),
    connectionTimeoutMillis: source.connectSeconds * 1000,
    keepAlive: parameters['keepalives'] !== '0',
    keepAliveInitialDelayMillis: Math.max(Number(parameters['keepalives_idle'] ?? 0), 0) * 1000,
  });
  signIn.watch(client);
  // A source that goes away while the session is idle is told by the next query.
  client.on('error', () => undefined);
  const abort = (): void => void socket.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    signIn.check();
    // A name may have several addresses with a server each, and a snapshot is of one.
    const hostaddr = isSocketFolder(source.host) ? undefined : (source.hostaddr ?? socket.remoteAddress);
    return { client, source: { ...source, hostaddr } };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const isTlsUnavailable = (error: unknown): boolean =>
  text(error).includes('does not support SSL connections');
const isEncryptionWanted = (error: unknown): boolean => /no encryption|SSL off/.test(text(error));
const isEncryptionUnwanted = (error: unknown): boolean =>
  /no pg_hba\.conf entry.*SSL (encryption|on)/.test(text(error));
