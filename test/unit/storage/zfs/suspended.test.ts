import assert from 'node:assert/strict';
import { fail, isFailure } from '../../../../engine/protocol/errors.ts';
import { createMemoryStorage } from '../../../../engine/storage/memory/memoryStorage.ts';
import type { ZfsCommands } from '../../../../engine/storage/zfs/commands.ts';
import { tellingSuspended } from '../../../../engine/storage/zfs/suspended.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../../contract/storage/tags.ts';

describe('a store on a pool that is suspended', () => {
  it('tells so while it waits, begins nothing more then, and works again when the pool does', async () => {
    const installation = newInstallationId();
    const memory = await createMemoryStorage({ installation });
    const pool = { isSuspended: true, asked: 0 };
    const zfs = {
      isSuspended: () => {
        pool.asked += 1;
        return Promise.resolve(pool.isSuspended);
      },
      // As when a file is made there: the kernel does not come back.
      answered: (dataset: string, work: Promise<unknown>) =>
        pool.isSuspended ? Promise.reject(fail('storage_suspended', { pool: dataset })) : work,
    } as unknown as ZfsCommands;
    const storage = tellingSuspended(memory, zfs, 'tank/thin');
    const create = () => {
      const id = newDatasetId();
      return storage.create(id, tagsOf(installation, id, 'filling'));
    };
    const suspended = (error: unknown): boolean => isFailure(error, 'storage_suspended');
    await assert.rejects(create(), suspended);
    const begun = memory.faults.calls.length;
    assert.equal(pool.asked, 0);
    await assert.rejects(create(), suspended);
    await assert.rejects(storage.emptyTrash(), suspended);
    assert.equal(memory.faults.calls.length, begun);
    pool.isSuspended = false;
    await create();
    await create();
    assert.equal(pool.asked, 3);
  });
});
