/** Entity Framework Core: C# classes with a migration's id, and a row with each id in `__EFMigrationsHistory`. */
import { posix } from 'node:path';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import { commonFolder } from '../globs.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { withoutComments } from '../sourceText.ts';
import { foldersUpFrom, isWithin, type Tree } from '../tree.ts';

export const efCore: ToolModule = {
  tool: 'ef-core',
  lookedFor: 'Migrations/NUMBER_Name.cs and its Designer',
  applyWith: 'dotnet ef database update',
  async find(tree, settings) {
    const named = namedFolder(settings);
    const { table, schema, unread } = await historyTable(tree);
    const groups =
      named === undefined
        ? await contextsIn(tree)
        : [{ migrations: await migrationsIn(tree, tree.filesBelow(named)), directory: named }];
    return groups
      .filter(({ directory }) => isWithin(directory, settings.directory))
      .map(({ directory, migrations }): Layout => ({
        tool: 'ef-core',
        directory,
        evidence: settings.directory === undefined ? 'configuration' : 'settings',
        unread,
        table: {
          names: [table ?? '__EFMigrationsHistory'],
          schema,
          columns: { needed: ['MigrationId', 'ProductVersion'] },
        },
        compare: async (rows) =>
          await compareLists({
            local: migrations,
            applied: rows.flatMap(({ MigrationId: id }) => (id == null ? [] : [{ key: id, name: id }])),
            ordered: false,
          }),
      }));
  },
};

interface Migration extends LocalMigration {
  /** Of the database context that it is for. */
  context: string;
}

const isSource = (path: string): boolean => /^\d{14}_\w+\.cs$/.test(posix.basename(path));

/** The id stands in the part that the tool writes beside; a class without one has it itself. */
async function migrationsIn(tree: Tree, paths: readonly string[]): Promise<Migration[]> {
  const found: Migration[] = [];
  for (const file of paths.filter(isSource)) {
    const designer = file.replace(/\.cs$/, '.Designer.cs');
    const code = withoutComments((await tree.text(tree.has(designer) ? designer : file)) ?? '');
    const id = /\[\s*Migration\s*\(\s*"([^"]+)"/.exec(code)?.[1];
    if (id === undefined) continue;
    const context = /\[\s*DbContext\s*\(\s*typeof\s*\(\s*([\w.]+)/.exec(code)?.[1] ?? '';
    found.push({ key: id, name: id, file, context });
  }
  return found.sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** EF Core takes those of one context from the whole program, whatever folder they are in. */
async function contextsIn(tree: Tree): Promise<{ directory: string; migrations: Migration[] }[]> {
  const projects = new Set(
    tree.paths.filter((path) => path.endsWith('.csproj')).map((path) => posix.dirname(path)),
  );
  const all = await migrationsIn(tree, tree.paths);
  const groups = Map.groupBy(all, ({ file, context }) =>
    JSON.stringify([
      foldersUpFrom(posix.dirname(file)).find((folder) => projects.has(folder)) ?? '.',
      context,
    ]),
  );
  return [...groups.values()].map((migrations) => ({
    migrations,
    directory: commonFolder(migrations.map(({ file }) => file)),
  }));
}

/** `MigrationsHistoryTable("name", "schema")` where the context is set up. */
async function historyTable(
  tree: Tree,
): Promise<{ table: string | undefined; schema: string | undefined; unread: string[] }> {
  const unread: string[] = [];
  for (const path of tree.paths) {
    if (!/(context|startup|program|extensions?|factory|infrastructure|module)\w*\.cs$/i.test(path)) continue;
    const code = withoutComments((await tree.text(path)) ?? '');
    const stated = /\bMigrationsHistoryTable\s*\(\s*([^)]*)\)/.exec(code)?.[1];
    if (stated === undefined) continue;
    const [, table, schema] = /^"([^"]+)"\s*(?:,\s*"([^"]+)"\s*)?$/.exec(stated) ?? [];
    if (table !== undefined) return { table, schema, unread };
    unread.push(`what MigrationsHistoryTable in ${path} is given is only known when the program runs`);
  }
  return { table: undefined, schema: undefined, unread };
}
