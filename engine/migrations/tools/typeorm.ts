/** TypeORM: classes whose names end in a time in milliseconds, and a row with time and name in `migrations`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { valueAfter, type CodeFile } from '../codeValue.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import { commonFolder, folderOf } from '../globs.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { isScript, scriptFolders } from '../scriptFolders.ts';
import { packageFolder, sourceFiles, statedPaths } from '../statedPaths.ts';
import { withoutComments } from '../sourceText.ts';
import { isWithin, type Tree } from '../tree.ts';

const words = /\bMigrationInterface\b|\bQueryRunner\b|\bqueryRunner\b/;

export const typeorm: ToolModule = {
  tool: 'typeorm',
  lookedFor: 'a data source, or scripts with classes that implement MigrationInterface',
  applyWith: 'npx typeorm migration:run -d <data source>',
  async find(tree, settings) {
    const sources = await dataSources(tree);
    const places = await placesOf(tree, settings, sources);
    return places.map(({ directory, files, evidence, unread, source }): Layout => ({
      tool: 'typeorm',
      directory,
      evidence,
      unread,
      table: {
        names: [source?.table ?? 'migrations'],
        schema: source?.schema,
        columns: { needed: ['timestamp', 'name'], foreign: ['batch', 'run_on'] },
      },
      compare: (rows) => compare(tree, files, rows),
    }));
  },
};

interface DataSource {
  /** Undefined where it names no migrations. */
  files: readonly string[] | undefined;
  directory: string;
  unread: readonly string[];
  table: string | undefined;
  schema: string | undefined;
}

