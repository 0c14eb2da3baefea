/** What libpq reads of the user that runs the engine: services, passwords, certificates. */
import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import { readRegularText, UnfitFileError } from '../../../protocol/node/regularFile.ts';
import type { Machine } from '../../../machine/machine.ts';

export interface OwnFiles {
  /** The name that libpq takes when a URL has none. */
  readonly user: string;
  /** Absolute; below the home, where libpq looks by itself. */
  readonly inHome: (...names: readonly string[]) => string;
  /** undefined when there is none. Errors: UnfitFileError, the system's own. */
  readonly read: (file: string) => Promise<string | undefined>;
  readonly exists: (file: string) => Promise<boolean>;
}

export function ownFiles(machine: Pick<Machine, 'files'>): OwnFiles {
  const home = homedir();
  return {
    user: userInfo().username,
    inHome: (...names) => path.join(home, ...names),
    async read(file) {
      if ((await machine.files.stat(file)) === undefined) return undefined;
      return await readRegularText(file, { links: 'followed' });
    },
    exists: async (file) => (await machine.files.stat(file)) !== undefined,
  };
}

export const isUnfit = (error: unknown): boolean => error instanceof UnfitFileError;
