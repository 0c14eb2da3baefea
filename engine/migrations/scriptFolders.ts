/** Folders of migrations that are JavaScript or TypeScript, by what is written in them: tools share their layout, not their words. */
import { posix } from 'node:path';
import * as z from 'zod';
import type { MigrationSettings } from '../protocol/migrationReport.ts';
import type { Evidence } from './layout.ts';
import { withoutComments } from './sourceText.ts';
import { foldersUpFrom, normalFolder, type Tree } from './tree.ts';

const script = /\.(?:js|cjs|mjs|ts|cts|mts|coffee)$/;
const declaration = /\.d\.[cm]?ts$/;

export const isScript = (path: string): boolean => script.test(path) && !declaration.test(path);

/** The name without folder and extension. */
export const stem = (path: string): string => posix.basename(path).replace(/\.[^.]+$/, '');

export interface ScriptFolder {
  directory: string;
  evidence: Evidence;
}

/**
 * Folders whose scripts begin with a number and use one of the words. The newest few are read, since the oldest ones of
 * a long history often come from another time.
 */
export async function scriptFolders(tree: Tree, words: RegExp): Promise<string[]> {
  const byFolder = Map.groupBy(
    tree.paths.filter((path) => isScript(path) && /^\d/.test(posix.basename(path))),
    (path) => posix.dirname(path),
  );
  const found: string[] = [];
  for (const [folder, paths] of byFolder) {
    if (!/migrat/i.test(folder) && !paths.some((path) => /^\d{8,}/.test(posix.basename(path)))) continue;
    for (const path of paths.slice(-3)) {
      const text = await tree.text(path);
      if (text === undefined || !words.test(withoutComments(text))) continue;
      found.push(folder);
      break;
    }
  }
  return found;
}

/** The folder of the settings, else the folders that the configuration names, else those found by their words. */
export async function foldersFor(options: {
  tree: Tree;
  settings: MigrationSettings;
  /** From configuration files; those that are not there are left out. */
  configured: readonly string[];
  words: RegExp;
}): Promise<ScriptFolder[]> {
  const { tree, settings, configured, words } = options;
  if (settings.directory !== undefined) {
    const directory = normalFolder(settings.directory);
    if (settings.tool !== undefined) return [{ directory, evidence: 'settings' }];
    const found = await scriptFolders(tree, words);
    const inside = found.filter((folder) => foldersUpFrom(folder).includes(directory));
    return inside.map((folder) => ({ directory: folder, evidence: 'settings' }));
  }
  const present = [...new Set(configured.map(normalFolder))].filter((folder) => tree.hasFolder(folder));
  if (present.length > 0) return present.map((directory) => ({ directory, evidence: 'configuration' }));
  return (await scriptFolders(tree, words)).map((directory) => ({ directory, evidence: 'files' }));
}

const packageSchema = z.object({
  dependencies: z.record(z.string(), z.unknown()).optional(),
  devDependencies: z.record(z.string(), z.unknown()).optional(),
  scripts: z.record(z.string(), z.unknown()).optional(),
});

export interface PackageFile {
  folder: string;
  dependencies: ReadonlySet<string>;
  scripts: readonly string[];
}

export async function packageFiles(tree: Tree): Promise<PackageFile[]> {
  const found: PackageFile[] = [];
  for (const path of tree.paths.filter((each) => posix.basename(each) === 'package.json')) {
    const parsed = packageSchema.safeParse(parseJson(await tree.text(path)));
    if (!parsed.success) continue;
    const { dependencies = {}, devDependencies = {}, scripts = {} } = parsed.data;
    found.push({
      folder: posix.dirname(path),
      dependencies: new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]),
      scripts: Object.values(scripts).filter((each) => typeof each === 'string'),
    });
  }
  return found;
}

/** Undefined for text that is not JSON: a file of a checkout may be half written. */
export function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined; // best effort: what is not JSON says nothing
  }
}
