/** golang-migrate: pairs of `.up.sql` and `.down.sql`, and one row that says the last version and whether it broke off. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { foldersWith } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { dependencyFiles } from '../sourceText.ts';
import type { Tree } from '../tree.ts';

export const golangMigrate: ToolModule = {
  tool: 'golang-migrate',
  lookedFor: 'NUMBER_name.up.sql',
  applyWith: 'migrate -path <directory> -database <url> up',
  async find(tree, settings) {
    const folders = foldersWith(tree, settings, isUp);
    const usesIt = (await dependencyFiles(tree, 'go.mod', 'golang-migrate/migrate')).length > 0;
    return folders.map((directory): Layout => ({
      tool: 'golang-migrate',
      directory,
      evidence: settings.directory !== undefined ? 'settings' : usesIt ? 'configuration' : 'files',
      table: {
        names: ['schema_migrations'],
        schema: undefined,
        columns: { needed: ['version', 'dirty'] },
      },
      compare: (rows) => compare(tree, directory, rows),
    }));
  },
};

const isUp = (path: string): boolean => /^\d+_.*\.up\.\w+$/.test(posix.basename(path));

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local = tree
    .filesIn(directory)
    .filter(isUp)
    .map((file): LocalMigration & { version: bigint } => {
      const name = posix.basename(file).replace(/\.up\.\w+$/, '');
      const version = BigInt(/^\d+/.exec(name)?.[0] ?? '0');
      return { key: version.toString(), name, file, version };
    })
    .sort((one, other) => (one.version < other.version ? -1 : 1));
  const [row] = rows;
  const version = row?.version == null || !/^-?\d+$/.test(row.version) ? undefined : BigInt(row.version);
  const isDirty = row !== undefined && /^t/.test(row['dirty'] ?? '');
  // The row says the last one only: all before it count as applied. -1 is the state before the first.
  const before = local.filter((each) => version !== undefined && each.version < version);
  const applied = before.map(({ key, name }) => ({ key, name }));
  const failed = [];
  if (version !== undefined && version >= 0n) {
    const key = version.toString();
    const name = local.find((each) => each.key === key)?.name ?? key;
    if (isDirty) failed.push({ key, name, problem: 'it is marked as dirty: it broke off' });
    else applied.push({ key, name });
  }
  return await compareLists({ local, applied, failed, ordered: true });
}
