/** Django: Python modules in a `migrations` package of each app, and a row with app and name in `django_migrations`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { dependencyOrder } from '../dependencyOrder.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { withoutHashComments } from '../sourceText.ts';
import { isWithin, type Tree } from '../tree.ts';
import { appPackages, usualPackages, type AppPackages } from './djangoModules.ts';

export const django: ToolModule = {
  tool: 'django',
  lookedFor: 'manage.py and APP/migrations/NUMBER_name.py',
  applyWith: 'python manage.py migrate',
  async find(tree, settings) {
    const all = await projectsOf(tree, settings);
    return all.map((directory): Layout => ({
      tool: 'django',
      directory,
      evidence: settings.directory === undefined ? 'configuration' : 'settings',
      table: {
        names: ['django_migrations'],
        schema: undefined,
        columns: { needed: ['app', 'name', 'applied'] },
      },
      compare: (rows) => compare(tree, directory, rows),
    }));
  },
};

/** Folders with a `manage.py` and an app below. Apps outside of every project belong to one all the same where there is only one. */
async function projectsOf(tree: Tree, settings: MigrationSettings): Promise<string[]> {
  const named = namedFolder(settings);
  if (named !== undefined) return [named];
  const projects = tree.paths
    .filter((path) => posix.basename(path) === 'manage.py')
    .map((path) => posix.dirname(path))
    .filter((folder) => isWithin(folder, settings.directory));
  const found: string[] = [];
  for (const project of projects)
    if ((await hasApps(tree, project)) && (await usesDjango(tree, project))) found.push(project);
  const [only] = projects;
  if (found.length === 0 && projects.length === 1 && only !== undefined && (await hasApps(tree, '.')))
    return (await usesDjango(tree, only)) ? ['.'] : [];
  return found;
}

const hasApps = async (tree: Tree, project: string): Promise<boolean> =>
  usualPackages(tree, project).length > 0 || (await appPackages(tree, project)).folders.size > 0;

const usesDjango = async (tree: Tree, project: string): Promise<boolean> =>
  /\bdjango\b/i.test((await tree.text(posix.join(project, 'manage.py'))) ?? '');

interface Module extends LocalMigration {
  app: string;
  dependencies: readonly string[];
  replaces: readonly string[];
}

const isModule = (path: string): boolean => path.endsWith('.py') && !/^[_~]/.test(posix.basename(path));

async function modulesOf(tree: Tree, packages: AppPackages): Promise<Module[]> {
  const modules: Module[] = [];
  for (const [app, folder] of packages.folders) {
    for (const file of tree.filesIn(folder).filter(isModule)) {
      const text = await tree.text(file);
      if (text !== undefined && !/\bMigration\b/.test(text)) continue;
      const name = posix.basename(file, '.py');
      const code = withoutHashComments(text ?? '');
      modules.push({
        key: `${app}.${name}`,
        name: `${app}.${name}`,
        file,
        app,
        dependencies: pairsIn(code, 'dependencies'),
        replaces: pairsIn(code, 'replaces'),
      });
    }
  }
  return modules;
}

/** `("app", "0001_initial")` in the list after a name. */
function pairsIn(code: string, attribute: string): string[] {
  const list =
    new RegExp(`^[ \\t]+${attribute}\\s*(?::[^=\\n]*)?=\\s*\\[([^\\]]*)\\]`, 'm').exec(code)?.[1] ?? '';
  return [...list.matchAll(/\(\s*["'](\w+)["']\s*,\s*["'](\w+)["']\s*,?\s*\)/g)].map(
    ([, app = '', name = '']) => `${app}.${name}`,
  );
}

async function compare(tree: Tree, project: string, rows: readonly Row[]): Promise<Comparison> {
  const packages = await appPackages(tree, project);
  const modules = await modulesOf(tree, packages);
  const apps = new Set(packages.folders.keys());
  const recorded = rows.flatMap(({ app, name }) => (app == null || name == null ? [] : [{ app, name }]));
  const others = [...new Set(recorded.map(({ app }) => app))]
    .filter((app) => !apps.has(app) && !packages.disabled.has(app))
    .sort();
  const own = recorded.filter(({ app }) => apps.has(app)).map(({ app, name }) => `${app}.${name}`);

  const done = new Set(own);
  const present = new Set(modules.map(({ key }) => key));
  const dropped = new Set<string>();
  for (const { key, replaces } of modules) {
    if (replaces.length === 0) continue;
    const replaced = replaces.filter((each) => done.has(each));
    // As Django does it: a squashed one counts as applied when all that it replaces is, and as absent while only some is.
    if (replaced.length === replaces.length) done.add(key);
    else if (replaced.length > 0 && !done.has(key)) dropped.add(key);
    if (!dropped.has(key)) for (const each of replaces) dropped.add(each);
  }
  const local = inOrder(modules.filter(({ key }) => !dropped.has(key)));
  const squashed = new Set(modules.flatMap(({ replaces }) => replaces));
  const applied = [...done].filter((key) => !squashed.has(key) || (present.has(key) && !dropped.has(key)));
  const notes = [];
  if (others.length > 0)
    notes.push(
      `Not compared, since no app of this checkout has that label: ${others.slice(0, 20).join(', ')}.`,
    );
  notes.push(...conflicts(local));
  const compared = await compareLists({
    local,
    applied: applied.map((key) => ({ key, name: key })),
    ordered: false,
    notes,
  });
  return { ...compared, unread: packages.unread };
}

/** Dependencies first; among equals by name. */
const inOrder = (modules: readonly Module[]): Module[] =>
  dependencyOrder(
    [...modules].sort((one, other) => (one.key < other.key ? -1 : 1)),
    ({ key }) => key,
    ({ dependencies }) => dependencies,
  );

/** Two ends in one app: Django refuses until they are merged. */
function conflicts(modules: readonly Module[]): string[] {
  const notes: string[] = [];
  for (const [app, own] of Map.groupBy(modules, (each) => each.app)) {
    const followed = new Set(own.flatMap(({ dependencies, replaces }) => [...dependencies, ...replaces]));
    const ends = own.filter(({ key }) => !followed.has(key));
    if (ends.length > 1)
      notes.push(
        `App ${app} has several last migrations (${ends.map(({ name }) => name).join(', ')}): merge them.`,
      );
  }
  return notes;
}
