/** Decides which of the found migrations belong to which database: the table of applied ones tells, and nothing is guessed. */
import { posix } from 'node:path';
import type { MemberName } from '../protocol/ids.ts';
import type { MigrationReport } from '../protocol/migrationReport.ts';
import { migrationToolTitles } from '../protocol/migrationTools.ts';
import type { AppliedTable, FoundTables, MemberDatabase } from './appliedTables.ts';
import type { Comparison, Evidence, Layout } from './layout.ts';
import { limits, merged, reportOf, subjectOf, unknownReport } from './report.ts';
import { otherToolsTables } from './toolModules.ts';
import { isWithin, type Tree } from './tree.ts';

/** A layout, and a table in a member's database that may be its. */
export interface Pair {
  layout: Layout;
  database: MemberDatabase;
  table: AppliedTable;
  comparison: Comparison;
}

/** For one database: folders of the same tool that share a table are one history, and so is every other tool with a table of its own. */
export function decided(
  tree: Tree,
  all: readonly Pair[],
  /** Layouts that no database knows. */
  unused: readonly Layout[],
): MigrationReport[] {
  const isUnused = ({ layout }: Pair): boolean => unused.includes(layout);
  const pairs = all.filter(({ comparison }) => comparison.shared > 0);
  const byTable = Map.groupBy(pairs, nameOf);
  const reports: MigrationReport[] = [];
  for (const same of byTable.values()) {
    const most = Math.max(...same.map(({ comparison }) => comparison.shared));
    const best = same.find(({ comparison }) => comparison.shared === most);
    if (best === undefined) continue;
    const idle = all.filter((pair) => isUnused(pair) && nameOf(pair) === nameOf(best) && isKin(pair, best));
    // A folder that somebody named is this database's, whatever was applied of it.
    const stated = idle.filter(({ layout }) => layout.evidence === 'settings');
    const doubtful = idle.filter(({ layout }) => layout.evidence === 'files').map(({ layout }) => layout);
    const together = [...same.filter(({ layout }) => layout.tool === best.layout.tool), ...stated];
    const layouts = together.map(({ layout }) => layout);
    const others = unused.filter(
      (layout) =>
        layout.evidence === 'configuration' &&
        layout.directory !== best.layout.directory &&
        !alone(all, pairs, unused).some((pair) => pair.layout === layout),
    );
    reports.push(
      reportOf(subjectOf(best.layout, { member: best.database.member, table: best.table }), {
        ...merged([best, ...together.filter((pair) => pair !== best)].map(({ comparison }) => comparison)),
        moreNotes: alsoFound(others),
        moreUnread: [...limits(tree, layouts), ...mayBelong(doubtful)],
      }),
    );
  }
  if (reports.length === 0) return reports;
  for (const { layout, database, table, comparison } of alone(all, pairs, unused))
    reports.push(
      reportOf(subjectOf(layout, { member: database.member, table }), {
        ...comparison,
        moreUnread: limits(tree, [layout]),
      }),
    );
  return reports;
}

const nameOf = ({ table }: Pair): string => `${table.schema}.${table.name}`;

/** Numbers in front of SQL files are used for much else: only those beside the known ones count. */
const isKin = ({ layout }: Pair, { layout: best }: Pair): boolean =>
  layout.tool === best.tool &&
  (layout.tool !== 'sql' ||
    isWithin(layout.directory, best.directory) ||
    (/migrat/i.test(posix.dirname(best.directory)) &&
      isWithin(layout.directory, posix.dirname(best.directory))));

/** Tools whose configuration and whose table are there, and nothing of which was applied yet. */
function alone(all: readonly Pair[], known: readonly Pair[], unused: readonly Layout[]): Pair[] {
  const idle = all.filter(
    ({ layout }) => layout.tool !== 'sql' && layout.evidence === 'configuration' && unused.includes(layout),
  );
  const byTable = Map.groupBy(
    idle.filter((pair) => !known.some((other) => nameOf(other) === nameOf(pair))),
    nameOf,
  );
  return [...byTable.values()].flatMap((pairs) => (pairs.length === 1 ? pairs : []));
}

const mayBelong = (layouts: readonly Layout[]): string[] =>
  layouts.length === 0
    ? []
    : [
        `whether this database is to have ${layouts.map(named).join(', ')} too can not be told, since nothing of it is applied: name tool and directory of what belongs here in workspace.migrations`,
      ];

