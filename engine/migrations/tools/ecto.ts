/** Ecto: scripts below `priv/REPO/migrations` whose names begin with a version, and a row with each version in `schema_migrations`. */
import { posix } from 'node:path';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { withoutHashComments } from '../sourceText.ts';
import { foldersUpFrom, isWithin, type Tree } from '../tree.ts';

export const ecto: ToolModule = {
  tool: 'ecto',
  lookedFor: 'mix.exs and priv/repo/migrations/NUMBER_name.exs',
  applyWith: 'mix ecto.migrate',
  async find(tree, settings) {
    const named = namedFolder(settings);
    const folders =
      named === undefined
        ? repositories(tree).filter((folder) => isWithin(folder, settings.directory))
        : [named];
    return await Promise.all(
      folders.map(async (directory): Promise<Layout> => {
        const { table, unread } = await configurationFor(tree, directory);
        return {
          tool: 'ecto',
          directory,
          evidence:
            settings.directory !== undefined
              ? 'settings'
              : isApplication(tree, directory)
                ? 'configuration'
                : 'files',
          unread,
          table: {
            names: [table ?? 'schema_migrations'],
            schema: undefined,
            columns: { needed: ['version', 'inserted_at'] },
          },
          compare: async (rows) =>
            await compareLists({
              local: scriptsBelow(tree, directory),
              applied: rows.flatMap(({ version }) =>
                version == null ? [] : [{ key: version, name: version }],
              ),
              ordered: false,
            }),
        };
      }),
    );
  },
};

const home = /^(?:.*\/)?priv\/\w+\/migrations(?=\/)/;
const isScript = (path: string): boolean => /^\d+_\w+\.exs?$/.test(posix.basename(path));

/** `deps` holds the packages that the project uses, with their own. */
const repositories = (tree: Tree): string[] => [
  ...new Set(
    tree.paths
      .filter((path) => isScript(path) && !/(^|\/)(deps|_build)\//.test(path))
      .flatMap((path) => home.exec(path)?.[0] ?? []),
  ),
];

const rootOf = (tree: Tree, directory: string): string | undefined =>
  foldersUpFrom(directory).find((folder) => tree.has(posix.join(folder, 'mix.exs')));

const isApplication = (tree: Tree, directory: string): boolean => rootOf(tree, directory) !== undefined;

/** Ecto takes scripts of all folders below as well. */
function scriptsBelow(tree: Tree, directory: string): LocalMigration[] {
  return tree
    .filesBelow(directory)
    .filter(isScript)
    .map((file) => {
      const name = posix.basename(file).replace(/\.exs?$/, '');
      return { key: BigInt(/^\d+/.exec(name)?.[0] ?? '0').toString(), name, file };
    })
    .sort((one, other) => (BigInt(one.key) < BigInt(other.key) ? -1 : 1));
}

async function configurationFor(
  tree: Tree,
  directory: string,
): Promise<{ table: string | undefined; unread: string[] }> {
  const unread: string[] = [];
  let table: string | undefined;
  for (const root of foldersUpFrom(directory))
    for (const file of ['config', 'dev', 'runtime'].map((name) =>
      posix.join(root, 'config', `${name}.exs`),
    )) {
      const stated = /\bmigration_source:\s*(?:"([^"]+)"|([^\s,]+))/.exec(
        withoutHashComments((await tree.text(file)) ?? ''),
      );
      if (stated?.[2] !== undefined)
        unread.push(`what migration_source in ${file} is, is only known when the program runs`);
      table ??= stated?.[1];
    }
  return { table, unread };
}
