/** Restores a plain SQL dump with psql: an object that can't be restored does not cost the rest, rows that can't always do. */
import path from 'node:path';
import { saysFullDisk } from '../../../domain/fullDisk.ts';
import { fail } from '../../../protocol/errors.ts';
import { withoutEventTriggers } from '../eventTriggers.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import { type TemporaryServer, type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import type { ArchiveEntry } from './archive.ts';
import { applySettings } from './databaseSettings.ts';
import { putChecksBack, setChecksAside } from './laterChecks.ts';
import {
  adminEnvironment,
  BEYOND_OBJECTS,
  connectionString,
  judgeRestoreError,
  MISSING_EXTENSION,
  restoreFailure,
  tablesThatFailed,
  tellNotes,
} from './restore.ts';
import { restoreAgain, type RestoreNote } from './restoreAgain.ts';
import { giveSearchPath, takeSearchPathBack } from './rowFunctions.ts';
import { objectAt, stretchesOf, type ScriptListing } from './scriptListing.ts';
import { writeRemainder } from './scriptRemainder.ts';

export interface ScriptOptions {
  client: ClientPrograms;
  /** Readable by the server user. */
  file: string;
  /** In which the script begins. */
  database: string;
  dump: string;
  /** Empty: where one object ends and the next begins is not known, and the first error ends the restore. */
  listing: ScriptListing;
  /** A folder for files of this job. */
  scratch: string;
  /** What an object costs that can't be restored; rows that can't always fail. */
  onObjectError: 'warn' | 'fail';
}

/** Resolves to what did not come as it was. Errors: dump_unreadable, restore_failed, storage_full. */
export async function restoreScript(
  bench: Workbench,
  server: TemporaryServer,
  options: ScriptOptions,
): Promise<readonly RestoreNote[]> {
  const whole = { file: options.file, stops: true, lineOf: (line: number): number => line };
  const run = await runScript(bench, server, options, whole);
  if (run.code === 0) return [];
  const [error, more] = run.errors;
  const failed = error === undefined || more !== undefined ? undefined : failureAt(error, options.listing);
  if (failed === undefined) throw await unbearable(bench, options, run);
  if (failed.holdsRows) {
    const undo = await readyForRows(server, failed.database ?? options.database);
    if (undo === undefined) throw await unbearable(bench, options, run);
    bench.report.line('Rows were refused that go through functions: trying again from there.');
    const from = { run, after: failed.begins - 1, failed: [], undo: [undo] };
    return tellNotes(bench.report, await goOn(bench, server, options, from));
  }
  bench.report.line('An object could not be restored: going on with the others.');
  const objects = run.errors.some(isHarmless) ? [] : [failed];
  return tellNotes(
    bench.report,
    await goOn(bench, server, options, { run, after: failed.ends, failed: objects, undo: [] }),
  );
}

/** What is left after a line, part by part. */
async function goOn(
  bench: Workbench,
  server: TemporaryServer,
  options: ScriptOptions,
  from: { run: ScriptRun; after: number; failed: readonly FailedObject[]; undo: readonly Undo[] },
): Promise<readonly RestoreNote[]> {
  const { listing } = options;
  const { after } = from;
  const parts = await writeRemainder(bench, options.file, path.join(options.scratch, 'remainder'), {
    after,
    stretches: stretchesOf(listing),
  });
  if (parts === undefined) throw await unbearable(bench, options, from.run);
  const notes: RestoreNote[] = [];
  const undo = [...from.undo];
  let failed = from.failed;
  for (const { file, holdsRows, database, lineOf } of parts) {
    const ready = holdsRows ? await readyForRows(server, database ?? options.database) : undefined;
    if (ready !== undefined) undo.push(ready);
    const run = await runScript(bench, server, options, { file, stops: holdsRows, lineOf });
    const errors = run.errors.filter((error) => !isHarmless(error));
    const objects = errors.map((error) => failureAt(error, listing));
    if (run.code !== 0 || objects.includes(undefined))
      throw await unbearable(bench, options, { ...run, errors }, notes);
    failed = [...failed, ...objects.filter((object) => object !== undefined)];
    // Before rows come in, and where a database is complete.
    const again = await tryAgain(bench, server, options.database, failed);
    notes.push(...again);
    await refuseCostly(bench, options, again, failed);
    failed = [];
    await bench.machine.files.remove(file);
  }
  const back: RestoreNote[] = [];
  for (const each of undo) back.push(...(await each()));
  await refuseCostly(bench, options, back, []);
  return [...notes, ...back];
}

