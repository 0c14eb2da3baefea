/** Tries a source without changing it, and tells what is there or what exactly is in the way. */
import type { Client } from 'pg';
import type { Machine } from '../../machine/machine.ts';
import type { MemberDefinition, SourceReport } from '../../protocol/entities.ts';
import { MEMBER_BEING_TESTED, reportOf, type Findings } from '../sourceReport.ts';
import { fail } from '../../protocol/errors.ts';
import type { Images } from '../../runtime/images.ts';
import { clientTools, serverAtLeast, serverOf, type FindPrograms } from './programs.ts';
import type { ImagePrograms } from './programs/imagePrograms.ts';
import { readArchive } from './retrieval/archive.ts';
import { inspectDirectory } from './retrieval/inspectDirectory.ts';
import { prepareDump } from './retrieval/dumpFile.ts';
import { checkArchive, noRowsInScript, readPlainFacts } from './retrieval/dumpKind.ts';
import { checkReadable, readSourceVersion } from './retrieval/logical.ts';
import { selectTables } from './selection.ts';
import { checkTools } from './access/libpq.ts';
import { openSource } from './sourceConnection.ts';
import { explainQueryError } from './sourceErrors.ts';

export interface SourceTestOptions {
  machine: Machine;
  /** Of the machine. */
  programs: FindPrograms;
  images: Images;
  ofImages: ImagePrograms;
  definition: MemberDefinition;
  password: string | undefined;
  signal: AbortSignal | undefined;
}

/** Large catalogs are cut: the largest tables say what there is. */
const MOST_TABLES = 500;

export const testSource = (options: SourceTestOptions): Promise<SourceReport> =>
  reportOf(async (findings) => {
    const programs = await programsFor(options, findings);
    await examine({ ...options, programs }, findings);
  }, options.signal);

/** Nothing is got for a test: what an image has is then seen by the first refresh. */
async function programsFor(
  { programs, images, ofImages, definition }: SourceTestOptions,
  findings: Findings,
): Promise<FindPrograms> {
  const { image } = definition;
  if (image === undefined) return programs;
  const here = await images.find(image);
  if (here !== undefined) return ofImages.from(here, programs);
  findings.warnings.push(`The image ${image} is not here yet: the first refresh gets it.`);
  return programs;
}

async function examine(options: SourceTestOptions, findings: Findings): Promise<void> {
  switch (options.definition.retrieval) {
    case 'logical':
      await examineServer(options, findings);
      return;
    case 'dump':
      await examineDump(options, findings);
      return;
    case 'directory':
      await examineDirectory(options, findings);
      return;
    case 'physical':
      throw fail('not_supported', { feature: 'The retrieval "physical"' });
  }
}

async function examineServer(options: SourceTestOptions, findings: Findings): Promise<void> {
  const { machine, definition, programs, signal } = options;
  const { url } = definition;
  const session = await openSource({
    machine,
    url,
    password: options.password,
    member: MEMBER_BEING_TESTED,
    signal,
  });
  const { client, source } = session;
  findings.warnings.push(...session.notes);
  const abort = (): void => {
    void client.end().catch(() => undefined); // best effort: the abort's reason is thrown
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const facts = await readSourceVersion(client);
    findings.serverVersion = facts.version;
    findings.databases = await listDatabases(client);
    const selected = await selectTables(client, definition);
    findings.tables = selected.tables
      .filter((table) => table.holdsRows)
      .slice(0, MOST_TABLES)
      .map(({ schema, name, bytes, rows }) => ({ schema, name, bytes, rows }));
    if (selected.tables.length === 0) findings.warnings.push('There are no tables to copy.');
    findings.warnings.push(...(await findWarnings(client)));
    checkReadable(selected, source);
    await checkPrograms(programs, facts, definition, findings);
    const { startOptions } = session;
    await checkTools(machine, await clientTools(programs), source, { startOptions, signal });
  } catch (error) {
    throw explainQueryError(error, source, MEMBER_BEING_TESTED);
  } finally {
    signal?.removeEventListener('abort', abort);
    await client.end().catch(() => undefined); // best effort: the answer is there
  }
}

