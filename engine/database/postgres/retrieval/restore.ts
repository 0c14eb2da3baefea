/** Restores a dump into the temporary server: pg_restore for archives, psql for plain SQL, with their errors sorted. */
import { fail, type ThinClonesError } from '../../../protocol/errors.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import { ADMIN_ROLE, APPLICATION_NAME, socketNumber } from '../admin.ts';
import type { Archive } from './archive.ts';
import { explainUnreadable } from './archive.ts';
import { fullDisk, type TemporaryServer, type Workbench } from '../workbench.ts';

export interface RestoreOptions {
  client: ClientPrograms;
  /** A custom or tar file, or a directory made by pg_dump. */
  file: string;
  database: string;
  archive: Archive;
  jobs: number;
  /** True when parts of the source were left out: what refers to them is missing, and that is told as a warning. */
  partial: boolean;
  /** Bytes of the tables, by `schema.name`, to weigh progress. */
  weights: ReadonlyMap<string, number>;
  /** What errors name: the dump as people know it. */
  dump: string | undefined;
}

export function adminEnvironment(server: TemporaryServer): Record<string, string> {
  return {
    PGHOST: server.spec.socketDirectory,
    PGPORT: String(socketNumber(server.spec)),
    PGUSER: ADMIN_ROLE,
    PGAPPNAME: APPLICATION_NAME,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGOPTIONS: '-c statement_timeout=0 -c default_transaction_read_only=off -c session_preload_libraries=',
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/** A database name alone could be taken for a connection string (`a=b`): so it is one. */
export function connectionString(database: string): string {
  return `dbname='${database.replace(/[\\']/g, (character) => `\\${character}`)}'`;
}

/** Errors: dump_unreadable, restore_failed, storage_full. */
export async function restoreArchive(
  bench: Workbench,
  server: TemporaryServer,
  options: RestoreOptions,
): Promise<void> {
  const { report } = bench;
  report.phase('restoring');
  report.line(`Restoring into PostgreSQL ${bench.server.version}.`);
  const progress = trackRestore(options, report);
  const errors = createErrorCollector();
  const result = await bench.machine.run(
    {
      program: options.client.pg_restore,
      args: [
        '--verbose',
        '--no-password',
        '--no-tablespaces',
        // A subscription holds production's password and would call it.
        '--no-subscriptions',
        '--no-security-labels',
        `--jobs=${options.jobs}`,
        `--dbname=${connectionString(options.database)}`,
        '--',
        options.file,
      ],
      env: adminEnvironment(server),
      mark: bench.mark,
      parse: (output) => output,
    },
    {
      signal: bench.signal,
      onStderrLine: (line) => {
        progress(line);
        errors.take(line);
      },
    },
  );
  await judge(bench, options, errors.list(), result.code, result.stderr);
  report.progress(1);
}

/** What takes its time in a restore, and what is said when it is there. */
const slowEntries: Readonly<Record<string, string>> = {
  'TABLE DATA': 'Restored',
  'MATERIALIZED VIEW DATA': 'Filled',
  INDEX: 'Made index',
  CONSTRAINT: 'Made constraint',
  'FK CONSTRAINT': 'Made foreign key',
};

/** Tells tables, indexes and keys as they are there; weighs tables by their bytes and everything else by number. */
export function trackRestore(
  options: Pick<RestoreOptions, 'archive' | 'weights'>,
  report: Workbench['report'],
): (line: string) => void {
  const finished = /^pg_restore: (?:finished item|processing item) (\d+) /;
  /** Only a restore in one process writes this, and not how it ends. */
  const begun = /^pg_restore: processing data for table "(.*)"$/;
  const entries = new Map(options.archive.entries.map((entry) => [entry.dumpId, entry]));
  const weights = new Map<number, number>();
  const other = options.archive.entries.length;
  for (const entry of options.archive.entries) {
    const bytes =
      entry.kind === 'TABLE DATA' ? options.weights.get(`${entry.schema}.${entry.name}`) : undefined;
    weights.set(entry.dumpId, bytes ?? 0);
  }
  const totalBytes = [...weights.values()].reduce((sum, bytes) => sum + bytes, 0);
  const seen = new Set<number>();
  let bytes = 0;
  return (line) => {
    const table = begun.exec(line)?.[1];
    if (table !== undefined) report.line(`Restoring ${table}.`);
    const id = Number(finished.exec(line)?.[1] ?? Number.NaN);
    const entry = entries.get(id);
    if (entry === undefined || seen.has(id)) return;
    seen.add(id);
    const done = slowEntries[entry.kind];
    if (done !== undefined) report.line(`${done} ${entry.schema}.${entry.name}.`);
    bytes += weights.get(id) ?? 0;
    const byNumber = seen.size / Math.max(other, 1);
    report.progress(totalBytes === 0 ? byNumber : 0.4 * byNumber + 0.6 * (bytes / totalBytes));
  };
}

export interface RestoreError {
  /** The server's or the program's own words. */
  message: string;
  command: string;
}

/** Puts pg_restore's lines together again: one error has several, and one ends where the next message begins. */
export function createErrorCollector(): {
  take: (line: string) => void;
  list: () => readonly RestoreError[];
} {
  const errors: RestoreError[] = [];
  let current: RestoreError | undefined;
  return {
    take: (line) => {
      const error =
        /^(?:pg_restore|psql)(?::.*?)?: (?:error|fatal): (.*)$/i.exec(line) ??
        /^(?:psql:.*: )?(?:ERROR|FATAL|PANIC): +(.*)$/.exec(line);
      if (error !== null) {
        const message = (error[1] ?? '')
          .trim()
          .replace(/^could not execute query: /, '')
          .replace(/^ERROR: +/, '')
          .trim();
        current = { message, command: '' };
        errors.push(current);
      } else if (/^(?:pg_restore|psql): /.test(line)) {
        current = undefined;
      } else if (current !== undefined) {
        const command = /^Command was: (.*)$/.exec(line);
        if (command !== null) current.command = command[1] ?? '';
        else if (current.command !== '') current.command = `${current.command} ${line}`.slice(0, 2000);
      }
    },
    list: () => errors,
  };
}

/** What an error of a restore means for the copy. */
export function judgeRestoreError(error: RestoreError, partial: boolean): 'harmless' | 'warning' | 'fatal' {
  const { message, command } = error;
  // pg_dump 17 and newer write this for all servers; older ones don't know it.
  if (
    /unrecognized configuration parameter "(transaction_timeout|idle_session_timeout|default_toast_compression|default_table_access_method)"/.test(
      message,
    )
  ) {
    return 'harmless';
  }
  if (/schema "public" already exists/.test(message)) return 'harmless';
  if (
    /^(?:COMMENT ON|GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|ALTER .* OWNER TO|SECURITY LABEL)/.test(command)
  ) {
    return 'warning';
  }
  if (/^ALTER (?:EXTENSION|PUBLICATION)|^CREATE (?:PUBLICATION|EVENT TRIGGER)/.test(command))
    return 'warning';
  const missing = /does not exist|is not present in table|violates foreign key constraint/.test(message);
  return partial && missing && !/^COPY/.test(command) ? 'warning' : 'fatal';
}

const MISSING_EXTENSION =
  /extension "([^"]+)" is not available|extension control file "[^"]*\/([^/"]+)\.control"/;

