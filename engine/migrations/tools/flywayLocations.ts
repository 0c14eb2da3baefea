/** Where Flyway's scripts lie: what its configuration and Spring Boot's say, else `db/migration` on the class path, in all modules of it. */
import { posix } from 'node:path';
import * as yaml from 'yaml';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { namedFolder } from '../folders.ts';
import { filesMatching, isPattern } from '../globs.ts';
import { classPaths, moduleOf } from '../javaModules.ts';
import type { Evidence } from '../layout.ts';
import { maxYamlCharacters, properties } from '../sourceText.ts';
import { foldersUpFrom, isWithin, normalFolder, type Tree } from '../tree.ts';

export interface Location {
  directory: string;
  /** On the class path one location lies in several folders: those of programs, and those of resources. */
  folders: readonly string[];
  evidence: Evidence;
  unread: readonly string[];
  configuration: Configuration | undefined;
}

export interface Configuration {
  /** The folder of the program that it is for. */
  base: string;
  table: string | undefined;
  schema: string | undefined;
  outOfOrder: boolean;
  /** Folders, or ends of folders for those on the class path; patterns too. */
  locations: readonly string[];
  unread: readonly string[];
}

/** Names that other files than `V1__name.sql` have then. */
const naming = [
  'sqlmigrationprefix',
  'sqlmigrationsuffixes',
  'sqlmigrationseparator',
  'repeatablesqlmigrationprefix',
];
const usualNames = new Set(['v', '.sql', '__', 'r']);

