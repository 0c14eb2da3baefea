/** Compares migrations of a checkout with a list of applied ones, for tools that keep one row for each. */
import type { MigrationFile } from '../protocol/migrationReport.ts';
import type { Comparison } from './layout.ts';

export interface LocalMigration extends MigrationFile {
  /** What makes it the same as an applied one. */
  readonly key: string;
}

export interface AppliedMigration {
  readonly key: string;
  readonly name: string;
}

export interface Lists<Applied extends AppliedMigration> {
  /** In the order in which the tool applies them. */
  local: readonly LocalMigration[];
  applied: readonly Applied[];
  failed?: readonly (AppliedMigration & { problem: string })[];
  ordered: boolean;
  isEdited?: (local: LocalMigration, applied: Applied) => Promise<boolean>;
  notes?: readonly string[];
}

export async function compareLists<Applied extends AppliedMigration>(
  lists: Lists<Applied>,
): Promise<Comparison> {
  const { local, failed = [], ordered, isEdited, notes = [] } = lists;
  const applied = new Map(lists.applied.map((each) => [each.key, each]));
  const broken = new Set(failed.map(({ key }) => key));
  const known = new Map(local.map((each) => [each.key, each]));

  const pending = local.filter(({ key }) => !applied.has(key) && !broken.has(key));
  const last = local.findLastIndex(({ key }) => applied.has(key));
  const edited: MigrationFile[] = [];
  for (const each of local) {
    const row = applied.get(each.key);
    if (row !== undefined && isEdited !== undefined && (await isEdited(each, row))) edited.push(bare(each));
  }
  return {
    files: local.length,
    applied: applied.size,
    shared: local.filter(({ key }) => applied.has(key) || broken.has(key)).length,
    pending: pending.map(bare),
    missing: [...applied.values()].filter(({ key }) => !known.has(key)).map(({ name }) => ({ name })),
    edited,
    failed: failed.map(({ key, name, problem }) => ({ name, file: known.get(key)?.file ?? null, problem })),
    outOfOrder: local
      .slice(0, Math.max(last, 0))
      .filter((each) => pending.includes(each))
      .map(bare),
    ordered,
    notes: [...notes, ...twins(local)],
  };
}

/** Two files that the tool takes for the same migration. */
function twins(local: readonly LocalMigration[]): string[] {
  const byKey = Map.groupBy(local, ({ key }) => key);
  return [...byKey.values()]
    .filter((same) => same.length > 1)
    .map((same) => `${same.map(({ file }) => file).join(' and ')} count as the same migration.`);
}

const bare = ({ name, file }: MigrationFile): MigrationFile => ({ name, file });
