/** Retrieves from a dump that pg_dump made: custom, tar, directory or plain SQL, each also inside gzip or zstd. */
import path from 'node:path';
import type { Comparison, MemberDefinition } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Machine } from '../../../machine/machine.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import type { Retrieved } from '../../database.ts';
import { compareWithList, compareWithScript, concludeComparison } from '../compare/compareCopy.ts';
import { createDatabase, PLAIN_SHAPE, type DatabaseShape } from '../createDatabase.ts';
import { disarm } from '../disarm.ts';
import { finish, type PreparedDatabase } from '../prepare.ts';
import { ensureRole } from '../roles.ts';
import { NEWEST_MAJOR } from '../programs.ts';
import { FIRST_START, withTemporaryServer, type TemporaryServer, type Workbench } from '../workbench.ts';
import { portion } from '../../portion.ts';
import { readArchive, type Archive } from './archive.ts';
import { prepareDump, type PreparedDump } from './dumpFile.ts';
import { checkArchive, noRowsInScript, readPlainFacts } from './dumpKind.ts';
import { applySettings } from './databaseSettings.ts';
import { findRoleNames } from './dumpRoles.ts';
import {
  extensionsToLeaveOut,
  modulesFor,
  refuseMissing,
  scriptExtensions,
  withoutExtensions,
} from './leaveOut.ts';
import { makeCluster, RESTORE_SETTINGS } from './newCluster.ts';
import { restoreArchive } from './restore.ts';
import type { RestoreNote } from './restoreAgain.ts';
import { restoreScript } from './restoreScript.ts';
import { readScriptListing, type ScriptListing } from './scriptListing.ts';
import { readableScript } from './readableScript.ts';
import { gatherStatistics } from './statistics.ts';

export interface DumpRequest {
  member: string;
  definition: MemberDefinition;
  scratch: string;
  client: ClientPrograms;
  openBench: (major: number) => Promise<Workbench>;
  machine: Machine;
  mark: string;
  report: Workbench['report'];
  signal: AbortSignal;
}

export async function retrieveDump(request: DumpRequest): Promise<Retrieved> {
  const { definition, machine, signal, report } = request;
  const dump = definition.dump ?? '';
  if (
    definition.include !== undefined ||
    definition.exclude?.schemas !== undefined ||
    definition.exclude?.tables !== undefined
  ) {
    throw fail('not_supported', {
      feature: 'Choosing tables of a dump (include, exclude)',
      instead: 'Choose them when the dump is made (pg_dump -t, -T), or use the retrieval "logical".',
    });
  }
  const unpacking = portion(report, 0, 0.1);
  report.phase('reading the dump');
  const prepared = await prepareDump({
    machine,
    dump,
    scratch: request.scratch,
    signal,
    onProgress: (fraction) => unpacking.progress(fraction),
    checkContents: async (folder) => {
      await readContents(request, dump, folder);
    },
  });
  return prepared.format === 'plain'
    ? await retrieveScript(request, dump, prepared)
    : await retrieveArchive(request, dump, prepared);
}

async function readContents(
  { machine, client, signal, mark }: DumpRequest,
  dump: string,
  file: string,
): Promise<Archive> {
  return await readArchive(machine, client, file, signal, mark).catch((error: unknown) => {
    throw namingDump(error, dump);
  });
}

async function retrieveArchive(
  request: DumpRequest,
  dump: string,
  prepared: PreparedDump,
): Promise<Retrieved> {
  const { definition, client } = request;
  const archive = await readContents(request, dump, prepared.file);
  const warning = checkArchive(archive, dump);
  if (warning !== undefined) request.report.line(warning, 'warning');
  const database = definition.database ?? archive.database ?? databaseNameOf(request.member);
  const bench = await request.openBench(Number.parseInt(archive.sourceVersion ?? String(NEWEST_MAJOR), 10));
  const extensions = archive.entries.filter(({ kind }) => kind === 'EXTENSION').map(({ name }) => name);
  const preload = await modulesFor(bench, extensions);
  await makeCluster(bench, preload);
  const { value } = await withTemporaryServer(
    bench,
    { ...FIRST_START, ...RESTORE_SETTINGS, shared_preload_libraries: preload.join(',') },
    async (server) => {
      const without = await extensionsToLeaveOut(bench, server, {
        extensions: extensions.map((name) => ({ name, isNeeded: true })),
        exclude: definition.exclude?.extensions,
      });
      const kept = await withoutExtensions(bench, archive, without, request.scratch);
      const schema = path.join(request.scratch, 'schema.sql');
      const { shape, settings } = await writeSchema(bench, request, prepared, dump, schema);
      await makeRoles(bench, server, schema);
      const warn = (text: string): void => bench.report.line(text, 'warning');
      await createDatabase(server.query, database, shape, warn);
      const searchPath = await server.query(database, (client) =>
        applySettings(client, database, settings, warn),
      );
      const notes = await restoreArchive({ ...bench, report: portion(bench.report, 0.1, 0.85) }, server, {
        client,
        file: prepared.file,
        database,
        ...kept,
        // Tar files can't be read from several places at once.
        jobs: prepared.format === 'tar' ? 1 : 2,
        partial: kept.list !== undefined,
        weights: new Map(),
        dump,
        searchPath,
        scratch: request.scratch,
        onObjectError: definition.onRestoreError ?? 'warn',
      });
      const completed = await complete(bench, server, [database]);
      bench.report.phase('comparing');
      const compared = await server.query(database, (session) =>
        compareWithList(session, bench.server.major, kept.archive),
      );
      const comparison = concludeComparison(
        compared,
        { leftOut: { schemas: new Set(), relations: new Set() }, notes, valuesAfter: new Map() },
        // Each pg_dump lists things in its own way: what is not found by its name may be there.
        { report: bench.report, tolerant: definition.onRestoreError !== 'fail' },
      );
      return { ...completed, comparison };
    },
  );
  await finishDump(bench, definition, value.prepared);
  return {
    version: String(bench.server.major),
    database,
    dataStateAt: archive.createdAt ?? prepared.modifiedAt,
    comparison: value.comparison,
  };
}