async function judge(
  bench: Workbench,
  options: Pick<RestoreOptions, 'partial' | 'dump'>,
  errors: readonly RestoreError[],
  code: number | null,
  stderr: string,
): Promise<void> {
  const { report } = bench;
  const fatal: RestoreError[] = [];
  for (const error of errors) {
    const verdict = judgeRestoreError(error, options.partial);
    const where = error.command === '' ? '' : ` (${shorten(error.command)})`;
    if (verdict === 'warning') report.line(`Left out: ${error.message}${where}`, 'warning');
    if (verdict === 'fatal') {
      report.line(`${error.message}${where}`, 'error');
      fatal.push(error);
    }
  }
  if (fatal.length === 0 && (code === 0 || (code === 1 && errors.length > 0))) return;
  throw await restoreFailure(bench, options.dump, fatal, stderr);
}

async function restoreFailure(
  bench: Workbench,
  dump: string | undefined,
  fatal: readonly RestoreError[],
  stderr: string,
): Promise<unknown> {
  const [first] = fatal;
  const all = fatal.map((error) => error.message).join('\n');
  const extension = MISSING_EXTENSION.exec(all);
  if (extension !== null)
    return missingExtensions([extension[1] ?? extension[2] ?? ''], bench.server.version);
  const damaged =
    /end of file|unexpected EOF|could not read|could not uncompress|incorrect (?:header|data) check|did not find magic string|corrupt|found unexpected block ID|could not open input file|could not close data file|could not seek|unsupported version|invalid .* in archive/;
  if (dump !== undefined && damaged.test(`${all}\n${stderr.slice(-4000)}`)) {
    const text = damaged.test(all) ? all : stderr;
    return fail('dump_unreadable', { file: dump, problem: explainUnreadable(text) });
  }
  const problem =
    first === undefined
      ? explainUnreadable(stderr)
      : fatal
          .slice(0, 3)
          .map((error) => `${error.message}${error.command === '' ? '' : ` (${shorten(error.command)})`}`)
          .join('; ') + (fatal.length > 3 ? ` and ${fatal.length - 3} more` : '');
  return await fullDisk(bench, fail('restore_failed', { problem }), `${all}\n${stderr}`);
}

