/** node-pg-migrate: scripts or SQL files in a folder, and a row with the name without its end in `pgmigrations`; the order is checked. */
import { posix } from 'node:path';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { foldersFor, isScript, packageFiles, stem } from '../scriptFolders.ts';
import { literalAfter } from '../sourceText.ts';
import { pathFrom, type Tree } from '../tree.ts';

const words = /\bpgm\b|\bMigrationBuilder\b|node-pg-migrate/;

export const nodePgMigrate: ToolModule = {
  tool: 'node-pg-migrate',
  lookedFor: 'the dependency node-pg-migrate, or scripts that use pgm',
  applyWith: 'npx node-pg-migrate up',
  async find(tree, settings) {
    const { folders: configured, table, schema } = await configuration(tree);
    const folders = await foldersFor({ tree, settings, configured, words });
    return folders.map(({ directory, evidence }): Layout => ({
      tool: 'node-pg-migrate',
      directory,
      evidence,
      table: { names: [table ?? 'pgmigrations'], schema, columns: { needed: ['name', 'run_on'] } },
      compare: async (rows) =>
        await compareLists({
          local: filesOf(tree, directory),
          applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: name, name }])),
          ordered: true,
        }),
    }));
  },
};

/** Options of the command line in the scripts of a package, or the section `db` of node-config. */
async function configuration(
  tree: Tree,
): Promise<{ folders: string[]; table: string | undefined; schema: string | undefined }> {
  const folders: string[] = [];
  let table: string | undefined;
  let schema: string | undefined;
  for (const { folder, dependencies, scripts } of await packageFiles(tree)) {
    if (!dependencies.has('node-pg-migrate')) continue;
    const commands = scripts.filter((text) => text.includes('node-pg-migrate'));
    const option = (names: string): string | undefined =>
      commands
        .map((text) => new RegExp(`(?:^|\\s)(?:${names})[\\s=]+["']?([^\\s"']+)`).exec(text)?.[1])
        .find(Boolean);
    const config = (await tree.text(posix.join(folder, 'config', 'default.json'))) ?? '';
    const stated = option('-m|--migrations-dir') ?? literalAfter(config, 'migrations-dir') ?? 'migrations';
    folders.push(...[pathFrom(folder, stated) ?? []].flat());
    table ??= option('-t|--migrations-table') ?? literalAfter(config, 'migrations-table');
    schema ??= option('--migrations-schema') ?? literalAfter(config, 'migrations-schema');
  }
  return { folders, table, schema };
}

function filesOf(tree: Tree, directory: string): LocalMigration[] {
  const files = tree.filesIn(directory).filter((path) => isScript(path) || path.endsWith('.sql'));
  return files
    .filter((path) => !posix.basename(path).startsWith('.'))
    .map((file) => ({ key: stem(file), name: stem(file), file }))
    .sort((one, other) => moment(one.name) - moment(other.name) || (one.name < other.name ? -1 : 1));
}

/** Milliseconds, or 17 digits of a time in UTC: both count as the same kind of prefix. */
function moment(name: string): number {
  const prefix = /^\d+/.exec(name)?.[0] ?? '';
  if (prefix.length !== 17 && prefix.length !== 14) return prefix === '' ? Infinity : Number(prefix);
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d*)$/.exec(prefix)?.slice(1).map(Number) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, millisecond = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
}
