/** What this machine says of files, in the words of the host port. */
import { constants, type Dirent, type Stats } from 'node:fs';
import { noFollow, nonBlocking, UnfitFileError } from '../../protocol/node/regularFile.ts';
import type { FileEntry, FileFacts } from '../machine.ts';
import { hasCode } from './commands.ts';

function kindOf(entry: Dirent | Stats): FileEntry['kind'] {
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isDirectory()) return 'directory';
  return entry.isFile() ? 'file' : 'other';
}

export const entryOf = (entry: Dirent): FileEntry => ({ name: entry.name, kind: kindOf(entry) });

export const factsOf = (found: Stats): FileFacts => ({
  kind: kindOf(found),
  bytes: found.size,
  mode: found.mode & 0o7777,
  modifiedAt: found.mtime,
  owner: found.uid,
});

/** undefined where nothing is, or where a folder on the way is none. */
export async function unlessMissing<Value>(work: Promise<Value>): Promise<Value | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** How a log is opened: never through a link, and without waiting for the reader of a pipe. */
export const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | noFollow | nonBlocking;

/** A second name of a file may be a stranger's: what is written to one is in the other. */
export function assertOneFile(path: string, found: Stats): void {
  if (!found.isFile()) throw new UnfitFileError(path, 'NOT_REGULAR', 'is no file');
  if (found.nlink > 1)
    throw new UnfitFileError(path, 'NOT_REGULAR', 'is a file that has another name as well');
}
