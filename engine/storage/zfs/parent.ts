/** The dataset that a person gives us: looked at, mounted after a reboot, and otherwise left as it is. */
import type { Machine } from '../../machine/machine.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import { createZfsCommands, type ZfsCommands } from './commands.ts';
import { nameProblem } from './names.ts';

const columns = ['name', 'type', 'mountpoint', 'mounted', 'readonly'] as const;
export type Parent = Record<(typeof columns)[number], string>;

export const lookAt = async (zfs: ZfsCommands, dataset: string): Promise<Parent> => {
  const [row] = await zfs.list(dataset, columns);
  if (row === undefined) throw fail('storage_missing', { dataset });
  return row;
};

/** Why it can't hold a store, and the command that changes that; undefined when it can. */
export function parentObstacle(
  dataset: string,
  { type, mountpoint, readonly }: Parent,
): { problem: string; fix: string } | undefined {
  if (type !== 'filesystem')
    return { problem: `${dataset} is a ${type}, not a file system`, fix: `zfs create ${dataset}-clones` };
  if (!mountpoint.startsWith('/'))
    return {
      problem: `${dataset} has the mount point "${mountpoint}", so nothing below it is mounted`,
      fix: `zfs set mountpoint=/${dataset} ${dataset}`,
    };
  if (readonly === 'on')
    return { problem: `${dataset} is read-only`, fix: `zfs set readonly=off ${dataset}` };
  return undefined;
}

/**
 * Where the store on this dataset lies: its mount point, once it is mounted.
 * Errors: storage_missing, storage_read_only, storage_failed, storage_rights, programs_missing.
 */
export async function mountParent(machine: Machine, dataset: string): Promise<string> {
  const wrong = nameProblem(dataset);
  if (wrong !== undefined)
    throw fail('storage_failed', { storage: dataset, problem: `it can't name a dataset: ${wrong}` });
  const zfs = await createZfsCommands({ machine, root: dataset });
  const parent = await lookAt(zfs, dataset);
  const obstacle = parentObstacle(dataset, parent);
  if (parent.readonly === 'on') throw fail('storage_read_only', { dataset });
  if (obstacle !== undefined)
    throw fail('storage_failed', { storage: dataset, problem: `${obstacle.problem}; run: ${obstacle.fix}` });
  if (parent.mounted !== 'yes') await zfs.change(dataset, ['mount', dataset]);
  return parent.mountpoint;
}

/** Of a folder where a dataset is mounted; undefined for any other. */
export async function datasetAt(machine: Machine, folder: string): Promise<string | undefined> {
  const zfs = await createZfsCommands({ machine, root: folder });
  try {
    const [row] = await zfs.list(folder, ['name', 'mountpoint']);
    return row?.mountpoint === folder ? row.name : undefined;
  } catch (error) {
    // There is no such folder, or it is not on ZFS: it is at no dataset.
    if (isFailure(error, 'storage_missing') || isFailure(error, 'storage_failed')) return undefined;
    throw error;
  }
}
