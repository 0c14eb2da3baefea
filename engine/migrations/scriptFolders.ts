/** Folders of migrations that are JavaScript or TypeScript, by what is written in them: tools share their layout, not their words. */
import { posix } from 'node:path';
import * as z from 'zod';
import type { MigrationSettings } from '../protocol/migrationReport.ts';
import type { Evidence } from './layout.ts';
import { withoutComments } from './sourceText.ts';
import { sourceFolder } from './statedPaths.ts';
import { isWithin, normalFolder, type Tree } from './tree.ts';

const script = /\.(?:js|cjs|mjs|ts|cts|mts|coffee)$/;
const declaration = /\.d\.[cm]?ts$/;

export const isScript = (path: string): boolean => script.test(path) && !declaration.test(path);

/** The name without folder and extension. */
export const stem = (path: string): string => posix.basename(path).replace(/\.[^.]+$/, '');

export interface ScriptFolder {
  directory: string;
  /** All that the tool reads together, the directory first. */
  folders: readonly string[];
  evidence: Evidence;
  unread: readonly string[];
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

/** What one configuration file says: all of its folders are one history. */
export interface ConfiguredFolders {
  folders: readonly string[];
  unread: readonly string[];
}

/**
 * The folder of the settings, else the folders that each configuration names, else those found by their words. Folders that are not
 * there are left out.
 */
export async function foldersFor(options: {
  tree: Tree;
  settings: MigrationSettings;
  configured: readonly ConfiguredFolders[];
  words: RegExp;
}): Promise<ScriptFolder[]> {
  const { tree, settings, configured, words } = options;
  const present = configured.flatMap(({ folders, unread }): ScriptFolder[] => {
    const found = [...new Set(folders.flatMap((folder) => sourceFolder(tree, folder) ?? []))];
    const [directory] = found;
    return directory === undefined ? [] : [{ directory, folders: found, evidence: 'configuration', unread }];
  });
  // Where nothing that is configured was found, what could not be followed is the reason.
  const lost = present.length > 0 ? [] : configured.flatMap(({ unread }) => unread);
  if (settings.directory !== undefined) {
    const directory = normalFolder(settings.directory);
    const inside = present.filter(({ folders }) => folders.some((folder) => isWithin(folder, directory)));
    if (inside.length > 0) return inside.map((each) => ({ ...each, evidence: 'settings' }));
    if (settings.tool !== undefined)
      return [{ directory, folders: [directory], evidence: 'settings', unread: [] }];
    const found = await scriptFolders(tree, words);
    return found
      .filter((folder) => isWithin(folder, directory))
      .map((folder) => ({ directory: folder, folders: [folder], evidence: 'settings', unread: [] }));
  }
  if (present.length > 0) return present;
  const found = await scriptFolders(tree, words);
  return found.map((folder) => ({ directory: folder, folders: [folder], evidence: 'files', unread: lost }));
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
