/** Turns a source's URL into what libpq programs and pg need, and opens read-only sessions there. */
import type { Client, ClientConfig } from 'pg';
import { fail } from '../../protocol/errors.ts';
import { readRegularText } from '../../protocol/node/regularFile.ts';
import { APPLICATION_NAME } from './admin.ts';
import { CONNECT_TIMEOUT_SECONDS, explainConnectError, isStartupParameterRefused } from './sourceErrors.ts';

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];

export interface SourceConnection {
  /** A host name, an address, or the folder of a unix socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  password: string | undefined;
  sslMode: SslMode;
  /** Files for TLS, as libpq names them. */
  sslFiles: Readonly<Partial<Record<'sslrootcert' | 'sslcert' | 'sslkey', string>>>;
}

/** libpq's keywords that we pass on; an unknown one is refused rather than ignored. */
const PARAMETERS = new Set([
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'host',
  'port',
  'user',
  'dbname',
  'connect_timeout',
  'application_name',
  'target_session_attrs',
  'channel_binding',
  'gssencmode',
]);

/** Rejects with `source_url`. A password in the URL is accepted, but the one given apart wins. */
export function parseSourceUrl(url: string | undefined, password: string | undefined): SourceConnection {
  const refuse = (problem: string, cause?: unknown): Error =>
    fail('source_url', { problem }, cause === undefined ? {} : { cause });
  if (url === undefined || url === '') throw refuse('it is missing');
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (match === null) throw refuse('it does not begin with postgresql:// or holds an unencoded character');
  const [, credentials = '', authority = '', pathPart = '', query = ''] = match;
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      throw refuse(`"${text}" has a wrong percent sign; write % as %25`, error);
    }
  };
  const parameters = new Map<string, string>();
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const at = pair.indexOf('=');
    const name = decode(at < 0 ? pair : pair.slice(0, at));
    if (!PARAMETERS.has(name)) throw refuse(`the parameter "${name}" is not known`);
    parameters.set(name, decode(at < 0 ? '' : pair.slice(at + 1)));
  }
  if (authority.includes(',')) throw refuse('it names several hosts; name one');
  const address = /^(\[[^\]]+\]|[^:]*)(?::(\d*))?$/.exec(authority);
  if (address === null) throw refuse(`"${authority}" is not a host and port`);
  const host = parameters.get('host') ?? decode((address[1] ?? '').replace(/^\[|\]$/g, ''));
  const portText = parameters.get('port') ?? address[2] ?? '';
  const port = portText === '' ? 5432 : Number(portText);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw refuse(`"${portText}" is not a port`);
  const colon = credentials.indexOf(':');
  const user = parameters.get('user') ?? decode(colon < 0 ? credentials : credentials.slice(0, colon));
  const inUrl = colon < 0 ? undefined : decode(credentials.slice(colon + 1));
  if (user === '') throw refuse('it names no user');
  const database = parameters.get('dbname') ?? decode(pathPart);
  const sslMode = SSL_MODES.find((mode) => mode === (parameters.get('sslmode') ?? 'prefer'));
  if (sslMode === undefined) throw refuse(`sslmode "${parameters.get('sslmode') ?? ''}" is not known`);
  for (const value of [host, user, database]) {
    if (value.includes('\0')) throw refuse('it holds a NUL character');
  }
  const sslFiles: Partial<Record<'sslrootcert' | 'sslcert' | 'sslkey', string>> = {};
  for (const name of ['sslrootcert', 'sslcert', 'sslkey'] as const) {
    const file = parameters.get(name);
    if (file !== undefined) sslFiles[name] = file;
  }
  return {
    host: host === '' ? 'localhost' : host,
    port,
    user,
    database: database === '' ? user : database,
    password: password ?? inUrl,
    sslMode,
    sslFiles,
  };
}

