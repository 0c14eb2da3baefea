/** Says for each member whether its database matches the migrations of a checkout: finds them, reads what was applied, and compares. */
import type { Row } from '../database/database.ts';
import { isFailure } from '../protocol/errors.ts';
import type { MemberName } from '../protocol/ids.ts';
import type { MigrationReport, MigrationSettings } from '../protocol/migrationReport.ts';
import { migrationToolTitles } from '../protocol/migrationTools.ts';
import {
  findTables,
  MAX_ROWS,
  rowsOf,
  type AppliedTable,
  type FoundTables,
  type MemberDatabase,
} from './appliedTables.ts';
import type { Comparison, Layout } from './layout.ts';
import { decided, strongest, undecided, type Pair } from './choice.ts';
import { limits, subjectOf, unknownReport, type Subject } from './report.ts';
import { otherToolsTables, toolModules } from './toolModules.ts';
import { normalFolder, openTree, type Tree } from './tree.ts';
import type { WorkingFiles } from './workingFiles.ts';

export interface MigrationQuestion {
  files: WorkingFiles;
  /** The members whose databases can have migrations. */
  databases: readonly MemberDatabase[];
  /** Undefined: everything is found by itself. An empty list asks for nothing. */
  settings: readonly MigrationSettings[] | undefined;
}

export async function compareMigrations(question: MigrationQuestion): Promise<MigrationReport[]> {
  const { files, databases, settings = [{}] } = question;
  if (settings.length === 0) return [];
  const also = settings.flatMap(({ directory }) => directory ?? []);
  let tree: Tree;
  try {
    tree = await openTree(files, also);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return settings.map((each) => unknownReport(nothing(each), `the checkout can not be read: ${problem}`));
  }
  const reports: MigrationReport[] = [];
  for (const each of settings) {
    try {
      reports.push(...(await answer(tree, databases, each)));
    } catch (error) {
      if (!isFailure(error, 'read_failed')) throw error;
      reports.push(unknownReport(nothing(each), error.message));
    }
  }
  return reports;
}

async function answer(
  tree: Tree,
  all: readonly MemberDatabase[],
  settings: MigrationSettings,
): Promise<MigrationReport[]> {
  const databases =
    settings.member === undefined ? all : all.filter(({ member }) => member === settings.member);
  const layouts = await layoutsIn(tree, settings);
  const only = databases.length === 1 ? (databases[0]?.member ?? null) : null;

  if (databases.length === 0) {
    const members = all.map(({ member }) => member).join(', ');
    const problem =
      settings.member === undefined
        ? 'the clone has no member whose database could have migrations'
        : `the clone has no PostgreSQL member "${settings.member}" (there are: ${members || 'none'})`;
    return [unknownReport({ ...nothing(settings), member: settings.member ?? null }, problem)];
  }
  const gone = [
    ...(settings.directory !== undefined && !tree.hasFolder(settings.directory) ? [settings.directory] : []),
    ...(settings.changelog !== undefined && !tree.has(normalFolder(settings.changelog))
      ? [settings.changelog]
      : []),
  ];
  if (gone.length > 0)
    return [
      unknownReport(
        { ...nothing(settings), member: only },
        `${gone.join(' and ')}, which workspace.migrations names, is not in the checkout`,
      ),
    ];
  if (layouts.length === 0) return [await nothingFound(tree, databases, settings)];

  const readable = databases.filter(({ problem }) => problem === null);
  const blind = databases.find(({ problem }) => problem !== null);
  if (readable.length === 0 && blind !== undefined)
    return strongest(layouts).map((layout) =>
      unknownReport(subjectOf(layout, { member: only, table: null }), blind.problem ?? 'it can not be read'),
    );

  const names = [
    ...new Set([
      ...layouts.flatMap(({ table, lock }) => [...table.names, ...(lock === undefined ? [] : [lock.name])]),
      ...Object.keys(otherToolsTables),
    ]),
  ];
  const found = new Map<MemberName, FoundTables>();
  for (const database of readable) found.set(database.member, await findTables(database, names));
  const pairs: Pair[] = [];
  for (const layout of layouts)
    for (const database of readable)
      pairs.push(...(await pairsOf(layout, database, found.get(database.member)?.tables ?? [], settings)));

  const known = pairs.filter(({ comparison }) => comparison.shared > 0);
  const unused = layouts.filter((layout) => !known.some((pair) => pair.layout === layout));
  const reports = readable.flatMap((database) =>
    decided(
      tree,
      pairs.filter((pair) => pair.database === database),
      unused,
    ),
  );
  if (reports.length > 0) return reports;
  return await undecided({ tree, layouts, pairs, readable, found, isWhole: blind === undefined });
}

