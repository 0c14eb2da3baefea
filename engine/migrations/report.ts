/** Turns a comparison into the report that people read: the state, the lists, and one sentence with what to do. */
import type { MemberName } from '../protocol/ids.ts';
import type { MigrationReport, MigrationState } from '../protocol/migrationReport.ts';
import { migrationToolTitles, type MigrationTool } from '../protocol/migrationTools.ts';
import type { AppliedTable } from './appliedTables.ts';
import type { Comparison, Layout } from './layout.ts';
import { toolModules } from './toolModules.ts';
import { isWithin, type Tree } from './tree.ts';

export interface Subject {
  tool: MigrationTool | null;
  directory: string | null;
  member: MemberName | null;
  table: string | null;
}

export function subjectOf(
  layout: Layout,
  where: { member: MemberName | null; table: AppliedTable | null },
): Subject {
  const { member, table } = where;
  const name = table === null ? null : `${table.schema}.${table.name}`;
  return { tool: layout.tool, directory: layout.directory, member, table: name };
}

export function unknownReport(subject: Subject, problem: string): MigrationReport {
  const title = subject.tool === null ? 'Migrations' : migrationToolTitles[subject.tool];
  return {
    ...subject,
    state: 'unknown',
    pending: [],
    missing: [],
    edited: [],
    failed: [],
    outOfOrder: [],
    counts: { files: 0, applied: 0, pending: 0, missing: 0, edited: 0, failed: 0 },
    message: `${title}: whether the database matches this checkout is unknown: ${problem.replace(/\.$/, '')}.`,
    problem: sentence(problem),
  };
}

export function reportOf(
  subject: Subject,
  comparison: Comparison & { moreNotes?: readonly string[]; moreUnread?: readonly string[] },
): MigrationReport {
  if (comparison.problem !== undefined) return unknownReport(subject, comparison.problem);
  const { files, applied, pending, missing, edited, failed, outOfOrder, notes } = comparison;
  const unread = [...new Set([...(comparison.moreUnread ?? []), ...(comparison.unread ?? [])])];
  if (isHidden(comparison, unread)) return unknownReport(subject, unread.join('; '));
  const all = [...(comparison.moreNotes ?? []), ...notes, ...unread.map(sentence)];
  return {
    ...subject,
    state: stateOf(comparison),
    pending: [...pending],
    missing: [...missing],
    edited: [...edited],
    failed: [...failed],
    outOfOrder: [...outOfOrder],
    counts: {
      files,
      applied,
      pending: pending.length,
      missing: missing.length,
      edited: edited.length,
      failed: failed.length,
    },
    message: messageOf(subject, comparison),
    problem: all.length === 0 ? null : all.join(' '),
  };
}

/** Whether what was not read could make it another state: it may hold pending ones, and those that seem to be missing. */
function isHidden(comparison: Comparison, unread: readonly string[]): boolean {
  if (unread.length === 0 || comparison.failed.length > 0) return false;
  return comparison.missing.length > 0 || comparison.pending.length === 0;
}

export function stateOf(comparison: Comparison): MigrationState {
  const { pending, missing, edited, failed, outOfOrder, ordered } = comparison;
  if (failed.length > 0) return 'diverged';
  if (missing.length > 0 && pending.length > 0) return 'diverged';
  if (ordered && outOfOrder.length > 0) return 'diverged';
  if (edited.length > 0) return 'edited';
  if (missing.length > 0) return 'ahead';
  return pending.length > 0 ? 'behind' : 'in-step';
}