const alsoFound = (layouts: readonly Layout[]): string[] =>
  layouts.length === 0
    ? []
    : [
        `Also found, and not in this database: ${layouts.map(named).join(', ')}; if it belongs here, name it in workspace.migrations.`,
      ];

/** No table has a migration of the checkout in it: what was found decides, if it is one thing. */
export async function undecided(state: {
  tree: Tree;
  layouts: readonly Layout[];
  pairs: readonly Pair[];
  readable: readonly MemberDatabase[];
  found: ReadonlyMap<MemberName, FoundTables>;
  isWhole: boolean;
}): Promise<MigrationReport[]> {
  const { tree, layouts, pairs, readable, found, isWhole } = state;
  const paired = layouts.filter((layout) => pairs.some((pair) => pair.layout === layout));
  const top = strongest(paired.length > 0 ? paired : layouts);
  const [layout, ...rest] = top;
  const [database] = readable;
  if (layout === undefined || database === undefined) return [];
  const own = pairs.filter((pair) => pair.layout === layout);
  const members = (own.length > 0 ? own.map((pair) => pair.database) : readable).map(({ member }) => member);
  const member = members.length === 1 && isWhole ? (members[0] ?? null) : null;
  if (rest.length > 0) {
    const tools = new Set(top.map(({ tool }) => tool));
    const problem = `several are found (${top.map(named).join(', ')}) and no table of applied migrations tells which one this database follows; name tool and directory in workspace.migrations`;
    const subject = { ...subjectOf(layout, { member, table: null }), directory: null };
    return [unknownReport(tools.size === 1 ? subject : { ...subject, tool: null }, problem)];
  }
  const [pair] = own;
  if (members.length > 1 || (pair === undefined && !isWhole)) {
    const problem = `it can't be told which member's database follows ${named(layout)} (${members.join(', ')}); say so in workspace.migrations.member`;
    return [unknownReport(subjectOf(layout, { member: null, table: null }), problem)];
  }
  if (pair !== undefined) {
    const subject = subjectOf(layout, { member: pair.database.member, table: pair.table });
    return [reportOf(subject, { ...pair.comparison, moreUnread: limits(tree, [layout]) })];
  }
  return [await nothingApplied({ tree, layout, member, found: found.get(database.member) })];
}

/** A database without the table: nothing was applied, unless the project names its table in a way that was not found. */
async function nothingApplied(state: {
  tree: Tree;
  layout: Layout;
  member: MemberName | null;
  found: FoundTables | undefined;
}): Promise<MigrationReport> {
  const { tree, layout, member, found } = state;
  const [table = ''] = layout.table.names;
  if (layout.tool === 'sql' && layout.table.names.length > 1) {
    const problem = `no table that lists applied files of ${layout.directory} was found; say table and column in workspace.migrations`;
    return unknownReport(subjectOf(layout, { member, table: null }), problem);
  }
  const other = found?.tables.find(({ name }) => otherToolsTables[name] !== undefined);
  if (other !== undefined && layout.evidence === 'files') {
    const problem = `the database has ${other.name} of ${otherToolsTables[other.name] ?? 'another tool'}, which is not known here, and no ${table}; say tool, table and column in workspace.migrations`;
    return unknownReport(subjectOf(layout, { member, table: null }), problem);
  }
  const name = layout.table.schema === undefined ? table : `${layout.table.schema}.${table}`;
  const notes = [`The database has no table ${name}: nothing is applied.`];
  if (found?.isEmpty === false)
    notes.push('It has other tables: if this one has another name, say it in workspace.migrations.table.');
  const comparison = await layout.compare([], []);
  return reportOf(
    { ...subjectOf(layout, { member, table: null }), table: name },
    { ...comparison, moreNotes: notes, moreUnread: limits(tree, [layout]) },
  );
}

const order: readonly Evidence[] = ['settings', 'configuration', 'files'];

/** Those with the best evidence; numbers in front of SQL files say less than any tool's own marks. */
export function strongest(layouts: readonly Layout[]): Layout[] {
  const others = layouts.filter(({ tool }) => tool !== 'sql');
  const from = others.length > 0 ? others : layouts;
  for (const evidence of order) {
    const found = from.filter((layout) => layout.evidence === evidence);
    if (found.length > 0) return found;
  }
  return [];
}

const named = ({ tool, directory }: Layout): string => `${migrationToolTitles[tool]} in ${directory}`;
