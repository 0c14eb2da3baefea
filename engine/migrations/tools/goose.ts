/** goose: SQL or Go files that begin with a version, and rows that say of each version whether it is applied, the last one counts. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { foldersWith, namedFolder } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { dependencyFiles } from '../sourceText.ts';
import type { Tree } from '../tree.ts';

export const goose: ToolModule = {
  tool: 'goose',
  lookedFor: 'NUMBER_name.sql with "-- +goose Up"',
  applyWith: 'goose -dir <directory> postgres <url> up',
  async find(tree, settings) {
    const usesIt = await dependencyFiles(tree, 'go.mod', 'pressly/goose');
    const layouts: Layout[] = [];
    for (const directory of foldersWith(tree, settings, isMigration)) {
      if (namedFolder(settings) === undefined && !(await isMarked(tree, directory))) continue;
      layouts.push({
        tool: 'goose',
        directory,
        evidence:
          settings.directory !== undefined ? 'settings' : usesIt.length > 0 ? 'configuration' : 'files',
        table: {
          names: ['goose_db_version'],
          schema: undefined,
          columns: { needed: ['id', 'version_id', 'is_applied'] },
        },
        compare: (rows) => compare(tree, directory, rows),
      });
    }
    return layouts;
  },
};

/** Names such as `1_a.up.sql` are other tools', where nothing in the folder says that it is goose's. */
const isMigration = (path: string): boolean => isRead(path) && !/\.(up|down)\.sql$/.test(path);

const isRead = (path: string): boolean =>
  /^\d+_.*\.(sql|go)$/.test(posix.basename(path)) && !path.endsWith('_test.go');

/** The newest few say so as well as all do. */
async function isMarked(tree: Tree, directory: string): Promise<boolean> {
  for (const file of tree.filesIn(directory).filter(isMigration).slice(-3))
    if (/^\s*--\s*\+goose\b|\bgoose\.AddMigration/m.test((await tree.text(file)) ?? '')) return true;
  return false;
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local = tree
    .filesIn(directory)
    .filter(isRead)
    .map((file): LocalMigration & { version: bigint } => {
      const name = posix.basename(file);
      const version = BigInt(/^\d+/.exec(name)?.[0] ?? '0');
      return { key: version.toString(), name, file, version };
    })
    .sort((one, other) => (one.version < other.version ? -1 : 1));
  const state = new Map<string, boolean>();
  // Going down adds a row with older versions of goose, and removes one with today's.
  for (const row of [...rows].sort((one, other) => Number(one['id']) - Number(other['id']))) {
    const version = row['version_id'];
    if (version != null && version !== '0') state.set(version, /^t/.test(row['is_applied'] ?? ''));
  }
  const applied = [...state].flatMap(([key, isApplied]) => (isApplied ? [{ key, name: key }] : []));
  return await compareLists({ local, applied, ordered: true });
}
