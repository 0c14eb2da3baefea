/** One look at a checkout: its paths by folder and by name, and the contents that somebody asked for. */
import { posix } from 'node:path';
import type { FileListing, WorkingFiles } from './workingFiles.ts';

export interface Tree {
  readonly listing: FileListing;
  /** Sorted. */
  readonly paths: readonly string[];
  has(path: string): boolean;
  /** Files directly in a folder, sorted; `.` is the checkout. */
  filesIn(folder: string): readonly string[];
  /** Files anywhere below a folder, sorted. */
  filesBelow(folder: string): readonly string[];
  hasFolder(folder: string): boolean;
  /** Undefined when the file is not there or can't be read; the latter is kept in `unreadable`. */
  bytes(path: string): Promise<Uint8Array | undefined>;
  text(path: string): Promise<string | undefined>;
  /** Paths of files that could not be read, with the reason. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** What is looked through for words is a program or a configuration; data gets larger. */
const MAX_TEXT = 4 * 1024 * 1024;

export async function openTree(files: WorkingFiles, also: readonly string[] = []): Promise<Tree> {
  const listing = await files.list({ also });
  const paths = [...listing.paths].sort();
  const present = new Set(paths);
  const folders = new Map<string, string[]>([['.', []]]);
  for (const path of paths) {
    const folder = posix.dirname(path);
    addFolder(folders, folder);
    folders.get(folder)?.push(path);
  }
  const contents = new Map<string, Promise<Uint8Array | undefined>>();
  const unreadable = new Map<string, string>();
  const load = async (path: string): Promise<Uint8Array | undefined> => {
    try {
      return await files.read(path);
    } catch (error) {
      unreadable.set(path, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const bytes: Tree['bytes'] = async (path) => {
    if (!present.has(path)) return undefined;
    let content = contents.get(path);
    if (content === undefined) contents.set(path, (content = load(path)));
    return await content;
  };
  return {
    listing,
    paths,
    unreadable,
    has: (path) => present.has(path),
    filesIn: (folder) => folders.get(normalFolder(folder)) ?? [],
    filesBelow(folder) {
      const normal = normalFolder(folder);
      return normal === '.' ? paths : paths.filter((path) => path.startsWith(`${normal}/`));
    },
    hasFolder: (folder) => folders.has(normalFolder(folder)),
    bytes,
    async text(path) {
      const content = await bytes(path);
      if (content === undefined) return undefined;
      if (content.byteLength <= MAX_TEXT) return new TextDecoder().decode(content);
      unreadable.set(path, 'it is too large to be looked through');
      return undefined;
    },
  };
}

function addFolder(folders: Map<string, string[]>, folder: string): void {
  if (folders.has(folder)) return;
  folders.set(folder, []);
  addFolder(folders, posix.dirname(folder));
}

/** As paths of a tree are written: `./db/` is `db`, nothing is `.`. */
export function normalFolder(folder: string): string {
  const normal = posix.normalize(folder.replaceAll('\\', '/')).replace(/\/$/, '');
  return normal === '' ? '.' : normal;
}

/** A path that a file in `folder` names; undefined when it leads out of the checkout. */
export function pathFrom(folder: string, path: string): string | undefined {
  const joined = normalFolder(posix.join(folder, path.replaceAll('\\', '/')));
  return path.startsWith('/') || joined === '..' || joined.startsWith('../') ? undefined : joined;
}

/** The folder and all above it, up to the checkout. */
export function foldersUpFrom(folder: string): string[] {
  const up: string[] = [];
  for (let at = normalFolder(folder); ; at = posix.dirname(at)) {
    up.push(at);
    if (at === '.') return up;
  }
}

/** Whether a folder is the given one or below it; every folder is below none. */
export function isWithin(folder: string, directory: string | undefined): boolean {
  if (directory === undefined) return true;
  const normal = normalFolder(directory);
  return normal === '.' || folder === normal || folder.startsWith(`${normal}/`);
}
