/** Knex: scripts in a folder, and a row with the file's name in `knex_migrations`. */
import { posix } from 'node:path';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { foldersFor, isScript, stem } from '../scriptFolders.ts';
import { blocksAfter, literalAfter, pathsAfter, withoutComments } from '../sourceText.ts';
import { pathFrom, type Tree } from '../tree.ts';

const words = /\bknex\b/i;

export const knex: ToolModule = {
  tool: 'knex',
  lookedFor: 'knexfile.js, or scripts that use knex',
  applyWith: 'npx knex migrate:latest',
  async find(tree, settings) {
    const files = tree.paths.filter((path) => /^knexfile\.[cm]?[jt]s$/.test(posix.basename(path)));
    const configurations = await Promise.all(files.map((file) => configuration(tree, file)));
    const configured = configurations.flatMap(({ directories }) => directories);
    const folders = await foldersFor({ tree, settings, configured, words });
    return folders.map(({ directory, evidence }) => {
      const own =
        configurations.find(({ directories }) => directories.includes(directory)) ?? configurations[0];
      return layoutAt(tree, { directory, evidence, table: own?.table, schema: own?.schema });
    });
  },
};

interface Configuration {
  directories: string[];
  table: string | undefined;
  schema: string | undefined;
}

async function configuration(tree: Tree, file: string): Promise<Configuration> {
  const text = withoutComments((await tree.text(file)) ?? '');
  const blocks = blocksAfter(text, 'migrations');
  const stated = blocks.flatMap((block) => pathsAfter(block, 'directory'));
  return {
    directories: (stated.length > 0 ? stated : ['migrations']).flatMap(
      (directory) => pathFrom(posix.dirname(file), directory) ?? [],
    ),
    table: blocks.map((block) => literalAfter(block, 'tableName')).find(Boolean),
    schema: blocks.map((block) => literalAfter(block, 'schemaName')).find(Boolean),
  };
}

function layoutAt(
  tree: Tree,
  at: Pick<Layout, 'directory' | 'evidence'> & Omit<Configuration, 'directories'>,
): Layout {
  const { directory, evidence, table = 'knex_migrations', schema } = at;
  return {
    tool: 'knex',
    directory,
    evidence,
    table: { names: [table], schema, columns: { needed: ['name', 'batch', 'migration_time'] } },
    lock: { name: `${table}_lock`, columns: ['is_locked'] },
    compare: async (rows, lock) => {
      const names = rows.flatMap(({ name }) => name ?? []);
      const isLocked = lock.some(({ is_locked }) => is_locked === '1');
      const comparison = await compareLists({
        local: scriptsIn(tree, directory),
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
