/** Datasets as btrfs subvolumes: a clone is a snapshot, atomic and free of any cost per file. */
import type { Machine } from '../../machine/machine.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { TreeDriver } from '../treeDriver.ts';
import { runTool } from '../tools.ts';

export interface BtrfsDriverOptions {
  machine: Machine;
  root: string;
  /** "btrfs, thin", or where it comes from: "btrfs pool file, thin". */
  label?: string;
}

export function createBtrfsDriver({ machine, root, label = 'btrfs, thin' }: BtrfsDriverOptions): TreeDriver {
  const btrfs = (args: readonly string[], signal?: AbortSignal) =>
    runTool(machine, root, { program: 'btrfs', args, parse: () => undefined }, { signal });

  return {
    driver: 'btrfs',
    label,
    capabilities: { thin: true, live: true },
    lazyTags: true,

    async makeTree(path, signal) {
      await btrfs(['subvolume', 'create', path], signal);
      await machine.files.makeDirectory(path, { mode: 0o700, serverUser: true });
    },

    // The owner and mode of a snapshot are those of its origin, and it is writable even when the origin is read-only.
    copyTree: (from, to, { signal }) => btrfs(['subvolume', 'snapshot', from, to], signal),

    async dropTree(path, signal) {
      if (!(await machine.files.stat(path))) return;
      try {
        await btrfs(['subvolume', 'delete', path], signal);
      } catch (error) {
        if (!isFailure(error, 'storage_failed')) throw error;
        // Without user_subvol_rm_allowed only root may delete a subvolume, but its owner may empty and rmdir it
        // (btrfs(5)); and a plain folder that lies in the trash is no subvolume at all.
        await machine.files.remove(path);
      }
    },

    makeReadOnly: (path) => btrfs(['property', 'set', '-ts', path, 'ro', 'true']),
    makeWritable: (path) => btrfs(['property', 'set', '-ts', path, 'ro', 'false']),

    usage: (path) =>
      runTool(machine, root, {
        program: 'btrfs',
        args: ['filesystem', 'du', '-s', '--raw', path],
        parse: ({ stdout }) => {
          const [, total, exclusive] = /^\s*(\d+)\s+(\d+)\s+\S+\s/m.exec(stdout) ?? [];
          if (total === undefined || exclusive === undefined) {
            throw fail('storage_failed', { storage: root, problem: `btrfs filesystem du said: ${stdout}` });
          }
          return { logical: Number(total), unshared: Number(exclusive) };
        },
      }),
  };
}
