/** MikroORM: scripts in a folder, and a row with the file's name without its end in `mikro_orm_migrations`. */
import { posix } from 'node:path';
import { valueAfter, type CodeValue } from '../codeValue.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { qualifiedTable } from '../qualifiedTable.ts';
import { isScript, packageFiles } from '../scriptFolders.ts';
import { blocksAfter, withoutComments } from '../sourceText.ts';
import { packageFolder, sourceFiles, sourceFolder, statedPaths } from '../statedPaths.ts';
import { isWithin, type Tree } from '../tree.ts';

export const mikroOrm: ToolModule = {
  tool: 'mikro-orm',
  lookedFor: 'the dependency @mikro-orm/migrations, or mikro-orm.config.ts',
  applyWith: 'npx mikro-orm migration:up',
  async find(tree, settings) {
    const named = namedFolder(settings);
    const configurations = await configurationsIn(tree);
    const own = configurations.find(({ directory }) => directory === named) ?? configurations[0];
    const chosen =
      named === undefined
        ? configurations.filter(({ directory }) => isWithin(directory, settings.directory))
        : [{ ...own, directory: named, files: tree.filesIn(named), unread: own?.unread ?? [] }];
    return chosen.map(({ directory, files, unread, table, schema }): Layout => ({
      tool: 'mikro-orm',
      directory,
      evidence: settings.directory === undefined ? 'configuration' : 'settings',
      unread,
      table: {
        names: [table ?? 'mikro_orm_migrations'],
        schema,
        columns: { needed: ['name', 'executed_at'] },
      },
      compare: async (rows) =>
        await compareLists({
          local: files.filter(isScript).map(migrationAt).sort(byName),
          applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: keyOf(name), name }])),
          ordered: false,
        }),
    }));
  },
};

const keyOf = (name: string): string => name.replace(/\.[jt]s$/, '');
const migrationAt = (file: string): LocalMigration => {
  const name = keyOf(posix.basename(file));
  return { key: name, name, file };
};
const byName = (one: LocalMigration, other: LocalMigration): number => (one.name < other.name ? -1 : 1);

interface Configuration {
  directory: string;
  files: readonly string[];
  unread: readonly string[];
  table?: string | undefined;
  schema?: string | undefined;
}

async function configurationsIn(tree: Tree): Promise<Configuration[]> {
  const found: Configuration[] = [];
  for (const path of tree.paths) {
    if (!/(^|\/)mikro-?orm[\w.-]*\.[cm]?[jt]s$/i.test(path) || !isScript(path)) continue;
    const configuration = await configurationAt(tree, path);
    if (configuration !== undefined && !found.some(({ directory }) => directory === configuration.directory))
      found.push(configuration);
  }
  if (found.length > 0) return found;
  for (const { folder, dependencies } of await packageFiles(tree)) {
    const directory = usualFolder(tree, folder);
    if (dependencies.has('@mikro-orm/migrations') && directory !== undefined)
      found.push({ directory, files: tree.filesIn(directory), unread: [] });
  }
  return found;
}

const usualFolder = (tree: Tree, folder: string): string | undefined =>
  ['migrations', 'src/migrations']
    .map((each) => posix.join(folder, each))
    .find((each) => tree.hasFolder(each));

async function configurationAt(tree: Tree, path: string): Promise<Configuration | undefined> {
  const text = (await tree.text(path)) ?? '';
  const blocks = blocksAfter(withoutComments(text), 'migrations');
  // The constants stand in the rest of the file; other keys of the same names do not count.
  const rest = text.replaceAll(/\b(path|pathTs|glob|tableName|schema)\s*:/g, '_$1:');
  const valueOf = async (key: string): Promise<CodeValue | undefined> => {
    for (const block of blocks) {
      const value = await valueAfter({ path, text: `${block}\n;${rest}` }, key);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const folder = packageFolder(tree, path);
  const stated = (await valueOf('pathTs')) ?? (await valueOf('path'));
  const { paths, unread } = statedPaths(stated, { file: path, key: 'migrations.path', folder });
  const [said] = paths;
  const directory = said === undefined ? usualFolder(tree, folder) : sourceFolder(tree, said);
  if (directory === undefined) return undefined;
  const glob = (await valueOf('glob'))?.values[0];
  const tableName = (await valueOf('tableName'))?.values[0];
  // "schema.table" is how MikroORM itself takes both, unless `schema` stands beside it.
  const table = tableName === undefined ? undefined : qualifiedTable(tableName);
  const isListed = blocks.some((block) => /\bmigrationsList\s*:/.test(block));
  return {
    directory,
    files: glob === undefined ? tree.filesIn(directory) : sourceFiles(tree, posix.join(directory, glob)),
    unread: isListed ? [...unread, `${path} lists its migrations by itself`] : unread,
    table: table?.name,
    schema: (await valueOf('schema'))?.values[0] ?? table?.schema,
  };
}
