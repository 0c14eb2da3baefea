/** Finds a client program: in the folder of the setting, on the search path, among those that travel with the extension. */
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface ProgramSearch {
  /** A folder that a setting names; then only that one counts. Empty when not set. */
  readonly setting: string;
  readonly searchPath: string;
  /** A folder of trees, each with a manifest.json. */
  readonly bundled: string;
  readonly platform: NodeJS.Platform;
}

export async function findProgram(name: string, search: ProgramSearch): Promise<string | undefined> {
  const file = search.platform === 'win32' ? `${name}.exe` : name;
  if (search.setting !== '') return await runnable(join(search.setting, file));
  for (const folder of search.searchPath.split(delimiter)) {
    const found = folder === '' ? undefined : await runnable(join(folder, file));
    if (found !== undefined) return found;
  }
  return await bundledProgram(name, search.bundled);
}

async function bundledProgram(name: string, folder: string): Promise<string | undefined> {
  let trees: string[];
  try {
    trees = await readdir(folder);
  } catch {
    // best effort: an extension without bundled programs has no such folder
    return undefined;
  }
  for (const tree of trees.sort().reverse()) {
    const path = await pathInManifest(join(folder, tree, 'manifest.json'), name);
    const found = path === undefined ? undefined : await runnable(join(folder, tree, path));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function pathInManifest(file: string, name: string): Promise<string | undefined> {
  try {
    const manifest = JSON.parse(await readFile(file, 'utf8')) as { programs?: Record<string, unknown> };
    const path = manifest.programs?.[name];
    return typeof path === 'string' ? path : undefined;
  } catch {
    // best effort: a folder that is not a complete tree has no program for us
    return undefined;
  }
}

async function runnable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return path;
  } catch {
    // best effort: not here, the next place may have it
    return undefined;
  }
}
