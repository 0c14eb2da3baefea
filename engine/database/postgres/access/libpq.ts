/** Says to libpq's programs how to reach the very server that a session of ours is at, and asks one whether it gets in. */
import path from 'node:path';
import type { Machine } from '../../../machine/machine.ts';
import { APPLICATION_NAME } from '../admin.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import { explainDumpFailure } from '../sourceErrors.ts';
import type { SourceConnection } from './candidates.ts';

/**
 * Sources are read only, whatever a program or a function there tries. Asking for the size of a table waits while
 * somebody alters it, as pg_dump does: a minute is long enough for both.
 */
const START_OPTIONS =
  '-c default_transaction_read_only=on -c statement_timeout=0 -c lock_timeout=60000 -c idle_in_transaction_session_timeout=0';

/** Ours come last, and the last counts. */
export const startOptionsOf = (
  { parameters }: Pick<SourceConnection, 'parameters'>,
  startOptions: boolean,
): string =>
  [parameters['options'] ?? '', startOptions ? START_OPTIONS : ''].filter((part) => part !== '').join(' ');

/** libpq's variables for what a URL may have besides servers, database and user; what has none goes into arguments. */
const VARIABLES: Readonly<Record<string, string>> = {
  require_auth: 'PGREQUIREAUTH',
  channel_binding: 'PGCHANNELBINDING',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcertmode: 'PGSSLCERTMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  sslcrldir: 'PGSSLCRLDIR',
  requirepeer: 'PGREQUIREPEER',
  sslsni: 'PGSSLSNI',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  passfile: 'PGPASSFILE',
};
const ARGUMENTS = [
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
];

/** For pg_dump and its like: everything in the environment, nothing in the arguments that says who or where. */
export function libpqEnvironment(
  source: SourceConnection,
  options: { startOptions: boolean },
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const value = source.parameters[name];
    if (value !== undefined) found[variable] = value;
  }
  return {
    ...found,
    PGHOST: source.host,
    ...(source.hostaddr === undefined ? {} : { PGHOSTADDR: source.hostaddr }),
    PGPORT: String(source.port),
    PGUSER: source.user,
    PGDATABASE: source.database,
    PGSSLMODE: source.sslMode,
    PGCONNECT_TIMEOUT: String(source.connectSeconds),
    PGAPPNAME: source.parameters['application_name'] ?? APPLICATION_NAME,
    PGGSSENCMODE: 'disable',
    ...(source.password === undefined ? {} : { PGPASSWORD: source.password }),
    PGOPTIONS: startOptionsOf(source, options.startOptions),
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/** Numbers alone, which the environment has no variables for. */
export function libpqArguments({ parameters }: SourceConnection): readonly string[] {
  const pairs = ARGUMENTS.flatMap((name) =>
    parameters[name] === undefined ? [] : [`${name}=${parameters[name]}`],
  );
  return pairs.length === 0 ? [] : [`--dbname=${pairs.join(' ')}`];
}

/**
 * The password of a key has no variable either, and must not stand in an argument: it goes through a service file of mode
 * 0600 in a folder that the caller removes. Rejects with `source_url` for one that such a file can't hold.
 */
export async function libpqSecrets(
  source: SourceConnection,
  machine: Pick<Machine, 'files'>,
  scratch: string,
): Promise<Record<string, string>> {
  const { keyPassword } = source;
  if (keyPassword === undefined) return {};
  const file = path.join(scratch, 'service.conf');
  await machine.files.writeAtomic(file, `[source]\nsslpassword=${keyPassword}\n`, 0o600);
  return { PGSERVICEFILE: file, PGSERVICE: 'source' };
}

/**
 * Whether pg_dump gets in where a session of ours did: it has rules of its own, such as who may read the file of a key.
 * Asked for a table that nobody has, it connects and ends at once. Rejects as a dump does.
 */
export async function checkTools(
  machine: Pick<Machine, 'run'>,
  client: ClientPrograms,
  source: SourceConnection,
  options: { startOptions: boolean; signal: AbortSignal | undefined },
): Promise<void> {
  // Its password goes through a file, for which a test has no place.
  if (source.keyPassword !== undefined) return;
  await machine.run(
    {
      program: client.pg_dump,
      args: [...libpqArguments(source), '--no-password', '--schema-only', '--table=""'],
      env: libpqEnvironment(source, options),
      parse: ({ code, stderr }) => {
        if (code !== 0 && !/no matching tables were found/.test(stderr))
          throw explainDumpFailure(stderr, source);
      },
    },
    { signal: options.signal },
  );
}