/** Files of Flyway itself, of build tools and of Spring Boot, together for each program; keys in lower case without `-`. */
async function configurationsIn(tree: Tree): Promise<Configuration[]> {
  const byBase = new Map<string, { values: Map<string, string>; file: string }>();
  for (const path of tree.paths) {
    const values = await valuesIn(tree, path);
    if (values === undefined) continue;
    const base =
      posix.dirname(path).replace(/(^|\/)(?:src\/main\/resources(?:\/config)?|conf|config)$/, '') || '.';
    const known = byBase.get(base) ?? { values: new Map<string, string>(), file: path };
    for (const [key, value] of values) known.values.set(key, value);
    byBase.set(base, known);
  }
  return [...byBase].map(([base, { values, file }]): Configuration => {
    const list = (key: string): string[] =>
      (values.get(key) ?? '').split(/[\s,[\]"']+/).filter((each) => each !== '');
    const plain = (key: string): string[] => list(key).filter((each) => !each.includes('$'));
    const stated = list('locations');
    const followed = stated.filter(canBeFollowed);
    return {
      base,
      table: plain('table')[0],
      schema: plain('defaultschema')[0] ?? plain('schemas')[0],
      outOfOrder: values.get('outoforder') === 'true',
      locations: followed.map((each) =>
        each
          .replace(/^(filesystem|classpath):/, '')
          .replaceAll('{vendor}', 'postgresql')
          .replace(/^\.?\/+/, ''),
      ),
      unread: [
        ...stated
          .filter((each) => !canBeFollowed(each))
          .map((each) => `${file} names the location ${each}, which can not be followed`),
        ...naming
          .filter((key) => values.has(key) && !list(key).every((each) => usualNames.has(each.toLowerCase())))
          .map((key) => `${file} sets ${key}, so that files have other names than V1__name.sql`),
      ],
    };
  });
}

const canBeFollowed = (location: string): boolean =>
  !location.includes('$') && !/^(?!filesystem:|classpath:)\w+:|^(filesystem:)?([/~]|\.\.\/)/.test(location);

async function valuesIn(tree: Tree, path: string): Promise<Map<string, string> | undefined> {
  if (/(^|\/)src\/test\//.test(path)) return undefined;
  const name = posix.basename(path);
  const text = async (): Promise<string> => (await tree.text(path)) ?? '';
  const found = new Map<string, string>();
  if (/^flyway(\.user)?\.(conf|toml)$/.test(name)) {
    for (const [key, value] of properties(joinedLists(await text())))
      found.set(key.replace(/^.*flyway\./, ''), value);
    return found;
  }
  if (/^application([-.][\w-]+)?\.properties$/.test(name)) {
    for (const [key, value] of properties(await text()))
      if (key.startsWith('spring.flyway.'))
        found.set(key.slice('spring.flyway.'.length).replace(/\[\d+\]$/, ''), value);
  } else if (/^application([-.][\w-]+)?\.ya?ml$/.test(name)) {
    for (const [key, value] of springYaml(await text())) found.set(key, value);
  } else if (name === 'pom.xml' || /^build\.gradle(\.kts)?$/.test(name)) {
    const build = await text();
    if (!/flyway/i.test(build)) return undefined;
    const locations =
      name === 'pom.xml'
        ? [...build.matchAll(/<location>\s*([^<\s]+)\s*<\/location>/g)].map(([, each = '']) => each)
        : [
            ...(/\blocations\s*=\s*(?:arrayOf\(|listOf\(|\[)([^)\]]*)/.exec(build)?.[1] ?? '').matchAll(
              /["']([^"']+)["']/g,
            ),
          ].map(([, each = '']) =>
            each.replace(/^(filesystem:)?\$\{?(?:projectDir|rootDir|project\.projectDir)\}?\//, '$1'),
          );
    if (locations.length > 0)
      found.set('locations', locations.map((each) => each.replace('${project.basedir}/', '')).join(','));
  }
  return found.size === 0 ? undefined : found;
}

/** A list of TOML over several lines is one value. */
const joinedLists = (text: string): string =>
  text.replaceAll(/=\s*\[[^\]]*\]/g, (list) => list.replaceAll(/\s+/g, ' '));

function springYaml(text: string): [string, string][] {
  const found: [string, string][] = [];
  if (text.length > maxYamlCharacters) return found;
  for (const document of yaml.parseAllDocuments(text, { logLevel: 'silent' })) {
    const flywayNode: unknown = document.getIn(['spring', 'flyway']);
    if (!yaml.isMap(flywayNode)) continue;
    for (const [key, value] of Object.entries(flywayNode.toJSON() as Record<string, unknown>)) {
      const plain = Array.isArray(value) ? value.join(',') : value;
      if (['string', 'boolean', 'number'].includes(typeof plain))
        found.push([key.toLowerCase().replaceAll(/[-_]/g, ''), String(plain)]);
    }
  }
  return found;
}

export async function locationsOf(
  tree: Tree,
  settings: MigrationSettings,
  isMigration: (path: string) => boolean,
): Promise<Location[]> {
  const configurations = await configurationsIn(tree);
  const named = namedFolder(settings);
  const ownOf = (folder: string): Configuration | undefined =>
    foldersUpFrom(folder)
      .map((up) => configurations.find(({ base }) => base === up))
      .find((each) => each !== undefined) ?? (configurations.length === 1 ? configurations[0] : undefined);
  if (named !== undefined)
    return [
      { directory: named, folders: [named], evidence: 'settings', unread: [], configuration: ownOf(named) },
    ];

  const folders = [...new Set(tree.paths.filter(isMigration).map((path) => posix.dirname(path)))];
  const stated = folders.flatMap((folder) => {
    const locations = ownOf(folder)?.locations ?? [];
    return foldersUpFrom(folder).filter((up) => locations.some((each) => isLocation(tree, each, up)));
  });
  // A location holds all folders below it; Spring Boot's usual one is db/migration.
  const usual = folders.map((folder) => /^(?:.*\/)?db\/migration(?=\/|$)/.exec(folder)?.[0] ?? folder);
  const all = [...new Set(stated.length > 0 ? stated : usual)];
  const roots = all
    .filter((folder) => !all.some((other) => other !== folder && isWithin(folder, other)))
    .filter((folder) => isWithin(folder, settings.directory));
  const places = await programs(tree, roots, stated.length > 0 ? ownOf : () => undefined);
  return places.map((same): Location => {
    const configuration = same.map(ownOf).find((each) => each !== undefined);
    const isOwn = configuration !== undefined && same.some((folder) => isWithin(folder, configuration.base));
    return {
      directory: same.find((folder) => folder.includes('/resources/')) ?? same[0] ?? '.',
      folders: same,
      evidence: settings.directory !== undefined ? 'settings' : isOwn ? 'configuration' : 'files',
      unread: configuration?.unread ?? [],
      configuration,
    };
  });
}

function isLocation(tree: Tree, location: string, folder: string): boolean {
  const stated = normalFolder(location);
  if (!isPattern(stated)) return folder === stated || folder.endsWith(`/${stated}`);
  return (
    filesMatching(tree, posix.join(stated, '**')).some((path) => posix.dirname(path) === folder) ||
    filesMatching(tree, posix.join('**', stated, '**')).some((path) => posix.dirname(path) === folder)
  );
}

/** Folders that one program reads: of one configuration, of the modules on one class path, or of programs and resources of one module. */
async function programs(
  tree: Tree,
  roots: readonly string[],
  ownOf: (folder: string) => Configuration | undefined,
): Promise<string[][]> {
  const paths = await classPaths(tree);
  const used = new Set([...paths].flatMap(([module, all]) => [...all].filter((each) => each !== module)));
  const tops = [...paths].filter(([module]) => !used.has(module));
  const groups = new Map<string, string[]>();
  for (const root of roots) {
    const module = moduleOf(paths, root);
    const own = ownOf(root);
    const keys =
      own !== undefined
        ? [`configuration ${own.base}`]
        : tops.filter(([, all]) => module !== undefined && all.has(module)).map(([top]) => `module ${top}`);
    const place = root.replace(/src\/main\/(java|kotlin|resources)(?=\/)/, 'src/main');
    for (const key of keys.length > 0 ? keys : [place]) groups.set(key, [...(groups.get(key) ?? []), root]);
  }
  return [...groups.values()];
}
