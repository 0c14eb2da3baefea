/** Where Django's migration packages lie: `APP/migrations`, or where `MIGRATION_MODULES` of the settings says. */
import { posix } from 'node:path';
import { pythonCode, pythonModule, pythonText, withStarImports } from '../pythonValue.ts';
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
    const stated = statedModules(await pythonCode(tree, file));
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

function statedModules(code: string): StatedModules | undefined {
  const modules = new Map<string, string | null>();
  let isPartly = false;
  const add = (label: string, text: string | undefined, none: string | undefined): void => {
    modules.set(label, none === undefined ? (text ?? '') : null);
  };
  const value = /^[ \t]*MIGRATION_MODULES\s*(?::[^=\n]*)?=\s*(\{[^{}]*\}|[^\n]*)/m.exec(code)?.[1];
  const item = /["'](\w+)["']\s*:\s*(?:["']([\w.]+)["']|(None))\s*,?/g;
  if (value !== undefined) {
    for (const [, label = '', text, none] of value.matchAll(item)) add(label, text, none);
    isPartly = !/^\{\s*\}$/.test(value.replaceAll(item, ''));
  }
  const single = /^[ \t]*MIGRATION_MODULES\[["'](\w+)["']\]\s*=\s*(?:["']([\w.]+)["']|(None))?/gm;
  for (const [, label = '', text, none] of code.matchAll(single)) {
    if (text === undefined && none === undefined) isPartly = true;
    else add(label, text, none);
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