/** For who wants every object as it was. */
async function refuseCostly(
  bench: Workbench,
  options: ScriptOptions,
  notes: readonly RestoreNote[],
  failed: readonly FailedObject[],
): Promise<void> {
  if (options.onObjectError === 'warn') return;
  const errors = notes.flatMap(({ entry, problem }): ScriptError[] => {
    const command = failed.find((object) => object.entry === entry)?.statement ?? '';
    return problem === undefined || judgeRestoreError({ message: problem, command }, false) !== 'fatal'
      ? []
      : [{ message: problem, line: undefined, statement: undefined }];
  });
  if (errors.length > 0) throw await unbearable(bench, options, { code: 0, errors, stderr: '' });
}

type Undo = () => Promise<readonly RestoreNote[]>;

/**
 * As an archive has it: checks through functions wait until everything is there, and functions find names as at the source.
 * Undefined: nothing of that keeps rows out.
 */
async function readyForRows({ query }: TemporaryServer, database: string): Promise<Undo | undefined> {
  const { checks, functions, searchPath } = await query(database, async (client) => {
    const schemas = await applySettings(client, database, [], () => undefined);
    return {
      searchPath: schemas,
      checks: await setChecksAside(client),
      functions: await giveSearchPath(client, schemas),
    };
  });
  if (checks.length === 0 && functions.length === 0) return undefined;
  return async () =>
    await query(database, (client) =>
      withoutEventTriggers(client, async () => {
        await takeSearchPathBack(client, functions);
        return await putChecksBack(client, checks, searchPath);
      }),
    );
}

interface ScriptError {
  /** The server's or psql's own words. */
  message: string;
  /** Of the script; undefined: it is about none. */
  line: number | undefined;
  /** What the server refused; undefined: psql itself did. */
  statement: string | undefined;
}

interface ScriptRun {
  code: number | null;
  errors: readonly ScriptError[];
  stderr: string;
}

/** As the server user, because psql scripts may run commands (`\!`). */
async function runScript(
  bench: Workbench,
  server: TemporaryServer,
  { client, database }: ScriptOptions,
  { file, stops, lineOf }: { file: string; stops: boolean; lineOf: (line: number) => number },
): Promise<ScriptRun> {
  const errors = createScriptErrors(file, lineOf);
  const { code, stderr } = await bench.machine.run(
    {
      program: client.psql,
      args: [
        ...['--no-psqlrc', '--quiet', '--no-password', '--echo-errors', '--output=/dev/null'],
        // After a failed COPY psql would take its rows for commands.
        `--set=ON_ERROR_STOP=${stops ? 1 : 0}`,
        ...[`--dbname=${connectionString(database)}`, `--file=${file}`],
      ],
      env: adminEnvironment(server),
      cwd: '/',
      asServerUser: true,
      mark: bench.mark,
      parse: (output) => output,
    },
    { signal: bench.signal, onStderrLine: errors.take },
  );
  return { code, errors: errors.list(), stderr };
}

/** Puts psql's lines together again: what it or the server says, and below that the statement, which may have several lines. */
export function createScriptErrors(
  file: string,
  lineOf: (line: number) => number,
): { take: (line: string) => void; list: () => readonly ScriptError[] } {
  const errors: ScriptError[] = [];
  const prefix = `psql:${file}:`;
  let isStatement = false;
  return {
    take: (text) => {
      const told = text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
      const [, number, rest = ''] = told === undefined ? [] : (/^(\d+): (.*)$/.exec(told) ?? []);
      const last = errors.at(-1);
      if (number === undefined && !/^psql: /.test(text)) {
        if (isStatement && last !== undefined) last.statement = `${last.statement ?? ''}\n${text}`;
        return;
      }
      const said = number === undefined ? text.slice('psql: '.length) : rest;
      isStatement = said.startsWith('STATEMENT:  ');
      if (isStatement) {
        if (last !== undefined) last.statement = said.slice('STATEMENT:  '.length);
        return;
      }
      const error = /^(?:error: |fatal: )?(?:(?:ERROR|FATAL|PANIC): +)?(.*)$/.exec(said);
      if (!/^(?:error|fatal|ERROR|FATAL|PANIC): /.test(said)) return;
      const line = number === undefined ? undefined : lineOf(Number(number));
      errors.push({ message: (error?.[1] ?? said).trim(), line, statement: undefined });
    },
    list: () => errors,
  };
}

