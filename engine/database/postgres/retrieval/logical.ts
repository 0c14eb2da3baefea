/** Retrieves from a running server: pg_dump of one exported snapshot, restored into a new cluster. */
import path from 'node:path';
import type { Client } from 'pg';
import type { MemberDefinition } from '../../../protocol/entities.ts';
import type { Machine } from '../../../machine/machine.ts';
import { fail } from '../../../protocol/errors.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import type { Retrieved } from '../../database.ts';
import { sqlState } from '../admin.ts';
import {
  compareWithSource,
  concludeComparison,
  valuesByName,
  type SourcePicture,
} from '../compare/compareCopy.ts';
import { readInventory, readSequenceValues } from '../compare/inventory.ts';
import { countSourceRows, notCounted } from '../compare/rowCounts.ts';
import { countOf } from '../counts.ts';
import { createDatabase, readDatabaseShape, type DatabaseShape } from '../createDatabase.ts';
import {
  readDatabaseProperties,
  writeDatabaseProperties,
  type DatabaseProperties,
} from '../databaseProperties.ts';
import { disarm } from '../disarm.ts';
import { finish } from '../prepare.ts';
import { checkRoleOf } from '../roleOfSource.ts';
import { readRoles, writeRoles, type SourceRoles } from '../roles.ts';
import { selectTables, sourceExtensions, type SelectedSource } from '../selection.ts';
import { libpqArguments, libpqEnvironment, libpqSecrets } from '../access/libpq.ts';
import { openSource, type SourceConnection, type SourceSession } from '../sourceConnection.ts';
import { dumpProblems, explainDumpFailure, explainQueryError } from '../sourceErrors.ts';
import { FIRST_START, withTemporaryServer, type TemporaryServer, type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import { portion } from '../../portion.ts';
import { readArchive } from './archive.ts';
import { readSwitchedChecks, switchChecks, type SwitchedCheck } from './disabledChecks.ts';
import { lockHolders, saysLockTimeout } from './lockHolders.ts';
import { makeCluster, RESTORE_SETTINGS } from './newCluster.ts';
import { extensionsToLeaveOut, modulesFor, withoutExtensions, type SourceExtension } from './leaveOut.ts';
import { restoreArchive } from './restore.ts';
import { gatherStatistics } from './statistics.ts';

export interface SourceFacts {
  major: number;
  version: string;
}

export interface LogicalRequest {
  member: string;
  definition: MemberDefinition;
  password: string | undefined;
  scratch: string;
  machine: Machine;
  client: ClientPrograms;
  /** Asked once the source's version is known. */
  openBench: (source: SourceFacts) => Promise<Workbench>;
  report: Workbench['report'];
  signal: AbortSignal;
}

interface SourcePlan {
  member: string;
  facts: SourceFacts;
  takenAt: Date;
  /** Undefined where the server can't export one: then pg_dump takes its own, a moment later. */
  snapshot: string | undefined;
  shape: DatabaseShape;
  roles: SourceRoles;
  properties: DatabaseProperties | undefined;
  selected: SelectedSource;
  extensions: readonly SourceExtension[];
  /** Schemas in which the source looks for unqualified names. */
  searchPath: readonly string[];
}

/** Two parallel connections already hide most waiting; more would be felt by the source. */
const DUMP_JOBS = 2;
const RESTORE_JOBS = 2;
/** For a lock at the source; as long as a query of ours waits for one. */
const LOCK_SECONDS = 60;

export async function retrieveLogical(request: LogicalRequest): Promise<Retrieved> {
  const { definition, member, signal, report } = request;
  report.phase('reading the source');
  const { machine, password } = request;
  const session = await openSource({ machine, url: definition.url, password, member, signal });
  const { source } = session;
  for (const note of session.notes) report.line(note);
  // A query of ours may wait for a lock there: hanging up ends the wait at both ends.
  const hangUp = (): void => {
    void session.client.end().catch(() => undefined); // best effort: the abort's reason is what the caller hears
  };
  signal.addEventListener('abort', hangUp, { once: true });
  try {
    const plan = await planSource(session, source, request);
    const bench = await request.openBench(plan.facts);
    const preload = await modulesFor(
      bench,
      plan.extensions.map(({ name }) => name),
    );
    await makeCluster(bench, preload);
    const { value } = await withTemporaryServer(
      bench,
      { ...FIRST_START, ...RESTORE_SETTINGS, shared_preload_libraries: preload.join(',') },
      (server) => fillFromSource(request, { session, plan, bench }, server),
    );
    await finish(
      { ...bench, report: portion(bench.report, 0.92, 1) },
      { thorough: false, prepared: value.prepared, user: definition.user },
    );
    return {
      version: String(bench.server.major),
      database: definition.database ?? source.database,
      dataStateAt: plan.takenAt,
      comparison: value.comparison,
    };
  } finally {
    signal.removeEventListener('abort', hangUp);
    await session.client.end().catch(() => undefined); // best effort: it may have gone meanwhile
  }
}

/** Dumps the source, restores it, and compares what came with what is there. */
async function fillFromSource(
  request: LogicalRequest,
  { session, plan, bench }: { session: SourceSession; plan: SourcePlan; bench: Workbench },
  server: TemporaryServer,
) {
  const { definition, signal } = request;
  const { source } = session;
  const without = await extensionsToLeaveOut(bench, server, {
    extensions: plan.extensions,
    exclude: definition.exclude?.extensions,
  });
  const dump = path.join(request.scratch, 'dump');
  const picture = await dumpAndPicture(bench, session, plan, dump, request);
  // The source is not needed any more: its snapshot holds back vacuum there.
  await session.client.end().catch(() => undefined); // best effort: it may have gone meanwhile
  const refused: string[] = [];
  const warn = (text: string): void => {
    refused.push(text);
    bench.report.line(text, 'warning');
  };
  await makeFrame(server, source.database, plan, warn);
  const whole = await readArchive(bench.machine, request.client, dump, signal, bench.mark);
  const {
    archive,
    list,
    notes: leftOut,
    doubtful,
  } = await withoutExtensions(bench, whole, without, request.scratch);
  const restored = await restoreArchive({ ...bench, report: portion(bench.report, 0.5, 0.85) }, server, {
    client: request.client,
    file: dump,
    database: source.database,
    ...{ archive, list, doubtful },
    jobs: RESTORE_JOBS,
    partial: plan.selected.partial || list !== undefined,
    weights: new Map(plan.selected.tables.map((table) => [`${table.schema}.${table.name}`, table.dataBytes])),
    dump: undefined,
    searchPath: plan.searchPath,
    scratch: request.scratch,
    onObjectError: definition.onRestoreError ?? 'warn',
  });
  await bench.machine.files.remove(dump);
  await gatherStatistics(server, source.database, bench);
  const { prepared } = await disarm(bench, server);
  bench.report.phase('comparing');
  const compared = await server.query(source.database, async (client) => {
    await switchChecks(client, picture.switched);
    return await compareWithSource(client, bench.server.major, picture);
  });
  const comparison = concludeComparison(
    compared,
    {
      leftOut: plan.selected.leftOut,
      notes: [...restored, ...leftOut],
      valuesAfter: valuesByName(picture.valuesAfter),
      refused,
      majors: { source: plan.facts.major, copy: bench.server.major },
    },
    { report: bench.report, tolerant: definition.onRestoreError === 'warn' },
  );
  return { prepared, comparison };
}

/** All that is there before the first object of the dump: the database, its roles, and what is set for them. */
async function makeFrame(
  { query }: TemporaryServer,
  database: string,
  { shape, roles, properties }: SourcePlan,
  warn: (text: string) => void,
): Promise<void> {
  await createDatabase(query, database, shape, warn);
  await query('template1', (client) => writeRoles(client, roles, database, warn));
  if (properties === undefined) return;
  await query(database, (client) => writeDatabaseProperties(client, database, properties, warn));
}

async function planSource(
  session: SourceSession,
  source: SourceConnection,
  request: LogicalRequest,
): Promise<SourcePlan> {
  const { client } = session;
  try {
    const facts = await readSourceVersion(client);
    if (facts.major > request.client.major) {
      throw fail('source_too_new', { source: facts.version, tools: request.client.version });
    }
    const snapshot = await beginWithSnapshot(client);
    const { rows } = await client.query<{ now: Date; schemas: string[] }>(
      'SELECT pg_catalog.now() AS now, pg_catalog.current_schemas(false)::text[] AS schemas',
    );
    const selected = await selectTables(client, request.definition);
    checkReadable(selected, source);
    await checkRoleOf(client, request.definition.user);
    return {
      member: request.member,
      facts,
      takenAt: rows[0]?.now ?? new Date(),
      snapshot,
      shape: await readDatabaseShape(client, facts.major),
      roles: await readRoles(client, facts.major),
      properties: await readDatabaseProperties(client),
      selected,
      extensions: await sourceExtensions(client, selected),
      searchPath: rows[0]?.schemas ?? [],
    };
  } catch (error) {
    if (sqlState(error) === '55P03')
      throw fail(
        'source_locked',
        { locks: await lockHolders(client), seconds: LOCK_SECONDS },
        { cause: error },
      );
    throw explainQueryError(error, source, request.member);
  }
}

/** What the source has is read beside the dump, in the transaction whose snapshot the dump shows. */
async function dumpAndPicture(
  bench: Workbench,
  session: SourceSession,
  plan: SourcePlan,
  into: string,
  request: LogicalRequest,
): Promise<SourcePicture & { switched: readonly SwitchedCheck[] }> {
  let { snapshot } = plan;
  const dump = async (onLocked: () => void): Promise<void> => {
    if (await runDump(bench, session, plan, into, { ...request, snapshot, onLocked })) return;
    snapshot = undefined;
    const what = 'Connections to the source lead to several servers, or through a pooler';
    bench.report.line(`${what}: pg_dump takes a snapshot of its own, a moment later.`, 'warning');
    await bench.machine.files.remove(into);
    await runDump(bench, session, plan, into, { ...request, snapshot, onLocked });
  };
  let dumped = Promise.resolve();
  const locked = new Promise<void>((resolve) => {
    dumped = dump(resolve);
  });
  dumped.catch(() => undefined); // awaited below, where a failure is thrown
  const { major } = plan.facts;
  try {
    const valuesBefore = await readSequenceValues(session.client, major, true);
    const inventory = await readInventory(session.client, major, { inTransaction: true });
    const switched = await readSwitchedChecks(session.client);
    // What is emptied before it has its lock is empty for pg_dump too.
    await Promise.race([locked, dumped]);
    const rows =
      snapshot === undefined
        ? notCounted('the source does not share its snapshot with pg_dump')
        : await countSourceRows(session.client, major, plan.selected.tables);
    await dumped;
    const valuesAfter = await readSequenceValues(session.client, major, true);
    return { inventory, rows, switched, valuesBefore, valuesAfter };
  } catch (error) {
    // The dump says best what has become of the source.
    await dumped;
    throw explainQueryError(error, session.source, plan.member);
  }
}

export async function readSourceVersion(client: Client): Promise<SourceFacts> {
  const { rows } = await client.query<{ number: string; version: string }>(
    "SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version",
  );
  const number = Number(rows[0]?.number ?? 0);
  return { major: Math.floor(number / 10000), version: rows[0]?.version.split(' ')[0] ?? '' };
}

/** With it the moment that the data shows is known exactly. None can be exported behind a savepoint. */
async function beginWithSnapshot(client: Client): Promise<string | undefined> {
  const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
  await client.query(begin);
  try {
    const { rows } = await client.query<{ id: string }>('SELECT pg_catalog.pg_export_snapshot() AS id');
    return rows[0]?.id;
  } catch (error) {
    if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
    // Some compatible servers can't; pg_dump then takes its own snapshot, a moment later.
    await client.query('ROLLBACK');
    await client.query(begin);
    return undefined;
  }
}

export function checkReadable(selected: SelectedSource, source: Pick<SourceConnection, 'user'>): void {
  const refused = selected.tables
    .filter((table) => table.holdsRows && (!table.readable || table.filtered))
    .map((table) => `${table.schema}.${table.name}${table.readable ? ' (row-level security)' : ''}`);
  if (refused.length > 0) throw fail('source_permission', { user: source.user, objects: refused });
}

interface DumpOptions extends Pick<LogicalRequest, 'client' | 'scratch'> {
  snapshot: string | undefined;
  onLocked: () => void;
}

/** Another server than the one that has it says so. */
const SNAPSHOT_UNKNOWN = /invalid snapshot identifier|snapshot "[^"]*" does not exist/;

