/** node-pg-migrate: scripts or SQL files in a folder, and a row with the name without its end in `pgmigrations`; the order is checked. */
import { posix } from 'node:path';
import { valueAfter } from '../codeValue.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { filesMatching, folderOf } from '../globs.ts';
import type { Layout, ToolModule } from '../layout.ts';
import { foldersFor, isScript, packageFiles, stem, type ConfiguredFolders } from '../scriptFolders.ts';
import { notRun, statedPaths } from '../statedPaths.ts';
import { isWithin, type Tree } from '../tree.ts';

const words = /\bpgm\b|\bMigrationBuilder\b|node-pg-migrate/;

export const nodePgMigrate: ToolModule = {
  tool: 'node-pg-migrate',
  lookedFor: 'the dependency node-pg-migrate, or scripts that use pgm',
  applyWith: 'npx node-pg-migrate up',
  async find(tree, settings) {
    const configurations = await configurationsIn(tree);
    const globs = configurations.flatMap((each): Layout[] => {
      const { pattern } = each;
      if (pattern === undefined || !isWithin(folderOf(pattern), settings.directory)) return [];
      const place = { directory: folderOf(pattern), unread: each.unread };
      const evidence = settings.directory === undefined ? 'configuration' : 'settings';
      return [
        layoutAt({ ...place, evidence }, each, () => filesOf(filesMatching(tree, pattern), each.ignored)),
      ];
    });
    const configured = configurations.filter(({ pattern }) => pattern === undefined);
    if (globs.length > 0 && configured.length === 0) return globs;
    const found = await foldersFor({ tree, settings, configured, words });
    const folders = found.map((place): Layout => {
      const own = configured.find(({ folders: all }) => all.includes(place.directory)) ?? configured[0];
      return layoutAt(place, own, () => filesOf(tree.filesIn(place.directory), own?.ignored));
    });
    return [...globs, ...folders];
  },
};

function layoutAt(
  place: Pick<Layout, 'directory' | 'evidence' | 'unread'>,
  own: Configuration | undefined,
  files: () => LocalMigration[],
): Layout {
  return {
    tool: 'node-pg-migrate',
    ...place,
    table: {
      names: [own?.table ?? 'pgmigrations'],
      schema: own?.schema,
      columns: { needed: ['name', 'run_on'] },
    },
    compare: async (rows) =>
      await compareLists({
        local: files(),
        applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: name, name }])),
        ordered: true,
      }),
  };
}

interface Configuration extends ConfiguredFolders {
  /** With `--use-glob`. */
  pattern: string | undefined;
  /** Which files are left out. */
  ignored: ((path: string) => boolean) | undefined;
  table: string | undefined;
  schema: string | undefined;
}

/** Options of the command line in the scripts of a package, then the file that they name, then the section `db` of node-config. */
async function configurationsIn(tree: Tree): Promise<Configuration[]> {
  const found: Configuration[] = [];
  for (const { folder, dependencies, scripts } of await packageFiles(tree)) {
    if (!dependencies.has('node-pg-migrate')) continue;
    const commands = scripts.filter((text) => text.includes('node-pg-migrate'));
    const option = (names: string): string | undefined =>
      commands
        .map((text) =>
          new RegExp(`(?:^|\\s)(?:${names})[\\s=]+(?:"([^"]+)"|'([^']+)'|([^\\s"']+))`).exec(text),
        )
        .map((match) => match?.[1] ?? match?.[2] ?? match?.[3])
        .find(Boolean);
    const named = option('-f|--config-file');
    const files = [
      ...(named === undefined ? [] : [posix.join(folder, named)]),
      ...['json', 'json5', 'js', 'ts'].map((end) => posix.join(folder, 'config', `default.${end}`)),
    ].filter((path) => tree.has(path));
    const unread: string[] = [];
    const texts = await Promise.all(
      files.map(async (path) => ({ path, text: (await tree.text(path)) ?? '' })),
    );
    const said = async (key: string): Promise<string | undefined> => {
      for (const file of texts) {
        const value = await valueAfter(file, key);
        if (value?.isPartly === true) unread.push(notRun(file.path, key));
        if (value?.values[0] !== undefined) return value.values[0];
      }
      return undefined;
    };
    const stated = option('-m|--migrations-dir') ?? (await said('migrations-dir')) ?? 'migrations';
    const usesGlob =
      commands.some((text) => /--use-glob(?![=\s]+false)/.test(text)) ||
      texts.some(({ text }) => /["']use-glob["']\s*:\s*true/.test(text));
    const ignore = option('--ignore-pattern') ?? (await said('ignore-pattern'));
    const places = statedPaths(
      { values: [stated], isPartly: false },
      { file: 'package.json', key: '-m', folder },
    );
    found.push({
      folders: usesGlob ? [] : places.paths,
      unread: [...unread, ...places.unread],
      pattern: usesGlob ? places.paths[0] : undefined,
      ignored: ignore === undefined ? undefined : ignoring(tree, { ignore, usesGlob, folder }),
      table: option('-t|--migrations-table') ?? (await said('migrations-table')),
      schema: option('--migrations-schema') ?? (await said('migrations-schema')),
    });
  }
  return found;
}

/** With globs the pattern is one too, else it is an expression for the whole name. */
function ignoring(
  tree: Tree,
  { ignore, usesGlob, folder }: { ignore: string; usesGlob: boolean; folder: string },
): (path: string) => boolean {
  if (usesGlob) {
    const left = new Set(filesMatching(tree, posix.join(folder, ignore)));
    return (path) => left.has(path);
  }
  const expression = expressionOf(`^(?:${ignore})$`);
  return (path) => expression?.test(posix.basename(path)) === true;
}

function expressionOf(text: string): RegExp | undefined {
  try {
    return new RegExp(text);
  } catch {
    return undefined; // best effort: the tool itself would refuse it
  }
}

function filesOf(paths: readonly string[], ignored = hidden): LocalMigration[] {
  const files = paths.filter((path) => (isScript(path) || path.endsWith('.sql')) && !ignored(path));
  return files
    .map((file) => ({ key: stem(file), name: stem(file), file }))
    .sort((one, other) => moment(one.name) - moment(other.name) || (one.name < other.name ? -1 : 1));
}

const hidden = (path: string): boolean => posix.basename(path).startsWith('.');

/** Milliseconds, or 17 digits of a time in UTC: both count as the same kind of prefix. */
function moment(name: string): number {
  const prefix = /^\d+/.exec(name)?.[0] ?? '';
  if (prefix.length !== 17 && prefix.length !== 14) return prefix === '' ? Infinity : Number(prefix);
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d*)$/.exec(prefix)?.slice(1).map(Number) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, millisecond = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
}
