/** Where Django's migration packages lie: `APP/migrations`, or where `MIGRATION_MODULES` of the settings says. */
import { posix } from 'node:path';
import { pythonCode, pythonModule, pythonText, textOf, withStarImports } from '../pythonValue.ts';
import type { Tree } from '../tree.ts';

export interface AppPackages {
  /** Folder of migrations by label of the app. */
  readonly folders: ReadonlyMap<string, string>;
  /** Labels of apps whose migrations are turned off. */
  readonly disabled: ReadonlySet<string>;
  readonly unread: readonly string[];
}

export function usualPackages(tree: Tree, project: string): string[] {
  const packages = tree
    .filesBelow(project)
    .filter((path) => /(^|\/)migrations\/__init__\.py$/.test(path))
    .map((path) => posix.dirname(path));
  return packages.filter((folder) => folder !== 'migrations');
}

/** The settings that `manage.py` names, with all that they take from others; else whatever is called settings. */
async function settingsOf(tree: Tree, project: string): Promise<string[]> {
  const manage = tree.filesBelow(project).find((path) => posix.basename(path) === 'manage.py');
  const code = manage === undefined ? '' : await pythonCode(tree, manage);
  const named = /DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*["']([\w.]+)["']/.exec(code)?.[1];
  const file = named === undefined || manage === undefined ? undefined : pythonModule(tree, manage, named);
  if (file !== undefined) return await withStarImports(tree, file);
  return tree
    .filesBelow(project)
    .filter((path) => /(^|\/)settings(\/\w+)?\.py$/.test(path) && !/test/i.test(posix.basename(path)));
}

export async function appPackages(tree: Tree, project: string): Promise<AppPackages> {
  const folders = new Map<string, string>();
  const disabled = new Set<string>();
  const unread: string[] = [];
  for (const folder of usualPackages(tree, project))
    folders.set(await labelOf(tree, posix.dirname(folder)), folder);
  for (const file of await settingsOf(tree, project)) {
    const stated = await statedModules(tree, file);
    if (stated === undefined) continue;
    if (stated.isPartly)
      unread.push(`what MIGRATION_MODULES in ${file} is, is only known when the program runs`);
    for (const [label, module] of stated.modules) {
      folders.delete(label);
      if (module === null) disabled.add(label);
      else {
        const found = folderOf(tree, file, module);
        if (found === undefined)
          unread.push(
            `${file} says that the migrations of ${label} are in ${module}, which is not in the checkout`,
          );
        else folders.set(label, found);
      }
    }
    break;
  }
  return { folders, disabled, unread };
}

const folderOf = (tree: Tree, file: string, module: string): string | undefined => {
  const found = pythonModule(tree, file, module);
  return found === undefined || posix.basename(found) !== '__init__.py' ? undefined : posix.dirname(found);
};

interface StatedModules {
  modules: ReadonlyMap<string, string | null>;
  isPartly: boolean;
}

/** A text, `None`, or the name of a constant. */
const SINGLE = `(["'][\\w.]+["']|[A-Za-z_][\\w.]*)`;

async function statedModules(tree: Tree, file: string): Promise<StatedModules | undefined> {
  const code = await pythonCode(tree, file);
  const modules = new Map<string, string | null>();
  let isPartly = false;
  const add = async (label: string, said: string): Promise<void> => {
    const text = said === 'None' ? null : await textOf(tree, file, said);
    // Of a constant that is None nothing is said.
    if (said !== 'None' && text == null) isPartly = true;
    else modules.set(label, text ?? null);
  };
  const value = /^[ \t]*MIGRATION_MODULES\s*(?::[^=\n]*)?=\s*(\{[^{}]*\}|[^\n]*)/m.exec(code)?.[1];
  const item = new RegExp(`["'](\\w+)["']\\s*:\\s*${SINGLE}\\s*(?:,|(?=\\}))`, 'g');
  if (value !== undefined) {
    if (!/^\{\s*\}$/.test(value.replaceAll(item, ''))) isPartly = true;
    for (const [, label = '', said = ''] of value.matchAll(item)) await add(label, said);
  }
  const single = new RegExp(
    `^[ \\t]*MIGRATION_MODULES\\[["'](\\w+)["']\\]\\s*=\\s*(?:${SINGLE}[ \\t]*$)?`,
    'gm',
  );
  for (const [, label = '', said] of code.matchAll(single)) {
    if (said === undefined) isPartly = true;
    else await add(label, said);
  }
  if (/\bMIGRATION_MODULES\s*(?:\.(?:update|setdefault)\(|\|=)/.test(code)) isPartly = true;
  return value === undefined && modules.size === 0 && !isPartly ? undefined : { modules, isPartly };
}

/** The folder's name, unless the app's configuration says another label. */
async function labelOf(tree: Tree, folder: string): Promise<string> {
  const file = posix.join(folder, 'apps.py');
  const label = tree.has(file) ? await pythonText(tree, file, 'label') : undefined;
  return label ?? posix.basename(folder);
}
