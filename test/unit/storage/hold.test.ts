import assert from 'node:assert/strict';
import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import type { FileLock } from '../../../engine/machine/machine.ts';
import { fail, isFailure } from '../../../engine/protocol/errors.ts';
import { hostNameSchema, installationIdSchema } from '../../../engine/protocol/ids.ts';
import { createHold, type Hold } from '../../../engine/storage/hold.ts';
import { createMemoryStorage } from '../../../engine/storage/memory/memoryStorage.ts';
import { newDatasetId, tagsOf } from '../../contract/storage/tags.ts';

const installation = installationIdSchema.parse('inst-aaaaaaaaaaaaaaaa');
const root = '/pool';

describe('the lock on a storage', () => {
  const open = async (lock?: () => Promise<FileLock | undefined>) => {
    const machine = createFakeMachine({ name: hostNameSchema.parse('local') });
    await machine.files.makeDirectory(root);
    const files = { ...machine.files, ...(lock && { lock }) };
    const holdOf = (home: string): Hold =>
      createHold({
        ...{ machine: { files }, root, installation },
        holder: { pid: 7, user: 'me', home, machine: 'box' },
      });
    return { machine, holdOf };
  };

  it('goes to one home at a time, and another one is told which has it', async () => {
    const { holdOf } = await open();
    const [first, second] = [holdOf('/first'), holdOf('/second')];
    await first.take();
    await assert.rejects(second.take(), (error) => {
      assert.ok(isFailure(error, 'storage_in_use'), String(error));
      assert.match(error.message, /engine 7 of me on box, with the home \/first \(inst-a+\)/);
      return true;
    });
    second.release();
    await assert.rejects(holdOf('/third').take(), { code: 'storage_in_use' });
    first.release();
    await second.take();
  });

  it('does not keep a full disk from being opened and emptied, and nothing new is made there without it', async () => {
    let full = true;
    let taken = 0;
    const { holdOf } = await open(async () => {
      if (full) throw fail('storage_full', { storage: root, freeBytes: null });
      taken += 1;
      return { release: () => (taken -= 1) };
    });
    const hold = holdOf('/first');
    await hold.take();
    const below = await createMemoryStorage({ installation });
    const [old, fresh] = [newDatasetId(), newDatasetId()];
    await below.create(old, tagsOf(installation, old, 'ready', 'snapshot'));
    const storage = hold.over(below);
    await assert.rejects(storage.create(fresh, tagsOf(installation, fresh, 'filling')), {
      code: 'storage_full',
    });
    await assert.rejects(storage.clone(old, fresh, tagsOf(installation, fresh, 'filling')), {
      code: 'storage_full',
    });
    await storage.destroy(old);
    full = false;
    await storage.create(fresh, tagsOf(installation, fresh, 'filling'));
    assert.equal(taken, 1);
    await storage.close();
    assert.equal(taken, 0);
  });

  it('says that a file system is read-only, or has no locks', async () => {
    for (const [error, words] of [
      [Object.assign(new Error('EROFS: read-only'), { code: 'EROFS', syscall: 'open' }), /it is read-only/],
      [new Error('disk I/O error'), /must have locks for files/],
      [Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO', syscall: 'open' }), /failed: EIO/],
    ] as const) {
      const { holdOf } = await open(() => Promise.reject(error));
      await assert.rejects(holdOf('/first').take(), (failure) => {
        assert.ok(isFailure(failure, 'storage_failed'), String(failure));
        assert.match(failure.message, words);
        return true;
      });
    }
  });
});
