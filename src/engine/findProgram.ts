/** Finds a client program: in the folder of the setting, on the search path, among those that travel with the extension. */
import { execFile } from 'node:child_process';
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface ProgramSearch {
  /** A folder that a setting names; then only that one counts. Empty when not set. */
  readonly setting: string;
  readonly searchPath: string;
  /** A folder of trees, each with a manifest.json. */
  readonly bundled: string;
  readonly platform: NodeJS.Platform;
  /** The major version of the server: a client of an older one works only in part, and is taken when there is no other. */
  readonly serverMajor: number;
}

export async function findProgram(name: string, search: ProgramSearch): Promise<string | undefined> {
  const file = search.platform === 'win32' ? `${name}.exe` : name;
  if (search.setting !== '') return await runnable(join(search.setting, file));
  let older: string | undefined;
  for (const folder of search.searchPath.split(delimiter)) {
    const found = folder === '' ? undefined : await runnable(join(folder, file));
    if (found === undefined) continue;
    if ((await majorOf(found)) >= search.serverMajor) return found;
    older ??= found;
  }
  return (await bundledProgram(name, search.bundled)) ?? older;
}

/** 18 of "psql (PostgreSQL) 18.4 (Debian ...)"; 0 when it does not say. */
async function majorOf(program: string): Promise<number> {
  const text = await new Promise<string>((resolve) => {
    // best effort: one that does not run says nothing, and is then taken last
    execFile(program, ['--version'], { timeout: 5000 }, (_error, stdout) => resolve(stdout));
  });
  return Number(/\)\s+(\d+)/.exec(text)?.[1] ?? 0);
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