/** Data sources have any name: what speaks of TypeORM and lies in a file that is called for a configuration is one. */
async function dataSources(tree: Tree): Promise<DataSource[]> {
  const found: DataSource[] = [];
  for (const path of tree.paths) {
    if (!/data-?source|orm-?config|typeorm|(^|[/._-])(database|db|config)\b|app\.module/i.test(path))
      continue;
    if ((!isScript(path) && !path.endsWith('.json')) || /(^|\/)migrations?\//i.test(path)) continue;
    const text = (await tree.text(path)) ?? '';
    const isConfig = /ormconfig/i.test(path);
    if (!isConfig && !/\bmigrationsTableName\b|\bDataSource\b|\btypeorm\b/i.test(text)) continue;
    const source = await dataSource(tree, {
      path,
      text,
      imported: (name) => importedFiles(tree, path, text, name),
    });
    if (source !== undefined) found.push(source);
  }
  // A second data source for tests or the command line reads the same files.
  return found.filter(
    ({ files }, index) =>
      !found.some(
        (other, at) =>
          at !== index &&
          files !== undefined &&
          other.files !== undefined &&
          files.every((file) => other.files?.includes(file)) &&
          (other.files.length > files.length || at < index),
      ),
  );
}

async function dataSource(tree: Tree, file: CodeFile): Promise<DataSource | undefined> {
  const value = await valueAfter(file, 'migrations');
  const name = (await valueAfter(file, 'migrationsTableName'))?.values[0];
  if (value === undefined && name === undefined) return undefined;
  const folder = packageFolder(tree, file.path);
  const { paths, unread } = statedPaths(value, { file: file.path, key: 'migrations', folder });
  const files = [...new Set(paths.flatMap((path) => sourceFiles(tree, path)))].filter(isScript);
  // "schema.table" is how TypeORM itself takes both.
  const [first, second] = name?.split('.') ?? [];
  const stated = paths.filter((path) => !isScript(path) || /[*{[]/.test(path)).map(folderOf);
  return {
    files: value === undefined ? undefined : files,
    directory:
      stated.length > 0 ? commonFolder(stated.map((each) => posix.join(each, 'x'))) : commonFolder(files),
    unread,
    table: second ?? first,
    schema: second === undefined ? (await valueAfter(file, 'schema'))?.values[0] : first,
  };
}

/** Files behind an imported name: the module itself, and what an index of modules passes on. */
async function importedFiles(
  tree: Tree,
  path: string,
  text: string,
  name: string,
): Promise<string[] | undefined> {
  const escaped = name.replaceAll('$', '\\$');
  const from =
    new RegExp(`import\\s[^;]*?\\b${escaped}\\b[^;]*?\\sfrom\\s*["'](\\.[^"']*)["']`).exec(text)?.[1] ??
    new RegExp(`\\b${escaped}\\b[^;\\n]*=\\s*require\\(\\s*["'](\\.[^"']*)["']`).exec(text)?.[1];
  const file = from === undefined ? undefined : moduleAt(tree, posix.join(posix.dirname(path), from));
  if (file === undefined) return undefined;
  const content = withoutComments((await tree.text(file)) ?? '');
  const passedOn = [...content.matchAll(/export\s[^;]*?\sfrom\s*["'](\.[^"']*)["']/g)].map(([, each = '']) =>
    moduleAt(tree, posix.join(posix.dirname(file), each)),
  );
  return passedOn.length === 0 ? [file] : passedOn.filter((each) => each !== undefined);
}

function moduleAt(tree: Tree, path: string): string | undefined {
  const base = path.replace(/\.[cm]?js$/, '');
  const ends = ['ts', 'js', 'mts', 'mjs', 'cts', 'cjs'];
  const candidates = [
    path,
    ...ends.map((end) => `${base}.${end}`),
    ...ends.map((end) => `${base}/index.${end}`),
  ];
  return candidates.map((each) => posix.normalize(each)).find((each) => tree.has(each));
}

interface Place extends Pick<Layout, 'directory' | 'evidence'> {
  unread: readonly string[];
  files: readonly string[];
  source: DataSource | undefined;
}

async function placesOf(
  tree: Tree,
  settings: MigrationSettings,
  sources: readonly DataSource[],
): Promise<Place[]> {
  const [first] = [...sources].sort(
    (one, other) => Number(other.table !== undefined) - Number(one.table !== undefined),
  );
  const named = namedFolder(settings);
  if (named !== undefined) {
    const files = tree.filesBelow(named);
    return [{ directory: named, evidence: 'settings', files, source: first, unread: [] }];
  }
  const evidence = settings.directory === undefined ? 'configuration' : 'settings';
  const known = sources.flatMap((source): Place[] => {
    const { files = [], directory, unread } = source;
    return files.length > 0 && isWithin(directory, settings.directory)
      ? [{ directory, evidence, files, source, unread }]
      : [];
  });
  if (known.length > 0) return known;
  // What no data source names, as far as it can be followed, may still be read by one.
  const unread = sources.flatMap((source) => source.unread);
  const found = (await scriptFolders(tree, words)).filter((folder) => isWithin(folder, settings.directory));
  return found.map((directory) => ({
    directory,
    evidence: settings.directory === undefined ? 'files' : 'settings',
    files: tree.filesIn(directory),
    source: first,
    unread,
  }));
}

async function compare(tree: Tree, files: readonly string[], rows: readonly Row[]): Promise<Comparison> {
  const local: (LocalMigration & { time: number })[] = [];
  const notes: string[] = [];
  for (const file of files.filter(isScript)) {
    const text = await tree.text(file);
    const names = text === undefined ? [] : classesIn(withoutComments(text));
    for (const name of names) local.push({ key: name, name, file, time: Number(name.slice(-13)) });
    if (names.length === 0 && /^\d{13}/.test(posix.basename(file)))
      notes.push(`${file} has no class whose name ends in a time.`);
  }
  return await compareLists({
    local: local.sort((one, other) => one.time - other.time),
    applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: name, name }])),
    ordered: false,
    notes,
  });
}

/** A property `name` wins over the name of the class. */
function classesIn(text: string): string[] {
  const classes = [...text.matchAll(/\bclass\s+([A-Za-z_$][\w$]*)/g)];
  return classes.flatMap((match, index) => {
    const body = text.slice(match.index, classes[index + 1]?.index);
    const stated = /(?:^|[\s{;(])(?:this\.)?name\s*(?::\s*string\s*)?=\s*["'`]([^"'`]+)["'`]/.exec(body)?.[1];
    const name = stated ?? match[1] ?? '';
    return /\d{13}$/.test(name) ? [name] : [];
  });
}
