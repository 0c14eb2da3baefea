/** Rails: Ruby files in `db/migrate` whose names begin with a version, and a row with each version in `schema_migrations`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { foldersWith } from '../folders.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import type { Tree } from '../tree.ts';

export const rails: ToolModule = {
  tool: 'rails',
  lookedFor: 'db/migrate/*.rb',
  applyWith: 'bin/rails db:migrate',
  async find(tree, settings) {
    const folders = foldersWith(tree, settings, isMigration);
    return folders.map((directory): Layout => ({
      tool: 'rails',
      directory,
      evidence: evidenceFor(tree, directory, settings.directory),
      table: {
        names: ['schema_migrations'],
        schema: undefined,
        columns: { needed: ['version'], foreign: ['dirty', 'inserted_at'] },
      },
      compare: (rows) => compare(tree, directory, rows),
    }));
  },
};

/** Applications with several databases have `db/NAME_migrate`, engines and packs have folders of their own. */
const isMigration = (path: string): boolean => /(^|\/)db\/(\w+_)?migrate\/\d+_\w+(\.\w+)?\.rb$/.test(path);

function evidenceFor(tree: Tree, directory: string, stated: string | undefined): Evidence {
  if (stated !== undefined) return 'settings';
  const db = posix.dirname(directory);
  const root = posix.dirname(db);
  const signs = ['config/database.yml', 'config/application.rb', 'db/schema.rb', 'db/structure.sql'];
  return signs.some((sign) => tree.has(posix.join(root, sign))) ? 'configuration' : 'files';
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local = tree
    .filesIn(directory)
    .flatMap((file): (LocalMigration & { version: bigint })[] => {
      const [, version, name] = /^(\d+)_(\w+(?:\.\w+)?)\.rb$/.exec(posix.basename(file)) ?? [];
      if (version === undefined || name === undefined) return [];
      return [
        { key: BigInt(version).toString(), name: `${version}_${name}`, file, version: BigInt(version) },
      ];
    })
    .sort((one, other) => (one.version < other.version ? -1 : 1));
  const versions = rows.flatMap(({ version }) => (version != null && /^\d+$/.test(version) ? [version] : []));
  const first = local[0]?.version;
  // Projects remove the files of old migrations; their state lives on in schema.rb, which begins with them.
  const old = first === undefined ? [] : versions.filter((version) => BigInt(version) < first);
  const kept = versions.filter((version) => !old.includes(version));
  const notes =
    old.length === 0
      ? []
      : [
          `Taken for removed history, since older than the first file: ${old.length === 1 ? 'one applied version' : `${old.length} applied versions`}.`,
        ];
  return await compareLists({
    local,
    applied: kept.map((version) => ({ key: BigInt(version).toString(), name: version })),
    ordered: false,
    notes,
  });
}