async function layoutsIn(tree: Tree, settings: MigrationSettings): Promise<Layout[]> {
  const modules = settings.tool === undefined ? Object.values(toolModules) : [toolModules[settings.tool]];
  const layouts = (await Promise.all(modules.map((module) => module.find(tree, settings)))).flat();
  return layouts.map((layout) => ({
    ...layout,
    table: {
      ...layout.table,
      names: settings.table === undefined ? layout.table.names : [settings.table],
      schema: settings.schema ?? layout.table.schema,
    },
  }));
}

/** Tables of a member's database that may be the layout's; of several schemas the best one only. */
async function pairsOf(
  layout: Layout,
  database: MemberDatabase,
  tables: readonly AppliedTable[],
  settings: MigrationSettings,
): Promise<Pair[]> {
  const { names, schema, columns } = layout.table;
  const fitting = tables.filter(
    (table) =>
      names.includes(table.name) &&
      (settings.schema === undefined || table.schema === settings.schema) &&
      columns.needed.every((column) => table.columns.has(column)) &&
      !(columns.foreign ?? []).some((column) => table.columns.has(column)) &&
      [...columns.needed, ...(columns.wanted ?? [])].some((column) => table.columns.has(column)),
  );
  const pairs: Pair[] = [];
  for (const table of fitting) {
    const lock = tables.find(({ schema, name }) => schema === table.schema && name === layout.lock?.name);
    const [rows = [], lockRows = []] = await database.read([
      rowsOf(database, table, [...columns.needed, ...(columns.wanted ?? [])]),
      ...(lock === undefined ? [] : [rowsOf(database, lock, layout.lock?.columns ?? [])]),
    ]);
    pairs.push({ layout, database, table, comparison: await compared(layout, table, rows, lockRows) });
  }
  const rank = (pair: Pair): number => (pair.table.schema === schema ? 1 : 0);
  const [best] = pairs.sort(
    (one, other) => rank(other) - rank(one) || other.comparison.shared - one.comparison.shared,
  );
  return best === undefined ? [] : [best];
}

async function compared(
  layout: Layout,
  table: AppliedTable,
  rows: readonly Row[],
  lock: readonly Row[],
): Promise<Comparison> {
  if (rows.length <= MAX_ROWS) return await layout.compare(rows, lock);
  const problem = `${table.schema}.${table.name} has more than ${MAX_ROWS} rows, which no list of migrations has`;
  return { ...(await layout.compare([], lock)), problem };
}

const nothing = (settings: MigrationSettings): Subject => ({
  tool: settings.tool ?? null,
  directory: settings.directory ?? null,
  member: settings.member ?? null,
  table: settings.table ?? null,
});

/** Says what was looked for, which other tool's table is there, and how to tell more. */
async function nothingFound(
  tree: Tree,
  databases: readonly MemberDatabase[],
  settings: MigrationSettings,
): Promise<MigrationReport> {
  const where = settings.directory === undefined ? 'the checkout' : settings.directory;
  const what =
    settings.tool === undefined
      ? 'migrations of a known tool'
      : `migrations of ${migrationToolTitles[settings.tool]}`;
  const sought = settings.tool === undefined ? '' : ` (looked for ${toolModules[settings.tool].lookedFor})`;
  const [only] = databases;
  const member = databases.length === 1 && only !== undefined ? only.member : null;
  const others: string[] = [];
  for (const database of databases.filter(({ problem }) => problem === null)) {
    const { tables } = await findTables(database, Object.keys(otherToolsTables));
    for (const { name } of tables)
      others.push(`${database.member} has ${name} of ${otherToolsTables[name] ?? 'another tool'}`);
  }
  const problem = [
    `no ${what} are in ${where}${sought}`,
    ...(others.length === 0 ? [] : [`${others.join(', ')}, which is not known here`]),
    'say in workspace.migrations which tool, directory, table and column it is',
    ...limits(tree, []),
  ].join('; ');
  return unknownReport({ ...nothing(settings), member }, problem);
}