/** The dump's schema as SQL, read for its roles; with it comes how its database was made and set. */
async function writeSchema(
  bench: Workbench,
  request: DumpRequest,
  prepared: PreparedDump,
  dump: string,
  into: string,
): Promise<{ shape: DatabaseShape; settings: readonly string[] }> {
  await bench.machine.run(
    {
      program: request.client.pg_restore,
      args: ['--schema-only', '--create', '--no-tablespaces', `--file=${into}`, '--', prepared.file],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      mark: bench.mark,
      parse: (result) => {
        if (result.code !== 0) {
          throw fail('dump_unreadable', {
            file: dump,
            problem: result.stderr.trim().split('\n').at(-1) ?? '',
          });
        }
      },
    },
    { signal: bench.signal },
  );
  const lines = await bench.machine.run(
    {
      program: 'grep',
      args: [
        '-aE',
        '^(CREATE DATABASE |ALTER DATABASE .* SET |ALTER ROLE .* IN DATABASE .* SET )',
        '--',
        into,
      ],
      env: { LC_ALL: 'C' },
      parse: (result) => result.stdout.split('\n'),
    },
    { signal: bench.signal },
  );
  return {
    shape: shapeOf(lines.find((line) => line.startsWith('CREATE DATABASE ')) ?? ''),
    settings: lines.filter((line) => line.startsWith('ALTER ')),
  };
}

/** From `CREATE DATABASE x WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = '...' ...`. */
export function shapeOf(statement: string): DatabaseShape {
  const option = (name: string): string | undefined =>
    new RegExp(` ${name} = '((?:[^']|'')*)'`).exec(statement)?.[1]?.replaceAll("''", "'");
  const provider = / LOCALE_PROVIDER = (libc|icu|builtin)/.exec(statement)?.[1];
  const locale = option('LOCALE');
  return {
    encoding: option('ENCODING') ?? PLAIN_SHAPE.encoding,
    collate: option('LC_COLLATE') ?? locale ?? PLAIN_SHAPE.collate,
    ctype: option('LC_CTYPE') ?? locale ?? PLAIN_SHAPE.ctype,
    provider: provider === 'icu' ? 'i' : provider === 'builtin' ? 'b' : 'c',
    locale: option('ICU_LOCALE') ?? option('BUILTIN_LOCALE') ?? null,
    icuRules: option('ICU_RULES') ?? null,
    settings: new Map(),
  };
}

