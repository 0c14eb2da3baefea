/** Texts in files of the home that are replaced as a whole. */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readRegularText } from '../protocol/node/regularFile.ts';

export interface KeptText {
  /** Undefined when there is none. */
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
  remove(): Promise<void>;
}

/** Bytes: all that a host with thousands of clones holds. */
const largestText = 256 * 2 ** 20;

/** Readable by its owner alone, as its folder is. */
export function keptText(path: string): KeptText {
  return {
    async read() {
      try {
        return await readRegularText(path, { links: 'refused', maxBytes: largestText });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(text) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const next = `${path}.${randomBytes(4).toString('hex')}`;
      try {
        await writeFile(next, text, { mode: 0o600, flush: true });
        await rename(next, path);
      } catch (error) {
        await rm(next, { force: true });
        throw error;
      }
    },
    remove: () => rm(path, { force: true }),
  };
}
