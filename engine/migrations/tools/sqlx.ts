/** SQLx: SQL files that begin with a version, and a row with the SHA-384 of each in `_sqlx_migrations`. */
import { posix } from 'node:path';
import { digests } from '../checksum.ts';
import { compareLists, type AppliedMigration, type LocalMigration } from '../compareLists.ts';
import { foldersWith } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import type { Row } from '../../database/database.ts';
import { dependencyFiles, properties } from '../sourceText.ts';
import { foldersUpFrom, isWithin, type Tree } from '../tree.ts';

export const sqlx: ToolModule = {
  tool: 'sqlx',
  lookedFor: 'the dependency sqlx and migrations/NUMBER_name.sql',
  applyWith: 'sqlx migrate run',
  async find(tree, settings) {
    const crates = (await dependencyFiles(tree, 'Cargo.toml', 'sqlx')).map((path) => posix.dirname(path));
    const folders = foldersWith(tree, settings, isMigration).filter(
      (folder) => settings.directory !== undefined || crates.some((crate) => isWithin(folder, crate)),
    );
    return await Promise.all(
      folders.map(async (directory): Promise<Layout> => ({
        tool: 'sqlx',
        directory,
        evidence: settings.directory !== undefined ? 'settings' : evidenceOf(directory, crates),
        table: {
          names: [(await optionsFor(tree, directory)).get('migrate.tablename') ?? '_sqlx_migrations'],
          schema: undefined,
          columns: { needed: ['version', 'description', 'success', 'checksum'] },
        },
        compare: (rows) => compare(tree, directory, rows),
      })),
    );
  },
};

const evidenceOf = (directory: string, crates: readonly string[]): 'configuration' | 'files' =>
  crates.includes(posix.dirname(directory)) && posix.basename(directory) === 'migrations'
    ? 'configuration'
    : 'files';

async function optionsFor(tree: Tree, directory: string): Promise<Map<string, string>> {
  const file = foldersUpFrom(directory)
    .map((folder) => posix.join(folder, 'sqlx.toml'))
    .find((path) => tree.has(path));
  return properties(file === undefined ? '' : ((await tree.text(file)) ?? ''));
}

const isMigration = (path: string): boolean =>
  /^\d+_.*\.sql$/.test(posix.basename(path)) && !path.endsWith('.down.sql');

interface AppliedRow extends AppliedMigration {
  checksum: string;
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local = tree
    .filesIn(directory)
    .filter(isMigration)
    .map((file): LocalMigration & { version: bigint } => {
      const name = posix.basename(file).replace(/(\.up)?\.sql$/, '');
      const version = BigInt(/^\d+/.exec(name)?.[0] ?? '0');
      return { key: version.toString(), name, file, version };
    })
    .sort((one, other) => (one.version < other.version ? -1 : 1));
  const applied: AppliedRow[] = [];
  const failed = [];
  for (const { version, description, success, checksum } of rows) {
    if (version == null) continue;
    const each = { key: version, name: `${version}_${(description ?? '').replaceAll(' ', '_')}` };
    if (success === 'f') failed.push({ ...each, problem: 'it began and did not end' });
    else applied.push({ ...each, checksum: (checksum ?? '').replace(/^\\x/, '') });
  }
  return await compareLists({
    local,
    applied,
    failed,
    ordered: false,
    isEdited: async ({ file }, { checksum }) => {
      const content = await tree.bytes(file);
      return content !== undefined && !digests(content, 'sha384').includes(checksum);
    },
  });
}