function messageOf(subject: Subject, comparison: Comparison): string {
  const { tool, directory } = subject;
  const title = tool === null ? 'Migrations' : `${migrationToolTitles[tool]} (${directory ?? '.'})`;
  const { files, pending, missing, edited, failed, outOfOrder, ordered } = comparison;
  if (stateOf(comparison) === 'in-step')
    return files === 0
      ? `${title}: there are no migrations, neither in this checkout nor in the database.`
      : `${title}: the database has ${files === 1 ? 'the only migration' : `all ${files} migrations`} of this checkout.`;
  const facts: string[] = [];
  if (failed.length > 0) facts.push(`${count(failed, 'migration')} did not end well (${first(failed)})`);
  if (missing.length > 0)
    facts.push(
      `the database has ${count(missing, 'migration')} that this checkout lacks (${first(missing)})`,
    );
  if (pending.length > 0)
    facts.push(
      `${missing.length > 0 ? 'it' : 'the database'} lacks ${count(pending, 'migration')} of this checkout (${first(pending)})`,
    );
  if (ordered && outOfOrder.length > 0)
    facts.push(
      `${first(outOfOrder)} ${outOfOrder.length === 1 ? 'comes' : 'come'} before migrations that are applied already`,
    );
  if (edited.length > 0)
    facts.push(
      `${count(edited, 'migration')} ${edited.length === 1 ? 'was' : 'were'} changed after being applied (${first(edited)})`,
    );
  return `${title}: ${facts.join(', and ')}; ${adviceOf(comparison, tool)}.`;
}

function adviceOf(comparison: Comparison, tool: MigrationTool | null): string {
  const apply = tool === null ? 'your tool' : toolModules[tool].applyWith;
  const run = apply === 'your own script' ? 'run your own script' : `run "${apply}"`;
  switch (stateOf(comparison)) {
    case 'behind':
      return `${run} against the clone`;
    case 'ahead':
      return `check out the branch that they come from; a reset of the clone takes away only what came after its snapshot, ${loss}`;
    case 'edited':
    case 'diverged':
      return `reset the clone or move it to the latest snapshot, ${loss}, then ${run}`;
    case 'in-step':
    case 'unknown':
      return 'nothing is to be done';
  }
}

/** The command line and the window can both keep the data under a name before a reset. */
const loss = 'and with it everything that was changed in the clone since (keep it as a snapshot first)';

const count = (items: readonly unknown[], noun: string): string =>
  `${items.length} ${noun}${items.length === 1 ? '' : 's'}`;

const first = (items: readonly { name: string }[]): string =>
  `${items
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ')}${items.length > 3 ? ', …' : ''}`;

/** A path at the beginning stays as it is. */
const sentence = (text: string): string =>
  (/^[a-z]+(?=[\s,])/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text).replace(/\.?$/, '.');

/** What of the checkout was not looked at, as far as it touches these migrations. */
export function limits(tree: Tree, layouts: readonly Layout[]): string[] {
  const touches = (path: string): boolean =>
    layouts.some(({ directory }) => isWithin(path, directory) || isWithin(directory, path));
  const found = layouts.flatMap(({ unread = [] }) => unread);
  if (tree.listing.truncated) found.push('the checkout has more files or folders than are looked at');
  for (const { path, problem } of tree.listing.notFollowed)
    if (touches(path)) found.push(`${path} was left out: ${problem}`);
  for (const [path, problem] of tree.unreadable)
    if (touches(path)) found.push(`${path} could not be read: ${problem}`);
  return found;
}

/** Several folders of one tool over one table: missing is what none of them has. */
export function merged(comparisons: readonly Comparison[]): Comparison {
  const [one, ...others] = comparisons;
  if (one === undefined) throw new TypeError('nothing to merge');
  return others.reduce<Comparison>((all, next) => {
    const lacks = new Set(next.missing.map(({ name }) => name));
    const notes = [...new Set([...all.notes, ...next.notes])];
    return {
      ...all,
      files: all.files + next.files,
      shared: all.shared + next.shared,
      applied: Math.max(all.applied, next.applied),
      pending: [...all.pending, ...next.pending],
      missing: all.missing.filter(({ name }) => lacks.has(name)),
      edited: [...all.edited, ...next.edited],
      failed: failedOf(all, next),
      outOfOrder: [...all.outOfOrder, ...next.outOfOrder],
      ordered: all.ordered || next.ordered,
      notes,
      unread: [...(all.unread ?? []), ...(next.unread ?? [])],
    };
  }, one);
}

/** The folder that has its file tells more of a failed one. */
function failedOf(one: Comparison, other: Comparison): Comparison['failed'] {
  const byName = new Map(one.failed.map((each) => [each.name, each]));
  for (const each of other.failed)
    if ((byName.get(each.name)?.file ?? null) === null) byName.set(each.name, each);
  return [...byName.values()];
}
