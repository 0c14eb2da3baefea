/**
 * Tells that the pool is suspended where the kernel would wait for ever: whoever makes a file there waits in
 * zfs_create (dmu_tx_wait), and holds one of the few threads that all files are reached by.
 */
import { fail, isFailure } from '../../protocol/errors.ts';
import type { Storage } from '../storage.ts';
import type { ZfsCommands } from './commands.ts';
import { poolOf } from './names.ts';

/** The store on the dataset `parent`: who changes it is told, and once it is known nothing more is begun there. */
export function tellingSuspended(storage: Storage, zfs: ZfsCommands, parent: string): Storage {
  let isKnown = false;
  const told = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    // Asked again only then: on a pool that works it would be one more command for each clone.
    if (isKnown) isKnown = await zfs.isSuspended(parent);
    if (isKnown) throw fail('storage_suspended', { pool: poolOf(parent) });
    try {
      return await zfs.answered(parent, work());
    } catch (error) {
      isKnown = isFailure(error, 'storage_suspended');
      throw error;
    }
  };
  return {
    ...storage,
    create: (...given) => told(() => storage.create(...given)),
    clone: (...given) => told(() => storage.clone(...given)),
    makeReadOnly: (...given) => told(() => storage.makeReadOnly(...given)),
    tag: (...given) => told(() => storage.tag(...given)),
    destroy: (...given) => told(() => storage.destroy(...given)),
    emptyTrash: (...given) => told(() => storage.emptyTrash(...given)),
  };
}
