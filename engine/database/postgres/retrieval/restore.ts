/** Restores an archive into the temporary server with pg_restore, and sorts the errors of a restore. */
import { saysFullDisk } from '../../../domain/fullDisk.ts';
import { fail } from '../../../protocol/errors.ts';
import { quietEventTriggers, restoreEventTriggers, withoutEventTriggers } from '../eventTriggers.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import { ADMIN_ROLE, APPLICATION_NAME, socketNumber } from '../admin.ts';
import { inOneLine } from '../compare/difference.ts';
import type { Archive, ArchiveEntry } from './archive.ts';
import { explainUnreadable } from './archive.ts';
import { missingExtensions, withoutTables } from './leaveOut.ts';
import { putChecksBack, setChecksAside } from './laterChecks.ts';
import { giveSearchPath, takeSearchPathBack } from './rowFunctions.ts';
import { restoreAgain, statementsOf, type RestoreNote } from './restoreAgain.ts';
import { type TemporaryServer, type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';

export interface RestoreOptions {
  client: ClientPrograms;
  /** A custom or tar file, or a directory made by pg_dump. */
  file: string;
  database: string;
  archive: Archive;
  /** The entries of the archive that are wanted, as a file for pg_restore; undefined: all. */
  list: string | undefined;
  jobs: number;
  /** Of it tables that may turn out to be impossible here: then they go, with what depends on them. */
  doubtful: readonly ArchiveEntry[];
  /** True when parts of the source were left out: what refers to them is missing, and that is told as a warning. */
  partial: boolean;
  /** Bytes of the tables, by `schema.name`, to weigh progress. */
  weights: ReadonlyMap<string, number>;
  /** What errors name: the dump as people know it. */
  dump: string | undefined;
  /** Schemas in which the source looks for unqualified names. */
  searchPath: readonly string[];
  /** A folder for files of this job. */
  scratch: string;
  /** What an object costs that can't be restored; rows that can't always fail. */
  onObjectError: 'warn' | 'fail';
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

/**
 * Resolves to what did not come as it was. Definitions come first, so that what fails among them is there before its rows are.
 * Errors: dump_unreadable, restore_failed, storage_full.
 */
export async function restoreArchive(
  bench: Workbench,
  server: TemporaryServer,
  asked: RestoreOptions,
): Promise<readonly RestoreNote[]> {
  const { report } = bench;
  const { database, searchPath } = asked;
  let options = asked;
  report.phase('restoring');
  report.line(`Restoring into PostgreSQL ${bench.server.version}.`);
  const progress = trackRestore(options, report);
  let notes: RestoreNote[] = [];
  const part = async (sections: readonly string[], jobs: number): Promise<void> => {
    const failed = await runSections(bench, server, options, { sections, jobs, progress });
    if (failed.size === 0) return;
    report.line(
      `${failed.size === 1 ? 'One object' : `${failed.size} objects`} could not be restored at once: trying again.`,
    );
    const entries = options.archive.entries.filter(({ dumpId }) => failed.has(dumpId));
    const quiet = await server.query(database, quietEventTriggers);
    const again = await restoreAgain(bench, server, entries, {
      ...{ database, searchPath },
      statementsOf: (entry) => statementsOf(bench, options, entry),
    });
    await server.query(database, (client) => restoreEventTriggers(client, quiet));
    notes.push(...again.notes);
    const lost = again.lost.map(
      ({ entry, problem }) => failed.get(entry.dumpId) ?? { message: problem, command: '' },
    );
    const costly = again.notes.flatMap((note) => costOf(note, failed, options));
    if (lost.length > 0 || costly.length > 0) {
      const causes = lost.length > 0 ? tablesThatFailed(notes) : [];
      await refuse(bench, options.dump, [...causes, ...costly, ...lost]);
    }
  };
  await part(['pre-data'], 1);
  const isImpossible = (entry: ArchiveEntry): boolean =>
    notes.some((note) => note.entry === entry && note.what === 'is missing');
  const impossible = options.doubtful.filter(isImpossible);
  const leftOut: RestoreNote[] = [];
  if (impossible.length > 0) {
    const kept = await withoutTables(bench, options.archive, impossible, options.scratch);
    options = { ...options, archive: kept.archive, list: kept.list };
    notes = notes.filter(({ entry }) => entry === undefined || !kept.out.has(entry));
    leftOut.push(...kept.notes);
  }
  const checks = await server.query(database, setChecksAside);
  const functions = await server.query(database, (client) => giveSearchPath(client, searchPath));
  await part(['data', 'post-data'], options.jobs);
  const back = await server.query(database, (client) =>
    withoutEventTriggers(client, async () => {
      await takeSearchPathBack(client, functions);
      return await putChecksBack(client, checks, searchPath);
    }),
  );
  notes.push(...back);
  const costly = back.flatMap((note) => costOf(note, new Map(), options));
  if (costly.length > 0) await refuse(bench, options.dump, costly);
  report.progress(1);
  return [...leftOut, ...tellNotes(report, notes)];
}

export function tellNotes(
  report: Workbench['report'],
  notes: readonly RestoreNote[],
): readonly RestoreNote[] {
  for (const { object, what, problem } of notes)
    report.line(inOneLine(`The ${object} ${what}${problem === undefined ? '' : `: ${problem}`}.`), 'warning');
  return notes;
}

/** Rows are lost because their table is. */
export const tablesThatFailed = (notes: readonly RestoreNote[]): readonly RestoreError[] =>
  notes.flatMap(({ entry, problem }) =>
    entry?.kind === 'TABLE' && problem !== undefined ? [{ message: problem, command: '' }] : [],
  );

/** The error that a note is for who wants none. What copies of parts lack, and what is no object of its own, is only told. */
function costOf(
  { entry, problem }: RestoreNote,
  failed: ReadonlyMap<number, RestoreError>,
  { onObjectError, partial }: RestoreOptions,
): readonly RestoreError[] {
  if (onObjectError === 'warn' || problem === undefined) return [];
  const error = { message: problem, command: failed.get(entry?.dumpId ?? -1)?.command ?? '' };
  return judgeRestoreError(error, partial) === 'fatal' ? [error] : [];
}

interface Sections {
  sections: readonly string[];
  jobs: number;
  progress: (line: string) => void;
}

/** Entries of the archive that failed, each with its first error. */
async function runSections(
  bench: Workbench,
  server: TemporaryServer,
  options: RestoreOptions,
  { sections, jobs, progress }: Sections,
): Promise<ReadonlyMap<number, RestoreError>> {
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
        ...sections.map((section) => `--section=${section}`),
        ...(options.list === undefined ? [] : [`--use-list=${options.list}`]),
        `--jobs=${jobs}`,
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
  const found = errors.list().filter((error) => judgeRestoreError(error, options.partial) !== 'harmless');
  if (found.length === 0 && (result.code === 0 || (result.code === 1 && errors.list().length > 0)))
    return new Map();
  const text = found.map(({ message }) => message).join('\n');
  const entries = errors.entries();
  const isAboutObjects = result.code === 1 && entries.length > 0 && !BEYOND_OBJECTS.test(text);
  if (!isAboutObjects || MISSING_EXTENSION.test(text) || saysFullDisk(text) || isDamaged(options.dump, text))
    await refuse(bench, options.dump, found, result.stderr);
  const fallback: RestoreError = { message: text.split('\n')[0] ?? '', command: '' };
  return new Map(entries.map((entry) => [entry, found.find((error) => error.entry === entry) ?? fallback]));
}

/** The server or a process of the restore is gone. */
export const BEYOND_OBJECTS =
  /server closed the connection|terminating connection|connection to server|worker process (?:died|failed)|no connection to the server|could not fork/;

/** Tells every error and throws. */
async function refuse(
  bench: Workbench,
  dump: string | undefined,
  errors: readonly RestoreError[],
  stderr = '',
): Promise<never> {
  for (const error of errors) bench.report.line(`${error.message}${commandOf(error)}`, 'error');
  throw await restoreFailure(bench, dump, errors, stderr);
}

const commandOf = ({ command }: RestoreError): string => (command === '' ? '' : ` (${shorten(command)})`);

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
  const finished = /^(?:finished item|processing item) (\d+) /;
  /** Only a restore in one process writes this, and not how it ends. */
  const begun = /^processing data for table "(.*)"$/;
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
    const { message } = partsOf(line);
    const table = begun.exec(message)?.[1];
    if (table !== undefined) report.line(`Restoring ${table}.`);
    const id = Number(finished.exec(message)?.[1] ?? Number.NaN);
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
  /** The entry of the archive that was worked on; undefined: none, or not told. */
  entry?: number | undefined;
}

/** Processes beside each other write the beginnings of lines and what follows one by one: one may stand before another's. */
function partsOf(line: string): { prefix: string; message: string } {
  const prefix = /^(?:pg_restore:|error:|warning:|detail:|hint:| )*/.exec(line)?.[0] ?? '';
  return { prefix, message: line.slice(prefix.length) };
}

/** Whatever stands before it. */
const FAILURE = /^(?:could not execute query: |COPY failed for table |(?:ERROR|FATAL|PANIC): )/;
const PROGRESS =
  /^(?:launching|finished|processing|creating|executing|entering|connecting|skipping|dropping|from TOC entry|errors ignored) /;

/** Puts pg_restore's lines together again: one error has several, and one ends where the next message begins. */
export function createErrorCollector(): {
  take: (line: string) => void;
  list: () => readonly RestoreError[];
  /**
   * Every entry that failed. Processes beside each other may mix up their lines, so which error is whose is a guess; and one that has
   * only connected names what its parent did last, which it did not launch.
   */
  entries: () => readonly number[];
} {
  const errors: RestoreError[] = [];
  const entries = new Set<number>();
  const launched = new Set<number>();
  let entry: number | undefined;
  let current: RestoreError | undefined;
  return {
    take: (line) => {
      const { prefix, message } = partsOf(line);
      const launch = /^launching item (\d+) /.exec(message)?.[1];
      if (launch !== undefined) launched.add(Number(launch));
      const from = /^from TOC entry (\d+);/.exec(message)?.[1];
      if (from !== undefined) {
        entry = Number(from);
        entries.add(entry);
      }
      const isError = FAILURE.test(message) || (prefix.includes('error:') && !PROGRESS.test(message));
      if (isError) {
        current = {
          message: message
            .replace(/^could not execute query: /, '')
            .replace(/^(?:ERROR|FATAL|PANIC): +/, '')
            .trim(),
          command: '',
          ...(entry === undefined ? {} : { entry }),
        };
        errors.push(current);
      } else if (prefix.includes('pg_restore:') || PROGRESS.test(message)) {
        current = undefined;
      } else if (current !== undefined) {
        const command = /^Command was: (.*)$/.exec(line);
        if (command !== null) current.command = command[1] ?? '';
        else if (current.command !== '') current.command = `${current.command} ${line}`.slice(0, 2000);
      }
    },
    list: () => errors,
    entries: () => [...entries].filter((each) => launched.size === 0 || launched.has(each)),
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

export const MISSING_EXTENSION =
  /extension "([^"]+)" is not available|extension control file "[^"]*\/([^/"]+)\.control"/;