/** For pg_dump and its like: everything in the environment, nothing in the arguments. */
export function libpqEnvironment(
  source: SourceConnection,
  options: { startOptions: boolean },
): Record<string, string> {
  return {
    PGHOST: source.host,
    PGPORT: String(source.port),
    PGUSER: source.user,
    PGDATABASE: source.database,
    PGSSLMODE: source.sslMode,
    PGCONNECT_TIMEOUT: String(CONNECT_TIMEOUT_SECONDS),
    PGAPPNAME: APPLICATION_NAME,
    PGGSSENCMODE: 'disable',
    ...(source.password === undefined ? {} : { PGPASSWORD: source.password }),
    ...(source.sslFiles.sslrootcert === undefined ? {} : { PGSSLROOTCERT: source.sslFiles.sslrootcert }),
    ...(source.sslFiles.sslcert === undefined ? {} : { PGSSLCERT: source.sslFiles.sslcert }),
    ...(source.sslFiles.sslkey === undefined ? {} : { PGSSLKEY: source.sslFiles.sslkey }),
    PGOPTIONS: options.startOptions ? START_OPTIONS : '',
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/**
 * Sources are read only, whatever a program or a function there tries. Asking for the size of a table waits while
 * somebody alters it, as pg_dump does: a minute is long enough for both.
 */
const START_OPTIONS =
  '-c default_transaction_read_only=on -c statement_timeout=0 -c lock_timeout=60000 -c idle_in_transaction_session_timeout=0';

export interface SourceSession {
  client: Client;
  /** False behind poolers that refuse options in the start packet (PgBouncer without ignore_startup_parameters). */
  startOptions: boolean;
}

/** Rejects with the source_* error that says what to mend. */
export async function openSource(
  source: SourceConnection,
  member: string,
  signal?: AbortSignal,
): Promise<SourceSession> {
  const explain = (error: unknown): Error => explainConnectError(error, source, member);
  try {
    return { client: await connectSource(source, true, signal), startOptions: true };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isStartupParameterRefused(error)) throw explain(error);
  }
  try {
    return { client: await connectSource(source, false, signal), startOptions: false };
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error);
  }
}

async function connectSource(
  source: SourceConnection,
  startOptions: boolean,
  signal: AbortSignal | undefined,
): Promise<Client> {
  signal?.throwIfAborted();
  const { default: pg } = await import('pg');
  const attempt = async (ssl: ClientConfig['ssl']): Promise<Client> => {
    const client = new pg.Client({
      host: source.host,
      port: source.port,
      user: source.user,
      database: source.database,
      ...(source.password === undefined ? {} : { password: source.password }),
      ssl: ssl ?? false,
      application_name: APPLICATION_NAME,
      ...(startOptions ? { options: START_OPTIONS } : {}),
      connectionTimeoutMillis: CONNECT_TIMEOUT_SECONDS * 1000,
    });
    // A source that goes away while the session is idle is told by the next query.
    client.on('error', () => undefined);
    const abort = (): void => {
      void client.end().catch(() => undefined); // best effort: the caller throws the abort's reason
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined); // best effort: it never was open
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  const local = source.host.startsWith('/');
  const tls = local ? undefined : await tlsOptions(source);
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

async function tlsOptions(source: SourceConnection): Promise<Exclude<ClientConfig['ssl'], boolean>> {
  const { sslMode, sslFiles } = source;
  if (sslMode === 'disable') return undefined;
  const read = async (file: string | undefined): Promise<string | undefined> => {
    if (file === undefined || file === 'system') return undefined;
    try {
      return await readRegularText(file, { links: 'followed' });
    } catch (error) {
      throw fail(
        'source_tls',
        { host: source.host, problem: `the file ${file} can't be read` },
        { cause: error },
      );
    }
  };
  const [ca, cert, key] = [
    await read(sslFiles.sslrootcert),
    await read(sslFiles.sslcert),
    await read(sslFiles.sslkey),
  ];
  // As libpq: `require` with a root certificate also verifies.
  const verify = sslMode.startsWith('verify') || (sslMode === 'require' && ca !== undefined);
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(verify && sslMode !== 'verify-full' ? { checkServerIdentity: () => undefined } : {}),
  };
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const isTlsUnavailable = (error: unknown): boolean =>
  text(error).includes('does not support SSL connections');
const isEncryptionWanted = (error: unknown): boolean => /no encryption|SSL off/.test(text(error));
const isEncryptionUnwanted = (error: unknown): boolean =>
  /no pg_hba\.conf entry.*SSL (encryption|on)/.test(text(error));