interface FailedObject {
  /** Lines of the script between which its statement stands: of rows that COPY brings, from what is said of them. */
  begins: number;
  ends: number;
  database: string | undefined;
  entry: ArchiveEntry;
  statement: string;
  holdsRows: boolean;
}

/** What is no SQL, or does not fit its table: the script is damaged, or psql took its rows for commands. */
const DAMAGED_SCRIPT =
  /invalid command \\|unrecognized command|missing data for column|syntax error|unterminated/;
/** Whatever comes after them goes elsewhere without them. */
const FRAMES = new Set(['DATABASE', 'DATABASE PROPERTIES']);

/** The object that an error is about; undefined: it is about more than that. */
function failureAt(
  { message, line, statement }: ScriptError,
  listing: ScriptListing,
): FailedObject | undefined {
  if (line === undefined || statement === undefined) return undefined;
  const found = objectAt(listing, line);
  if (found?.entry === undefined || FRAMES.has(found.entry.kind)) return undefined;
  const { entry, database } = found;
  const isBeyond = [DAMAGED_SCRIPT, BEYOND_OBJECTS, MISSING_EXTENSION].some((pattern) =>
    pattern.test(message),
  );
  if (isBeyond || saysFullDisk(message)) return undefined;
  const holdsRows = stretchesOf(listing).findLast(({ from }) => from <= line)?.holdsRows === true;
  const isCopy = /^COPY\b/i.test(statement);
  // Of a large object several statements are one transaction.
  if (holdsRows !== (isCopy || /^INSERT\b/i.test(statement))) return undefined;
  const begins = isCopy ? found.line : line - statement.split('\n').length + 1;
  return { begins, ends: line, database, entry, statement, holdsRows };
}

const isHarmless = ({ message, statement = '' }: ScriptError): boolean =>
  judgeRestoreError({ message, command: statement }, false) === 'harmless';

async function tryAgain(
  bench: Workbench,
  server: TemporaryServer,
  initial: string,
  failed: readonly FailedObject[],
): Promise<readonly RestoreNote[]> {
  const notes: RestoreNote[] = [];
  for (const database of new Set(failed.map((object) => object.database ?? initial))) {
    const statements = new Map<ArchiveEntry, string>();
    for (const { entry, statement, ...object } of failed) {
      if ((object.database ?? initial) !== database) continue;
      const before = statements.get(entry);
      statements.set(entry, `${before === undefined ? '' : `${before}\n`}${terminated(statement)}`);
    }
    const again = await server.query(database, (client) =>
      withoutEventTriggers(client, async () => {
        const searchPath = await applySettings(client, database, [], () => undefined);
        return await restoreAgain(bench, server, [...statements.keys()], {
          ...{ database, searchPath },
          // psql shows a statement in the script's encoding: what is none of ours can't be sent again.
          statementsOf: async (entry) => {
            const sql = statements.get(entry) ?? '';
            return sql.includes('\uFFFD') ? '' : sql;
          },
        });
      }),
    );
    notes.push(
      ...again.notes.map((note) => {
        const sql = note.entry === undefined ? '' : (statements.get(note.entry) ?? '');
        return OWNER.test(sql) && note.what === 'is missing' ? { ...note, what: 'has another owner' } : note;
      }),
    );
  }
  return notes;
}

/** What it is of is there. */
const OWNER = /^ALTER .* OWNER TO .*;$/s;

const terminated = (statement: string): string => (/;\s*$/.test(statement) ? statement : `${statement};`);

/** Tells every error. Rows may be lost because their table is. */
async function unbearable(
  bench: Workbench,
  { dump }: Pick<ScriptOptions, 'dump'>,
  { errors, stderr }: ScriptRun,
  notes: readonly RestoreNote[] = [],
): Promise<unknown> {
  const told = [...tablesThatFailed(notes), ...errors.map(({ message }) => ({ message, command: '' }))];
  for (const { message } of told) bench.report.line(message, 'error');
  const damage = errors.find(({ message }) => DAMAGED_SCRIPT.test(message));
  if (damage !== undefined && told.length === errors.length) {
    const problem = `${damage.message} (${damage.line === undefined ? 'unknown line' : `line ${damage.line}`})`;
    return await fullTarget(bench, fail('dump_unreadable', { file: dump, problem }), stderr);
  }
  return await restoreFailure(bench, undefined, told, stderr);
}
