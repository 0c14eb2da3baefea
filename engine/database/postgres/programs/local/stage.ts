/** Brings bundled programs to a place where the unprivileged user that runs the servers can execute them. */
import { constants, type Dirent } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { isCode, isMissing } from './bundledTree.ts';
import type { ClientPrograms, ServerPrograms } from '../locate.ts';

/**
 * Returns the programs as they are when everybody can reach them, else a copy's. Only when the engine is root
 * does this matter: an extension in `/root/.vscode` is closed to the server user. One copy is made per version;
 * two engines at once make one.
 */
export async function stagePrograms<Kind extends ServerPrograms | ClientPrograms>(
  programs: Kind,
  options: { readonly intoDirectory: string; readonly signal?: AbortSignal | undefined },
): Promise<Kind> {
  const { tree } = programs;
  if (tree === undefined || (await isOpenToAll(tree))) return programs;
  const { intoDirectory, signal } = options;
  // Not only the version: another build of the same version must not run from the old copy.
  const { mtimeMs } = await stat(path.join(tree, 'manifest.json'));
  const place = path.join(intoDirectory, `${path.basename(tree)}-${Math.trunc(mtimeMs).toString(36)}`);
  await mkdir(intoDirectory, { recursive: true, mode: 0o755 });
  if (!(await exists(place))) {
    signal?.throwIfAborted();
    const fresh = path.join(intoDirectory, `.staging-${randomUUID()}`);
    try {
      await cp(tree, fresh, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
      await openToAll(fresh);
      signal?.throwIfAborted();
      await rename(fresh, place);
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      // Another engine was faster, and its copy is whole.
      if (!(isCode(error, 'ENOTEMPTY', 'EEXIST') && (await exists(place)))) throw error;
    }
  }
  if (!(await isOpenToAll(place))) {
    throw new Error(`${place} is meant for the server user, but a folder above it is closed to other users.`);
  }
  const moved: Record<string, string> = { tree: place };
  const fields: readonly [string, unknown][] = Object.entries(programs);
  for (const [name, value] of fields) {
    if (typeof value === 'string' && value.startsWith(tree + path.sep)) {
      moved[name] = place + value.slice(tree.length);
    }
  }
  return { ...programs, ...moved };
}

/** Whether any user may enter the folder and everything above it. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  if (process.platform === 'win32') return true;
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const entries: readonly Dirent[] = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(file);
    else if (entry.isFile()) await chmod(file, (await stat(file)).mode & 0o100 ? 0o755 : 0o644);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
