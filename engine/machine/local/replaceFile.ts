/** Puts a file in the place of another in one step: whoever reads it sees the old one or the new one, whole. */
import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { noFollow } from '../../protocol/node/regularFile.ts';

let temporaryNumber = 0;

/** `finish` gets the file with its text, before it has its name. The name's own folder is left to the caller to sync. */
export async function replaceFile(
  path: string,
  text: string,
  mode: number,
  finish: (file: FileHandle) => Promise<void>,
): Promise<void> {
  temporaryNumber += 1;
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${temporaryNumber}.tmp`);
  const file = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow,
    mode,
  );
  try {
    try {
      await file.writeFile(text);
      await finish(file);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
