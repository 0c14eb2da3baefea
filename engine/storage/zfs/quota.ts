/**
 * Tells a quota that is used up from a full pool: `zfs` has the same words for both (zfs_standard_error of
 * lib/libzfs/libzfs_util.c), and a file that finds no room there says one or the other.
 */
import { fail, isFailure } from '../../protocol/errors.ts';
import type { Storage } from '../storage.ts';
import type { ZfsCommands } from './commands.ts';
import { poolOf } from './names.ts';
import { numberOf } from './table.ts';

/** The store on the dataset `parent`, whose errors say `storage_quota` where the pool has room that it may not use. */
export function tellingQuota(storage: Storage, zfs: ZfsCommands, parent: string): Storage {
  const available = async (dataset: string): Promise<number> => {
    const [row] = await zfs.list(dataset, ['available']);
    return numberOf(row?.available ?? '');
  };
  const told = async <Value>(work: Promise<Value>): Promise<Value> => {
    try {
      return await work;
    } catch (error) {
      if (!isFailure(error, 'storage_full')) throw error;
      if ((await available(parent)) >= (await available(poolOf(parent)))) throw error;
      throw fail('storage_quota', { dataset: parent }, { cause: error });
    }
  };
  return {
    ...storage,
    create: (...given) => told(storage.create(...given)),
    clone: (...given) => told(storage.clone(...given)),
    makeReadOnly: (...given) => told(storage.makeReadOnly(...given)),
  };
}
