/** Plain SQL files with numbers, applied by a project's own script that keeps a table of its own. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { digests, type Digest } from '../checksum.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { foldersWith } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { stem } from '../scriptFolders.ts';
import type { Tree } from '../tree.ts';

/** Without settings only tables with these names and columns are taken for a list of applied files. */
const usualTables = [
  'schema_migrations',
  'migrations',
  '_migrations',
  'schema_version',
  'schema_versions',
  'schema_history',
  'migration_history',
  'applied_migrations',
  'db_migrations',
  'db_version',
  'database_version',
];
export const usualColumns = ['filename', 'file_name', 'file', 'name', 'script', 'migration', 'version', 'id'];

const usualFolders = /migrat|schema|sql|db|database|ddl|patch|change|update|upgrade/i;

export const plainSql: ToolModule = {
  tool: 'sql',
  lookedFor: 'SQL files whose names begin with a number, in a folder such as migrations',
  applyWith: 'your own script',
  async find(tree, settings) {
    const { directory: stated, table, column, checksumColumn } = settings;
    const folders = foldersWith(
      tree,
      settings,
      (path) => isNumbered(path) && usualFolders.test(posix.dirname(path)),
    );
    const checks = checksumColumn === undefined ? [] : [checksumColumn];
    return folders.map((directory): Layout => ({
      tool: 'sql',
      directory,
      evidence: stated === undefined ? 'files' : 'settings',
      table: {
        names: table === undefined ? usualTables : [table],
        schema: undefined,
        columns: {
          needed: column === undefined ? checks : [column, ...checks],
          wanted: column === undefined ? usualColumns : [],
          // Tables of tools that keep them under the same names.
          foreign: table === undefined ? ['dirty', 'batch', 'installed_rank', 'inserted_at'] : [],
        },
      },
      compare: (rows) => compare({ tree, directory, rows, settings }),
    }));
  },
};

/** Halves that undo are left out, and so is what other tools name in their own way. */
const isNumbered = (path: string): boolean =>
  /^[vV]?\d[\w.+ -]*\.sql$/.test(posix.basename(path)) &&
  !/[._-](down|undo|rollback|revert)\.sql$|__|\.up\.sql$/.test(posix.basename(path));

const isSql = (path: string): boolean =>
  path.endsWith('.sql') && !/[._-](down|undo|rollback|revert)\.sql$/.test(posix.basename(path));

interface Local extends LocalMigration {
  number: bigint | undefined;
}

function localIn(tree: Tree, directory: string): Local[] {
  const files = tree.filesIn(directory).filter(isSql);
  const numbered = files.filter(isNumbered);
  return (numbered.length > 0 ? numbered : files)
    .map((file) => ({ key: file, name: posix.basename(file), file, number: numberOf(posix.basename(file)) }))
    .sort((one, other) => {
      const [left, right] = [one.number ?? -1n, other.number ?? -1n];
      return left === right ? (one.name < other.name ? -1 : 1) : left < right ? -1 : 1;
    });
}

function numberOf(name: string): bigint | undefined {
  const digits = /^[vV]?(\d+)/.exec(name)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}

async function compare(options: {
  tree: Tree;
  directory: string;
  rows: readonly Row[];
  settings: MigrationSettings;
}): Promise<Comparison> {
  const { tree, directory, rows, settings } = options;
  const local = localIn(tree, directory);
  const columns = settings.column === undefined ? usualColumns : [settings.column];
  const byValue = finder(local);
  const column = bestColumn(byValue, rows, columns);
  if (column === undefined && rows.length > 0) {
    const none = { pending: [], missing: [], edited: [], failed: [], outOfOrder: [], notes: [] };
    const problem = `no column of the table holds names or numbers of the files in ${directory}; say which in workspace.migrations.column`;
    return { ...none, files: local.length, applied: rows.length, shared: 0, ordered: true, problem };
  }
  const values = rows.flatMap((row) => {
    const value = column === undefined ? null : row[column];
    const checksum = settings.checksumColumn === undefined ? null : row[settings.checksumColumn];
    return value == null ? [] : [{ value, checksum: checksum ?? null }];
  });
  const applied = values.map(({ value, checksum }) => {
    return { key: byValue(value)?.key ?? value, name: value, checksum };
  });
  // One row with a number that is not the first: such a table says the last one, and all before count as applied.
  const [only] = applied;
  if (applied.length === 1 && only !== undefined && /^\d+$/.test(only.name)) {
    const last = BigInt(only.name);
    for (const { key, name, number } of local)
      if (number !== undefined && number < last) applied.push({ key, name, checksum: null });
  }
  return await compareLists({
    local,
    applied,
    ordered: true,
    isEdited: async ({ file }, { checksum }) => {
      const content = await tree.bytes(file);
      const algorithm = checksum === null ? undefined : algorithmOf(checksum);
      if (content === undefined || checksum === null || algorithm === undefined) return false;
      return !digests(content, algorithm).includes(checksum.toLowerCase());
    },
  });
}

/** The column whose values name the most files; undefined when none names any. */
function bestColumn(byValue: ByValue, rows: readonly Row[], columns: readonly string[]): string | undefined {
  const [only] = columns;
  if (columns.length === 1) return only;
  let best: { column: string; count: number } | undefined;
  for (const column of columns) {
    const count = rows.filter((row) => byValue(row[column]) !== undefined).length;
    if (count > (best?.count ?? 0)) best = { column, count };
  }
  return best?.column;
}

type ByValue = (value: string | null | undefined) => Local | undefined;

/** Finds a file by its path, its name with or without end, or its number. */
function finder(local: readonly Local[]): ByValue {
  const known = new Map<string, Local>();
  for (const each of [...local].reverse()) {
    if (each.number !== undefined) known.set(`number ${each.number}`, each);
    for (const name of [stem(each.name), each.name, each.file]) known.set(`name ${name}`, each);
  }
  return (value) => {
    if (value == null) return undefined;
    const number = /^[vV]?\d+$/.test(value) ? numberOf(value) : undefined;
    return (
      known.get(`name ${value}`) ??
      known.get(`name ${posix.basename(value.replaceAll('\\', '/'))}`) ??
      (number === undefined ? undefined : known.get(`number ${number}`))
    );
  };
}

function algorithmOf(checksum: string): Digest | undefined {
  if (!/^[0-9a-f]+$/i.test(checksum)) return undefined;
  return ({ 32: 'md5', 40: 'sha1', 64: 'sha256' } as const)[checksum.length];
}
