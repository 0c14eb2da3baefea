/** Reads small files of a Git directory, where absence is an answer. */
import { readdir } from 'node:fs/promises';
import { readRegularFile } from '../../protocol/node/regularFile.ts';

/** The largest is packed-refs, with about 70 bytes for each of a repository's refs. */
const LARGEST = 128 * 1024 * 1024;

const absent = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP']);

export const isAbsence = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && absent.has(String(error.code));

/** Undefined when there is no such file. Rejects where it can't be read, and when it is not UTF-8. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    // Links are Git's own way to share refs between working trees (git-new-workdir).
    const bytes = await readRegularFile(path, { links: 'followed', maxBytes: LARGEST });
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Undefined when there is no such directory. */
export async function readNames(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}
