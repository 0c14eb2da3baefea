/** What libpq reads of the user that runs the engine: services, passwords, certificates. */
import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import { readRegularText, UnfitFileError } from '../../../protocol/node/regularFile.ts';
import type { Machine } from '../../../machine/machine.ts';

export interface OwnFiles {
  /** The name that libpq takes when a URL has none. */
  readonly user: string;
  /** Of a user by name; undefined when this machine knows none. */
  readonly numberOf: (user: string) => Promise<number | undefined>;
  /** Absolute; below the home, where libpq looks by itself. */
  readonly inHome: (...names: readonly string[]) => string;
  /** undefined when there is none. Errors: UnfitFileError, the system's own. */
  readonly read: (file: string) => Promise<string | undefined>;
  readonly exists: (file: string) => Promise<boolean>;
  /** Names; empty when there is no such folder. */
  readonly list: (folder: string) => Promise<readonly string[]>;
}

export function ownFiles(machine: Pick<Machine, 'files'>): OwnFiles {
  const home = homedir();
  return {
    user: userInfo().username,
    async numberOf(user) {
      const { username, uid } = userInfo();
      if (user === username) return uid;
      const rows = ((await machine.files.read('/etc/passwd')) ?? '').split('\n').map((row) => row.split(':'));
      const [, , number] = rows.find(([name]) => name === user) ?? [];
      return number === undefined ? undefined : Number(number);
    },
    inHome: (...names) => path.join(home, ...names),
    async read(file) {
      if ((await machine.files.stat(file)) === undefined) return undefined;
      return await readRegularText(file, { links: 'followed' });
    },
    exists: async (file) => (await machine.files.stat(file)) !== undefined,
    list: async (folder) => (await machine.files.list(folder)).map(({ name }) => name),
  };
}

export const isUnfit = (error: unknown): boolean => error instanceof UnfitFileError;