export function missingExtensions(names: readonly string[], version: string): ThinClonesError {
  const plural = names.length === 1 ? 'the extension' : 'the extensions';
  return fail('restore_failed', {
    problem: `the source uses ${plural} ${names.join(', ')}, which the PostgreSQL ${version} here does not have. Install ${names.length === 1 ? 'it' : 'them'}, or exclude the schemas that need ${names.length === 1 ? 'it' : 'them'}.`,
  });
}

/** For a job's lines, which are stored: a command up to its first literal, since any one may be a password. */
export function shorten(command: string): string {
  const literal = command.search(/'|\$\w*\$/);
  const open = literal === -1 ? command : command.slice(0, literal);
  return open.length > 117 || literal !== -1 ? `${open.slice(0, 117)}...` : command;
}

export interface ScriptOptions {
  client: ClientPrograms;
  /** Readable by the server user. */
  file: string;
  database: string;
  dump: string;
}

/**
 * Runs a plain SQL dump. As the server user, because psql scripts may run commands (`\!`), and until the first error,
 * because after a failed COPY psql takes its data for commands.
 */
export async function restoreScript(
  bench: Workbench,
  server: TemporaryServer,
  options: ScriptOptions,
): Promise<void> {
  const errors = createErrorCollector();
  const result = await bench.machine.run(
    {
      program: options.client.psql,
      args: [
        ...['--no-psqlrc', '--quiet', '--no-password', '--output=/dev/null', '--set=ON_ERROR_STOP=1'],
        ...[`--dbname=${connectionString(options.database)}`, `--file=${options.file}`],
      ],
      env: adminEnvironment(server),
      cwd: '/',
      asServerUser: true,
      mark: bench.mark,
      parse: (output) => output,
    },
    { signal: bench.signal, onStderrLine: (line) => errors.take(line) },
  );
  if (result.code === 0) return;
  const found = errors.list();
  for (const error of found) bench.report.line(error.message, 'error');
  const [first] = found;
  if (
    first !== undefined &&
    /invalid command \\|unrecognized command|missing data for column|syntax error|unterminated/.test(
      first.message,
    )
  ) {
    throw await fullDisk(
      bench,
      fail('dump_unreadable', { file: options.dump, problem: `${first.message} (${lineOf(result.stderr)})` }),
      result.stderr,
    );
  }
  throw await restoreFailure(bench, undefined, found, result.stderr);
}

const lineOf = (stderr: string): string => {
  const line = /^psql:.*:(\d+): /m.exec(stderr)?.[1];
  return line === undefined ? 'unknown line' : `line ${line}`;
};