const DAMAGED =
  /end of file|unexpected EOF|could not read|could not uncompress|incorrect (?:header|data) check|did not find magic string|corrupt|found unexpected block ID|could not open input file|could not close data file|could not seek|unsupported version|invalid .* in archive/;

/** A dump, since what we have just written ourselves is whole. */
const isDamaged = (dump: string | undefined, text: string): boolean =>
  dump !== undefined && DAMAGED.test(text);

export async function restoreFailure(
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
  if (dump !== undefined && isDamaged(dump, `${all}\n${stderr.slice(-4000)}`)) {
    const text = DAMAGED.test(all) ? all : stderr;
    return fail('dump_unreadable', { file: dump, problem: explainUnreadable(text) });
  }
  const problem =
    first === undefined
      ? explainUnreadable(stderr)
      : fatal
          .slice(0, 3)
          .map((error) => `${error.message}${commandOf(error)}`)
          .join('; ') + (fatal.length > 3 ? ` and ${fatal.length - 3} more` : '');
  return await fullTarget(bench, fail('restore_failed', { problem }), `${all}\n${stderr}`);
}

/** For a job's lines, which are stored: a command up to its first literal, since any one may be a password. */
export function shorten(command: string): string {
  const literal = command.search(/'|\$\w*\$/);
  const open = literal === -1 ? command : command.slice(0, literal);
  return open.length > 117 || literal !== -1 ? `${open.slice(0, 117)}...` : command;
}
