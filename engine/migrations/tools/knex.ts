/** Knex: scripts in a folder, and a row with the file's name in `knex_migrations`. */
import { posix } from 'node:path';
import { valueAfter, type CodeValue } from '../codeValue.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { foldersFor, isScript, stem, type ConfiguredFolders, type ScriptFolder } from '../scriptFolders.ts';
import { blocksAfter, withoutComments } from '../sourceText.ts';
import { notRun, statedPaths } from '../statedPaths.ts';
import type { Tree } from '../tree.ts';

const words = /\bknex\b/i;

export const knex: ToolModule = {
  tool: 'knex',
  lookedFor: 'knexfile.js, or scripts that use knex',
  applyWith: 'npx knex migrate:latest',
  async find(tree, settings) {
    const files = tree.paths.filter((path) => /^knexfile\.[cm]?[jt]s$/.test(posix.basename(path)));
    const configured = await Promise.all(files.map((file) => configuration(tree, file)));
    const found = await foldersFor({ tree, settings, configured, words });
    return found.map((place) => {
      const own =
        configured.find(({ folders }) => place.folders.some((folder) => folders.includes(folder))) ??
        configured[0];
      return layoutAt(tree, place, own);
    });
  },
};

interface Configuration extends ConfiguredFolders {
  table: string | undefined;
  schema: string | undefined;
}

async function configuration(tree: Tree, file: string): Promise<Configuration> {
  const text = (await tree.text(file)) ?? '';
  const blocks = blocksAfter(withoutComments(text), 'migrations');
  const folder = posix.dirname(file);
  // The rest of the file holds the constants.
  const valueOf = async (block: string, key: string): Promise<CodeValue | undefined> =>
    await valueAfter({ path: file, text: `${block}\n;${withoutMigrations(text)}` }, key);
  const stated = await Promise.all(
    blocks.map(async (block) =>
      statedPaths(await valueOf(block, 'directory'), { file, key: 'directory', folder }),
    ),
  );
  const paths = stated.flatMap((each) => each.paths);
  const unread = stated.flatMap((each) => each.unread);
  for (const key of ['migrationSource', 'loadExtensions'])
    if (new RegExp(`\\b${key}\\b`).test(withoutComments(text))) unread.push(notRun(file, key));
  return {
    folders: paths.length > 0 || unread.length > 0 ? paths : [posix.join(folder, 'migrations')],
    unread: [...new Set(unread)],
    table: (await Promise.all(blocks.map((block) => valueOf(block, 'tableName')))).flatMap(
      (each) => each?.values ?? [],
    )[0],
    schema: (await Promise.all(blocks.map((block) => valueOf(block, 'schemaName')))).flatMap(
      (each) => each?.values ?? [],
    )[0],
  };
}

/** So that a key is found in its block alone: seeds have folders too. */
const withoutMigrations = (text: string): string =>
  text.replaceAll(/\b(directory|tableName|schemaName)\b(\s*[:=])/g, '_$1$2');

function layoutAt(tree: Tree, place: ScriptFolder, own: Configuration | undefined): Layout {
  const { directory, folders, evidence, unread } = place;
  const table = own?.table ?? 'knex_migrations';
  return {
    tool: 'knex',
    directory,
    evidence,
    unread,
    table: { names: [table], schema: own?.schema, columns: { needed: ['name', 'batch', 'migration_time'] } },
    lock: { name: `${table}_lock`, columns: ['is_locked'] },
    compare: async (rows, lock) => {
      const names = rows.flatMap(({ name }) => name ?? []);
      const isLocked = lock.some(({ is_locked }) => is_locked === '1');
      const comparison = await compareLists({
        // Of several folders Knex takes all files in the order of their names.
        local: folders
          .flatMap((folder) => scriptsIn(tree, folder))
          .sort((one, other) => (one.name < other.name ? -1 : 1)),
        // A build turns .ts into .js: the name without its end is the same migration.
        applied: names.map((name) => ({ key: stem(name), name })),
        ordered: false,
      });
      if (!isLocked) return comparison;
      const failed = { name: `${table}_lock`, file: null, problem: 'a run is under way or broke off' };
      return { ...comparison, failed: [failed] };
    },
  };
}

/** Scripts of a folder in the order of their names; Knex and Sequelize list them so. */
export function scriptsIn(tree: Tree, directory: string): LocalMigration[] {
  const files = tree.filesIn(directory).filter((path) => isScript(path) && !stem(path).startsWith('.'));
  return files.map((file) => ({ key: stem(file), name: posix.basename(file), file }));
}
