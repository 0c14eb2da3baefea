/** Rails: Ruby files in `db/migrate` whose names begin with a version, and a row with each version in `schema_migrations`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import { literals, withoutHashComments } from '../sourceText.ts';
import { isWithin, pathFrom, type Tree } from '../tree.ts';

export const rails: ToolModule = {
  tool: 'rails',
  lookedFor: 'db/migrate/*.rb',
  applyWith: 'bin/rails db:migrate',
  async find(tree, settings) {
    const named = namedFolder(settings);
    const all =
      named === undefined ? await placesIn(tree) : [{ directory: named, folders: [named], unread: [] }];
    return all
      .filter(({ directory }) => isWithin(directory, settings.directory))
      .map(({ directory, folders, unread }): Layout => ({
        tool: 'rails',
        directory,
        evidence: evidenceFor(tree, directory, settings.directory),
        unread,
        table: {
          names: ['schema_migrations'],
          schema: undefined,
          columns: { needed: ['version'], foreign: ['dirty', 'inserted_at'] },
        },
        compare: (rows) => compare(tree, folders, rows),
      }));
  },
};

interface Place {
  directory: string;
  /** All that the application reads; Rails reads what lies below them too. */
  folders: readonly string[];
  unread: readonly string[];
}

/** Applications with several databases have `db/NAME_migrate`, engines and packs have folders of their own. */
const folderOfMigrations = /^(.*\/)?db\/(\w+_)?migrate(?=\/)/;
const isMigration = (path: string): boolean =>
  folderOfMigrations.test(path) && /^\d+_\w+(\.\w+)?\.rb$/.test(posix.basename(path));

async function placesIn(tree: Tree): Promise<Place[]> {
  const found = new Set(
    tree.paths.filter(isMigration).map((path) => folderOfMigrations.exec(path)?.[0] ?? '.'),
  );
  const places: Place[] = [];
  const taken = new Set<string>();
  for (const directory of [...found].sort((one, other) => one.length - other.length)) {
    if (taken.has(directory)) continue;
    const root = posix.dirname(posix.dirname(directory));
    const isOwn = isApplication(tree, root) && posix.basename(directory) === 'migrate';
    const { folders, unread } = isOwn ? await alsoRead(tree, root, [...found]) : { folders: [], unread: [] };
    for (const folder of folders) taken.add(folder);
    places.push({
      directory,
      folders: [directory, ...folders.filter((folder) => folder !== directory)],
      unread,
    });
  }
  return places;
}

/** Folders that the application adds to its own: packs by their gem, others by its configuration. */
async function alsoRead(
  tree: Tree,
  root: string,
  found: readonly string[],
): Promise<{ folders: string[]; unread: string[] }> {
  const folders: string[] = [];
  const unread: string[] = [];
  const gems = withoutHashComments((await tree.text(posix.join(root, 'Gemfile'))) ?? '');
  if (/\bgem\s*\(?\s*["'](?:packs-rails|stimpack)["']/.test(gems))
    folders.push(...found.filter((folder) => isWithin(folder, posix.join(root, 'packs'))));
  const file = posix.join(root, 'config', 'application.rb');
  const code = withoutHashComments((await tree.text(file)) ?? '');
  for (const [, stated = ''] of code.matchAll(
    /(?:paths\[["']db\/migrate["']\]\s*(?:<<|=|\.(?:push|concat|unshift))|migrations_paths\s*(?:<<|\+?=))([^\n]*)/g,
  )) {
    const paths = literals(stated).map((each) => pathFrom(root, each));
    const present = paths.flatMap((each) => (each !== undefined && tree.hasFolder(each) ? [each] : []));
    folders.push(...present);
    if (paths.length === 0 || stated.includes('#{') || paths.includes(undefined))
      unread.push(`what ${file} adds to the paths of migrations is only known when the program runs`);
  }
  return { folders, unread };
}

const signs = ['config/database.yml', 'config/application.rb', 'db/schema.rb', 'db/structure.sql'];
const isApplication = (tree: Tree, root: string): boolean =>
  signs.some((sign) => tree.has(posix.join(root, sign)));

function evidenceFor(tree: Tree, directory: string, stated: string | undefined): Evidence {
  if (stated !== undefined) return 'settings';
  return isApplication(tree, posix.dirname(posix.dirname(directory))) ? 'configuration' : 'files';
}

async function compare(tree: Tree, folders: readonly string[], rows: readonly Row[]): Promise<Comparison> {
  const local = folders
    .flatMap((folder) => tree.filesBelow(folder))
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