/** Sizes of databases that we may not connect to are not told by the server. */
async function listDatabases(client: Client): Promise<Findings['databases']> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `SELECT datname AS name,
            CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END::text AS bytes
     FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname`,
  );
  return rows.map((row) => ({ name: row.name, bytes: Number(row.bytes) }));
}

async function findWarnings(client: Client): Promise<readonly string[]> {
  const warnings: string[] = [];
  const foreign = await client.query<{ srvname: string }>(
    'SELECT srvname FROM pg_foreign_server ORDER BY srvname',
  );
  if (foreign.rows.length > 0) {
    const names = foreign.rows.map((row) => row.srvname).join(', ');
    warnings.push(`Clones can't use its foreign servers (${names}): their passwords are left out.`);
  }
  const unlogged = await client.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM pg_class WHERE relkind = 'r' AND relpersistence = 'u'",
  );
  if ((unlogged.rows[0]?.count ?? 0) > 0) {
    warnings.push('Unlogged tables are empty in a clone whose server was killed.');
  }
  return warnings;
}

async function checkPrograms(
  programs: FindPrograms,
  source: { major: number; version: string },
  definition: MemberDefinition,
  findings: Findings,
): Promise<void> {
  const tools = await clientTools(programs);
  if (source.major > tools.major)
    throw fail('source_too_new', { source: source.version, tools: tools.version });
  const server =
    definition.version === undefined
      ? await serverAtLeast(programs, source.major)
      : await serverOf(programs, definition.version, 'which the definition asks for');
  if (server.major !== source.major) {
    findings.warnings.push(
      `The source is PostgreSQL ${source.major}; its copies will be PostgreSQL ${server.major}.`,
    );
  }
}

async function examineDump(options: SourceTestOptions, findings: Findings): Promise<void> {
  const { machine, programs, signal } = options;
  const file = options.definition.dump ?? '';
  const prepared = await prepareDump({ machine, dump: file, scratch: undefined, signal });
  const tools = await clientTools(programs);
  if (prepared.format === 'plain') {
    const { version } = await readPlainFacts(machine, prepared, file, signal);
    const warning = await noRowsInScript(machine, prepared, signal);
    if (warning !== undefined) findings.warnings.push(warning);
    findings.serverVersion = version ?? null;
    await serverAtLeast(programs, Number.parseInt(version ?? '0', 10));
    return;
  }
  // pg_restore doesn't read packed archives, and unpacking takes long: the refresh tells what is inside.
  if (prepared.isPacked) return;
  const archive = await readArchive(machine, tools, prepared.file, signal);
  const warning = checkArchive(archive, file);
  if (warning !== undefined) findings.warnings.push(warning);
  findings.serverVersion = archive.sourceVersion ?? null;
  if (archive.database !== undefined) findings.databases.push({ name: archive.database, bytes: 0 });
  findings.tables = archive.entries
    .filter((entry) => entry.kind === 'TABLE DATA')
    .slice(0, MOST_TABLES)
    .map((entry) => ({ schema: entry.schema, name: entry.name, bytes: 0, rows: null }));
  await serverAtLeast(programs, Number.parseInt(archive.sourceVersion ?? '0', 10));
}

async function examineDirectory(options: SourceTestOptions, findings: Findings): Promise<void> {
  const { machine, programs, signal } = options;
  const directory = options.definition.directory ?? '';
  const facts = await inspectDirectory(machine, directory, signal);
  findings.serverVersion = String(facts.major);
  if (!facts.clean) findings.warnings.push('Its server was not stopped cleanly: the copy will be recovered.');
  await serverOf(programs, facts.major, `which the data in ${directory} needs`);
}
