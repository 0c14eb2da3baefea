/** Datasets as plain directories whose files share blocks by reflink (XFS, btrfs, APFS): thin, at some cost per file. */
import { isFullDisk } from '../../domain/fullDisk.ts';
import type { Machine } from '../../machine/machine.ts';
import { isFailure } from '../../protocol/errors.ts';
import { plainTrees } from '../copy/copyDriver.ts';
import type { TreeDriver } from '../treeDriver.ts';
import { runTool, systemCode } from '../tools.ts';

export interface ReflinkDriverOptions {
  machine: Machine;
  root: string;
  /** "XFS reflink, thin", from `reflinkLabel`. */
  label: string;
}

/** In blocks: small updates otherwise unshare five times as much (measured with pgbench on XFS). */
const COW_EXTENT_SIZE = 'cowextsize 8192';

export function createReflinkDriver({ machine, root, label }: ReflinkDriverOptions): TreeDriver {
  // BSD cp takes clonefile(2) by -c; GNU and BusyBox fail rather than copy when told "always".
  const args = machine.platform === 'darwin' ? ['-Rcp'] : ['-a', '--reflink=always'];
  return {
    driver: 'reflink',
    label,
    // A file is cloned at one moment, a directory of them is not: the server must stand still.
    capabilities: { thin: true, live: false },
    ...plainTrees(machine),

    async prepare(dataFolder) {
      if (!label.startsWith('XFS')) return;
      try {
        // Inherited by everything that is made below (xfs_io(8)).
        await runTool(machine, root, { program: 'xfs_io', args: ['-c', COW_EXTENT_SIZE, dataFolder] });
      } catch (error) {
        // best effort: without xfsprogs clones are as correct and share a little less.
        if (!isFailure(error, 'programs_missing') && !isFailure(error, 'storage_failed')) throw error;
      }
    },

    async copyTree(from, to, { signal, onProgress }) {
      await machine.files.makeDirectory(to, { mode: 0o700, serverUser: true });
      // As the server user: a copy made by root would follow what that user puts in its way.
      const tool = { program: 'cp', args: [...args, '--', `${from}/.`, to], asServerUser: true };
      await runTool(machine, root, tool, { signal });
      onProgress?.(1);
    },

    async usage(path) {
      // Which blocks are shared only the extent map of each file could tell, and that takes as long as cloning.
      return { logical: (await machine.fileSystem.measure(path)).bytes, unshared: null };
    },
  };
}

/** The name of a file system by its magic number (statfs(2)), for people. */
export function reflinkLabel(magic: number, platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'APFS reflink, thin';
  if (magic === 0x58465342) return 'XFS reflink, thin';
  if (magic === 0x9123683e) return 'btrfs reflink, thin';
  return 'reflink, thin';
}

/** Tries to clone one file to another; the reason why not, or undefined when it worked. */
export async function reflinkObstacle(
  machine: Machine,
  from: string,
  to: string,
): Promise<string | undefined> {
  try {
    await machine.fileSystem.cloneFile(from, to);
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || isFullDisk(error)) throw error;
    return `the file system can't share blocks between files (${code})`;
  }
}
