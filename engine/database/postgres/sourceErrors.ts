/** Says in the words of the error table what went wrong at a source: in a session of ours, or in pg_dump. */
import { fail, ThinClonesError } from '../../protocol/errors.ts';
import { sqlState } from './admin.ts';

/** What a message names of a source. */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly sslMode?: string;
  readonly connectSeconds: number;
}

/** PgBouncer refuses start packets with options it does not know. */
export function isStartupParameterRefused(error: unknown): boolean {
  return /unsupported startup parameter/.test(textOf(error));
}

export function explainConnectError(error: unknown, source: Address, member: string): Error {
  if (error instanceof ThinClonesError) return error;
  const { host, port, user, database } = source;
  const state = sqlState(error);
  const message = textOf(error);
  const cause = { cause: error };
  // Several addresses of one name were tried: the first says enough.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return explainConnectError(error.errors[0], source, member);
  }
  switch (state) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
      return fail('source_dns', { host }, cause);
    case 'ECONNREFUSED':
    case 'ENOENT':
      return fail('source_refused', { host, port }, cause);
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return fail('source_timeout', { host, port, seconds: source.connectSeconds }, cause);
    case '28P01':
      return fail('source_password', { user, host }, cause);
    case '28000':
      return /no pg_hba\.conf entry.*(no encryption|SSL off)/.test(message) && sslHelps(source)
        ? fail(
            'source_tls',
            { host, problem: `the server lets this user in only with TLS (${message})` },
            cause,
          )
        : fail('source_role', { user, host }, cause);
    case '3D000':
      return fail('source_database', { database, host }, cause);
    case '42501':
      return fail('source_permission', { user, objects: [`database ${database}`] }, cause);
    case undefined:
    default:
      break;
  }
  if (/timeout expired|Connection terminated due to connection timeout/.test(message)) {
    return fail('source_timeout', { host, port, seconds: source.connectSeconds }, cause);
  }
  if (/client password must be|SASL.*password/.test(message)) {
    return fail('source_password_missing', { member, reference: null }, cause);
  }
  if (/does not support SSL|certificate|self.signed|SSL|TLS|wrong version number|altname/i.test(message)) {
    return fail('source_tls', { host, problem: sentence(message) }, cause);
  }
  if (/Connection terminated unexpectedly|ECONNRESET|EPIPE/.test(`${message} ${state ?? ''}`)) {
    return fail(
      'source_failed',
      { problem: `${host}:${port} closed the connection; is it PostgreSQL?` },
      cause,
    );
  }
  return fail('source_failed', { problem: sentence(message) }, cause);
}

const sslHelps = (source: Address): boolean => source.sslMode === 'disable';

/** An error of a query in a session that was already open. */
export function explainQueryError(error: unknown, source: Address, member: string): Error {
  if (error instanceof ThinClonesError) return error;
  const state = sqlState(error);
  const message = textOf(error);
  if (isLost(state, message)) {
    return fail('source_lost', { host: source.host, problem: sentence(message) }, { cause: error });
  }
  if (state === '42501') {
    const object = /permission denied for (.*)$/.exec(message)?.[1] ?? 'an object';
    return fail('source_permission', { user: source.user, objects: [object] }, { cause: error });
  }
  return explainConnectError(error, source, member);
}

const isLost = (state: string | undefined, message: string): boolean =>
  /^(57P0[123]|08...|ECONNRESET|EPIPE)$/.test(state ?? '') ||
  /Connection terminated|not queryable|server closed the connection/.test(message);

/** What pg_dump said on stderr when it failed. The texts are of PostgreSQL 13 to 18 with LC_ALL=C. */
export function explainDumpFailure(stderr: string, source: Address): Error {
  const { host, port, user, database } = source;
  const lines = dumpProblems(stderr);
  const message = sentence(
    lines.map((line) => line.replace(/^pg_dump: (error: )?/, '')).join(' ') || stderr.slice(-500),
  );
  if (/aborting because of server version mismatch/.test(stderr)) {
    const [, server = 'newer'] = /server version: ([\d.]+)/.exec(stderr) ?? [];
    const [, tools = 'older'] = /pg_dump version: ([\d.]+)/.exec(stderr) ?? [];
    return fail('source_too_new', { source: server, tools });
  }
  if (
    /terminating connection|server closed the connection|connection to server was lost|could not receive data|no connection to the server|the database system is (shutting down|starting up|in recovery)|SSL SYSCALL error|SSL connection has been closed/.test(
      stderr,
    )
  ) {
    return fail('source_lost', { host, problem: message });
  }
  if (/password authentication failed/.test(stderr)) return fail('source_password', { user, host });
  if (/could not translate host name/.test(stderr)) return fail('source_dns', { host });
  if (/Connection refused|No such file or directory\s+Is the server running/.test(stderr)) {
    // It answered a moment ago, or we would not have come here.
    return fail('source_lost', { host, problem: message });
  }
  if (/timeout expired/.test(stderr)) {
    return fail('source_timeout', { host, port, seconds: source.connectSeconds });
  }
  if (/no pg_hba\.conf entry/.test(stderr)) return fail('source_role', { user, host });
  if (/database ".*" does not exist/.test(stderr)) return fail('source_database', { database, host });
  const denied = [...stderr.matchAll(/permission denied for ([^\n]+)/g)].map((match) => match[1] ?? '');
  if (denied.length > 0) return fail('source_permission', { user, objects: [...new Set(denied)] });
  const rowSecurity = /row-level security policy for table "([^"]+)"/.exec(stderr)?.[1];
  if (rowSecurity !== undefined) {
    return fail('source_permission', {
      user,
      objects: [`all rows of table ${rowSecurity} (row-level security)`],
    });
  }
  return fail('source_failed', { problem: message, job: true });
}

/** What pg_dump says of a failure: errors and what belongs to them, with lines that go on; not what it was doing. */
export function dumpProblems(stderr: string): readonly string[] {
  const found: string[] = [];
  let goesOn = false;
  for (const line of stderr.split('\n')) {
    if (/^\S*pg_dump(?:\.exe)?: /.test(line))
      goesOn = /^\S+: (?:error|fatal|detail|hint|warning): /i.test(line);
    if (goesOn && line.trim() !== '') found.push(line);
  }
  return found;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
/** Without the final full stop and line breaks: it becomes a part of a sentence. */
const sentence = (text: string): string => text.trim().replace(/\s+/g, ' ').replace(/\.$/, '');
