/** SQLx: SQL files that begin with a version, and a row with the SHA-384 of each in `_sqlx_migrations`. */
import { posix } from 'node:path';
import { digests } from '../checksum.ts';
import { compareLists, type AppliedMigration, type LocalMigration } from '../compareLists.ts';
import { foldersWith } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import type { Row } from '../../database/database.ts';
import { qualifiedTable, type QualifiedTable } from '../qualifiedTable.ts';
import { dependencyFiles, properties } from '../sourceText.ts';
import { foldersUpFrom, isWithin, pathFrom, type Tree } from '../tree.ts';

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
      folders.map(async (directory): Promise<Layout> => {
        const { folder, table, ignored } = await optionsFor(tree, directory);
        const usual = crates.map((crate) => posix.join(crate, 'migrations'));
        return {
          tool: 'sqlx',
          directory,
          evidence:
            settings.directory !== undefined
              ? 'settings'
              : (folder === undefined ? usual : [folder]).includes(directory)
                ? 'configuration'
                : 'files',
          table: {
            names: [table.name],
            schema: table.schema,
            columns: { needed: ['version', 'description', 'success', 'checksum'] },
          },
          compare: (rows) => compare(tree, { directory, ignored }, rows),
        };
      }),
    );
  },
};

interface Options {
  /** Where migrations lie, if it is said. */
  folder: string | undefined;
  table: QualifiedTable;
  /** Characters that its checksums leave out. */
  ignored: readonly string[];
}

/** As `sqlx.toml` says (`sqlx::config::migrate::Config`). */
async function optionsFor(tree: Tree, directory: string): Promise<Options> {
  const file = foldersUpFrom(directory)
    .map((folder) => posix.join(folder, 'sqlx.toml'))
    .find((path) => tree.has(path));
  const text = file === undefined ? '' : ((await tree.text(file)) ?? '');
  const said = properties(text);
  const folder = said.get('migrate.migrationsdir');
  return {
    folder: folder === undefined ? undefined : pathFrom(posix.dirname(file ?? '.'), folder),
    table: qualifiedTable(said.get('migrate.tablename') ?? '_sqlx_migrations'),
    ignored: charactersOf(/^\s*ignored-chars\s*=\s*\[([^\]]*)\]/m.exec(text)?.[1] ?? ''),
  };
}

/** Of an array of TOML; its escapes of one character are those of JSON. */
const charactersOf = (array: string): string[] =>
  [...array.matchAll(/("(?:\\(?:[btnfr"\\]|u[0-9a-fA-F]{4})|[^"\\\n])+")|'([^'\n]+)'/g)].map(
    ([, basic, literal]) => (basic === undefined ? (literal ?? '') : (JSON.parse(basic) as string)),
  );

const isMigration = (path: string): boolean =>
  /^\d+_.*\.sql$/.test(posix.basename(path)) && !path.endsWith('.down.sql');

interface AppliedRow extends AppliedMigration {
  checksum: string;
}

async function compare(
  tree: Tree,
  { directory, ignored }: { directory: string; ignored: readonly string[] },
  rows: readonly Row[],
): Promise<Comparison> {
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
      return content !== undefined && !digests(without(content, ignored), 'sha384').includes(checksum);
    },
  });
}

function without(content: Uint8Array, ignored: readonly string[]): Uint8Array {
  if (ignored.length === 0) return content;
  const text = Buffer.from(content).toString();
  return Buffer.from(ignored.reduce((rest, character) => rest.replaceAll(character, ''), text));
}
