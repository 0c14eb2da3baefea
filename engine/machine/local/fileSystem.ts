/** What the file system of this machine is and can do: its kind, shared blocks, copies and sizes of whole trees. */
import { constants } from 'node:fs';
import { copyFile, cp, realpath, statfs } from 'node:fs/promises';
import type { MachineFileSystem } from '../machine.ts';
import { copyDifferences } from './copyDifferences.ts';
import { walkTree } from './treeSize.ts';

export const localFileSystem: MachineFileSystem = {
  type: async (path) => (await statfs(path)).type,
  realPath: (path) => realpath(path),
  cloneFile: (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL),
  async copyTree(from, to, signal) {
    await cp(from, to, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      filter: () => signal?.aborted !== true,
    });
    signal?.throwIfAborted();
  },
  copyDifferences,
  measure: walkTree,
};
