/** Files of a checkout on this machine: a bounded walk that never leaves it. */
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { mapBounded } from '../../domain/mapBounded.ts';
import { readRegularFile, readRegularText, UnfitFileError } from '../../protocol/node/regularFile.ts';
import type { FileListing, WorkingFiles } from '../workingFiles.ts';

export interface LocalFilesOptions {
  /** The checkout. */
  root: string;
  /** Limits; defaults below. */
  maxEntries?: number;
  maxDepth?: number;
  maxBytes?: number;
}

/** A checkout of this many files is listed in about 0.3 s. */
const MAX_ENTRIES = 100_000;
const MAX_DEPTH = 16;
const FOLDERS_AT_ONCE = 64;
/** The file that stands in for a `.git` folder has one line. */
const GIT_FILE_BYTES = 64 * 1024;
/** SQL files with data get large, migrations with a checksum hardly do. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Dependencies, build results, caches: they hold copies of migrations, or other projects' own. */
const leftOut = new Set([
  'node_modules',
  'bower_components',
  'vendor',
  'target',
  'dist',
  'build',
  'bin',
  'obj',
  'coverage',
  'venv',
  'env',
  'site-packages',
  '__pycache__',
  'Pods',
]);

/** Folders that begin with a dot hold no migrations but caches, settings of editors and virtual environments. */
const isOfTools = (name: string): boolean => name.startsWith('.') || leftOut.has(name);

export function createLocalFiles(options: LocalFilesOptions): WorkingFiles {
  const { root, maxEntries = MAX_ENTRIES, maxDepth = MAX_DEPTH, maxBytes = MAX_BYTES } = options;
  return {
    list: ({ also = [] } = {}) => walk({ root, also, maxEntries, maxDepth }),
    async read(relative) {
      try {
        const file = path.join(root, ...relative.split('/'));
        return await readRegularFile(file, { links: 'followed', within: root, maxBytes });
      } catch (error) {
        if (!(error instanceof UnfitFileError)) throw error;
        if (error.code === 'OUTSIDE') throw new Error('it leads out of the checkout', { cause: error });
        if (error.code === 'TOO_LARGE')
          throw new Error(`it is larger than ${maxBytes / 1024 / 1024} MB`, { cause: error });
        throw new Error('it is no file', { cause: error });
      }
    },
  };
}

const isInside = (top: string, real: string): boolean => {
  const relative = path.relative(top, real);
  return (
    relative === '' ||
    (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative))
  );
};

interface Walk {
  root: string;
  also: readonly string[];
  maxEntries: number;
  maxDepth: number;
}

interface Found {
  paths: string[];
  notFollowed: { path: string; problem: string }[];
  truncated: boolean;
}

async function walk({ root, also, maxEntries, maxDepth }: Walk): Promise<FileListing> {
  const top = await realpath(root);
  const found: Found = { paths: [], notFollowed: [], truncated: false };
  let entries = 0;
  /** Targets of links to folders, each followed once: a link to a folder above would never end. */
  const linked = new Set<string>();
  const wanted = also.map((folder) => folder.replaceAll('\\', '/').replace(/^(\.\/)+|\/+$/g, ''));
  const isLeftOut = (relative: string): boolean =>
    relative.split('/').some(isOfTools) &&
    !wanted.some((folder) => relative === folder || relative.startsWith(`${folder}/`));
  const leadsToWanted = (relative: string): boolean =>
    wanted.some((folder) => folder.startsWith(`${relative}/`));

  const visit = async (relative: string, depth: number): Promise<string[]> => {
    const folder = path.join(top, ...relative.split('/'));
    let children;
    try {
      children = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      if (relative === '') throw error;
      found.notFollowed.push({ path: relative, problem: messageOf(error) });
      return [];
    }
    if (relative !== '' && children.some(({ name }) => name === '.git') && (await isOtherCheckout(folder)))
      return [];
    entries += children.length;
    if (entries > maxEntries) {
      found.truncated = true;
      return [];
    }
    const below: string[] = [];
    const enter = (child: string): void => {
      if (isLeftOut(child) && !leadsToWanted(child)) return;
      if (depth >= maxDepth) found.truncated = true;
      else below.push(child);
    };
    // Only on the way to a folder that was asked for.
    const isPassedThrough = isLeftOut(relative);
    for (const child of children) {
      const at = relative === '' ? child.name : `${relative}/${child.name}`;
      if (child.isFile()) {
        if (!isPassedThrough) found.paths.push(at);
      } else if (child.isDirectory()) enter(at);
      else if (child.isSymbolicLink()) {
        const kind = await targetOf(top, path.join(folder, child.name), linked);
        if (kind === 'file') found.paths.push(at);
        else if (kind === 'folder') enter(at);
        // What would not be looked into says nothing, e.g. dependencies that several checkouts share.
        else if (kind === 'outside' && (!isLeftOut(at) || leadsToWanted(at)))
          found.notFollowed.push({ path: at, problem: 'it is a link that leads out of the checkout' });
      }
    }
    return below;
  };

  // Level by level, so that what is cut off when there is too much lies deep.
  let level = [''];
  for (let depth = 0; level.length > 0 && !found.truncated; depth++) {
    level = (await mapBounded(level, FOLDERS_AT_ONCE, (folder) => visit(folder, depth))).flat();
  }
  return found;
}

async function targetOf(
  top: string,
  link: string,
  linked: Set<string>,
): Promise<'file' | 'folder' | 'outside' | 'nothing'> {
  try {
    const target = await realpath(link);
    if (!isInside(top, target)) return 'outside';
    const found = await stat(target);
    if (found.isFile()) return 'file';
    const isAbove = isInside(target, await realpath(path.dirname(link)));
    if (!found.isDirectory() || isAbove || linked.has(target)) return 'nothing';
    linked.add(target);
    return 'folder';
  } catch {
    return 'nothing'; // best effort: a link that leads nowhere is no migration
  }
}

/** Another working tree or repository within this one; a submodule is part of it. */
async function isOtherCheckout(folder: string): Promise<boolean> {
  try {
    const at = path.join(folder, '.git');
    if ((await lstat(at)).isDirectory()) return true;
    return !/[/\\]modules[/\\]/.test(
      await readRegularText(at, { links: 'followed', maxBytes: GIT_FILE_BYTES }),
    );
  } catch {
    return false; // best effort: what can't be read is taken for a part of this one
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