/** Resolves to false where pg_dump does not find the snapshot. */
async function runDump(
  bench: Workbench,
  session: SourceSession,
  plan: SourcePlan,
  into: string,
  { client, scratch, snapshot, onLocked }: DumpOptions,
): Promise<boolean> {
  const { source } = session;
  const report = portion(bench.report, 0.02, 0.5);
  const total = plan.selected.tables.filter((table) => table.holdsRows).length;
  report.phase('dumping');
  report.line(
    `Dumping ${countOf(total, 'table')} of ${source.database} at ${source.host} (PostgreSQL ${plan.facts.version}).`,
  );
  const sizes = new Map<string, number>();
  for (const table of plan.selected.tables)
    sizes.set(table.name, (sizes.get(table.name) ?? 0) + table.dataBytes);
  const totalBytes = plan.selected.tables.reduce((sum, table) => sum + table.dataBytes, 0);
  let bytes = 0;
  const result = await bench.machine.run(
    {
      program: client.pg_dump,
      args: [
        ...libpqArguments(source),
        '--format=directory',
        `--file=${into}`,
        `--jobs=${DUMP_JOBS}`,
        // It is read once, on this machine: light compression costs less than the disk.
        '--compress=1',
        '--verbose',
        '--no-password',
        '--no-tablespaces',
        '--no-subscriptions',
        '--no-security-labels',
        `--lock-wait-timeout=${LOCK_SECONDS * 1000}`,
        ...(snapshot === undefined ? [] : [`--snapshot=${snapshot}`]),
        ...plan.selected.excludedSchemas.map((pattern) => `--exclude-schema=${pattern}`),
        ...plan.selected.excludedTables.map((pattern) => `--exclude-table=${pattern}`),
      ],
      env: {
        ...libpqEnvironment(source, session),
        ...(await libpqSecrets(source, bench.machine, scratch)),
      },
      mark: bench.mark,
      parse: (output) => output,
    },
    {
      signal: bench.signal,
      onStderrLine: (line) => {
        // What it says first when it has locked all tables.
        if (line.startsWith('pg_dump: saving ')) onLocked();
        const finished = /^pg_dump: finished item \d+ TABLE DATA (.*)$/.exec(line);
        if (finished === null) return;
        const name = finished[1] ?? '';
        bytes += sizes.get(name) ?? 0;
        sizes.delete(name);
        report.progress(bytes / Math.max(totalBytes, 1));
        report.line(`Dumped ${name}.`);
      },
    },
  );
  if (result.code !== 0 && snapshot !== undefined && SNAPSHOT_UNKNOWN.test(result.stderr)) return false;
  if (result.code !== 0) {
    const problems = dumpProblems(result.stderr);
    for (const line of problems) bench.report.line(line, 'error');
    const error = saysLockTimeout(problems.join('\n'))
      ? fail('source_locked', { locks: await lockHolders(session.client), seconds: LOCK_SECONDS })
      : explainDumpFailure(result.stderr, source);
    throw await fullTarget(bench, error, result.stderr);
  }
  for (const line of result.stderr.split('\n')) {
    if (line.startsWith('pg_dump: warning: '))
      report.line(line.slice('pg_dump: warning: '.length), 'warning');
  }
  report.progress(1);
  return true;
}
