/** Sequelize (its command line, and Umzug): scripts in a folder, and a row with the file's name in `SequelizeMeta`. */
import { posix } from 'node:path';
import { valueAfter } from '../codeValue.ts';
import { compareLists } from '../compareLists.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { foldersFor, stem, type ConfiguredFolders } from '../scriptFolders.ts';
import { literalAfter, withoutComments } from '../sourceText.ts';
import { statedPaths } from '../statedPaths.ts';
import type { Tree } from '../tree.ts';
import { scriptsIn } from './knex.ts';

const words = /\bqueryInterface\b/i;

export const sequelize: ToolModule = {
  tool: 'sequelize',
  lookedFor: '.sequelizerc, or scripts that use queryInterface',
  applyWith: 'npx sequelize-cli db:migrate',
  async find(tree, settings) {
    const configured = await configuredFolders(tree);
    const { table, schema } = await configuredTable(tree);
    const folders = await foldersFor({ tree, settings, configured, words });
    return folders.map(({ directory, evidence, unread }): Layout => ({
      tool: 'sequelize',
      directory,
      evidence,
      unread,
      table: { names: [table ?? 'SequelizeMeta'], schema, columns: { needed: ['name'] } },
      compare: async (rows) =>
        await compareLists({
          local: scriptsIn(tree, directory),
          applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: stem(name), name }])),
          ordered: false,
        }),
    }));
  },
};

async function configuredFolders(tree: Tree): Promise<ConfiguredFolders[]> {
  const found: ConfiguredFolders[] = [];
  for (const file of tree.paths.filter((path) => posix.basename(path) === '.sequelizerc')) {
    const text = (await tree.text(file)) ?? '';
    const key = 'migrations-path';
    const value = (await valueAfter({ path: file, text }, key)) ?? {
      values: ['migrations'],
      isPartly: false,
    };
    const { paths, unread } = statedPaths(value, { file, key, folder: posix.dirname(file) });
    found.push({ folders: paths, unread });
  }
  return found;
}

async function configuredTable(
  tree: Tree,
): Promise<{ table: string | undefined; schema: string | undefined }> {
  const texts: string[] = [];
  for (const path of tree.paths)
    if (/(^|\/)config\/(config|database|sequelize)\.(json|[cm]?[jt]s)$/.test(path))
      texts.push(withoutComments((await tree.text(path)) ?? ''));
  return {
    table: texts.map((text) => literalAfter(text, 'migrationStorageTableName')).find(Boolean),
    schema: texts.map((text) => literalAfter(text, 'migrationStorageTableSchema')).find(Boolean),
  };
}