async function retrieveScript(
  request: DumpRequest,
  dump: string,
  prepared: PreparedDump,
): Promise<Retrieved> {
  const { definition, machine, signal } = request;
  if (definition.exclude !== undefined)
    throw fail('not_supported', {
      feature: 'Leaving extensions out of a plain SQL dump (exclude)',
      instead: 'Make the dump in another format (pg_dump -Fc), or use the retrieval "logical".',
    });
  const facts = await readPlainFacts(machine, prepared, dump, signal);
  const warning = await noRowsInScript(machine, prepared, signal);
  if (warning !== undefined) request.report.line(warning, 'warning');
  const bench = await request.openBench(Number.parseInt(facts.version ?? String(NEWEST_MAJOR), 10));
  const file = await readableScript(bench, request.scratch, prepared, facts);
  const extensions = await scriptExtensions(bench, file);
  const preload = await modulesFor(bench, extensions);
  await makeCluster(bench, preload);
  const named = definition.database ?? databaseNameOf(request.member);
  const { value } = await withTemporaryServer(
    bench,
    { ...FIRST_START, ...RESTORE_SETTINGS, shared_preload_libraries: preload.join(',') },
    async (server) => {
      await refuseMissing(bench, server, extensions);
      // pg_dumpall makes the roles itself and would stumble over ours.
      if (!(await makesRoles(bench, file))) await makeRoles(bench, server, file);
      if (!facts.createsDatabase) {
        await createDatabase(server.query, named, PLAIN_SHAPE, (text) => bench.report.line(text, 'warning'));
      }
      const listing = await readScriptListing(bench, file);
      const initial = facts.createsDatabase ? 'postgres' : named;
      bench.report.phase('restoring');
      bench.report.line(`Running ${dump} with psql.`);
      const notes = await restoreScript(bench, server, {
        client: request.client,
        ...{ file, dump, listing, scratch: request.scratch, database: initial },
        onObjectError: definition.onRestoreError ?? 'warn',
      });
      bench.report.progress(0.85);
      const { rows } = await server.query('postgres', (client) =>
        client.query<{ name: string }>(
          'SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate',
        ),
      );
      const databases = rows.map((row) => row.name);
      const completed = await complete(bench, server, databases);
      const comparison = await compareScript(bench, server, {
        definition,
        listing,
        initial,
        databases,
        notes,
      });
      return { ...completed, comparison };
    },
  );
  const databases = await finishDump(bench, definition, value.prepared);
  const database = facts.createsDatabase ? (definition.database ?? databases[0]?.name ?? named) : named;
  if (!databases.some((found) => found.name === database)) {
    const known = databases.map((found) => found.name).join(', ');
    throw fail('dump_unreadable', {
      file: dump,
      problem: `it has no database "${database}" (it has ${known})`,
    });
  }
  return {
    version: String(bench.server.major),
    database,
    dataStateAt: prepared.modifiedAt,
    comparison: value.comparison,
  };
}

interface ScriptToCompare {
  definition: MemberDefinition;
  listing: ScriptListing;
  initial: string;
  databases: readonly string[];
  notes: readonly RestoreNote[];
}

/** Undefined: the script does not tell what it holds. */
async function compareScript(
  { report, server: { major } }: Workbench,
  { query }: TemporaryServer,
  { definition, listing, initial, databases, notes }: ScriptToCompare,
): Promise<Comparison | undefined> {
  report.phase('comparing');
  if (listing.length === 0) {
    report.line(
      'Not compared with the source: pg_dump did not write this script, so it has no list of objects.',
    );
    return undefined;
  }
  const compared = await compareWithScript(query, major, { listing, initial, databases });
  return concludeComparison(
    compared,
    { leftOut: { schemas: new Set(), relations: new Set() }, notes, valuesAfter: new Map() },
    { report, tolerant: definition.onRestoreError !== 'fail' },
  );
}

async function complete(
  bench: Workbench,
  server: TemporaryServer,
  databases: readonly string[],
): Promise<{ prepared: number }> {
  for (const database of databases) {
    await gatherStatistics(server, database, bench);
  }
  return await disarm(bench, server);
}

async function finishDump(
  bench: Workbench,
  { user }: MemberDefinition,
  prepared: number,
): Promise<readonly PreparedDatabase[]> {
  const finishing = { ...bench, report: portion(bench.report, 0.92, 1) };
  return await finish(finishing, { thorough: false, prepared, user });
}

/** A dump of one database says to whom things belong, but does not make these roles. */
async function makeRoles(bench: Workbench, server: TemporaryServer, script: string): Promise<void> {
  const names = await findRoleNames(bench, script);
  await server.query('template1', async (client) => {
    for (const name of names) await ensureRole(client, name);
  });
  if (names.length > 0) bench.report.line(`Made the roles that the dump names: ${names.join(', ')}.`);
}

async function makesRoles(bench: Workbench, script: string): Promise<boolean> {
  return await bench.machine.run(
    {
      program: 'grep',
      args: ['-m', '1', '-aqE', '^CREATE ROLE ', '--', script],
      parse: (result) => result.code === 0,
    },
    { signal: bench.signal },
  );
}

/** Errors of reading an unpacked copy are about the dump that people gave. */
function namingDump(error: unknown, dump: string): unknown {
  if (!(error instanceof Error) || !('document' in error)) return error;
  const { details, code } = (error as { document: { details: Record<string, unknown>; code: string } })
    .document;
  if (code !== 'dump_unreadable') return error;
  return fail('dump_unreadable', { file: dump, problem: String(details['problem']) }, { cause: error });
}

/** A dump without a database's name gets the member's: at most 63 bytes. */
function databaseNameOf(member: string): string {
  // Cutting may split a character, which decoding then shows as U+FFFD.
  return Buffer.from(member)
    .subarray(0, 63)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
}
