import assert from 'node:assert/strict';
import { fail, isFailure, type ErrorCode } from '../../../../engine/protocol/errors.ts';
import { createMemoryStorage } from '../../../../engine/storage/memory/memoryStorage.ts';
import type { ZfsCommands } from '../../../../engine/storage/zfs/commands.ts';
import { tellingQuota } from '../../../../engine/storage/zfs/quota.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../../contract/storage/tags.ts';

const full = fail('storage_full', { storage: '/tank/thin', freeBytes: null });

/** What a store says that has no room: `available` in bytes, as zfs lists it. */
async function says(available: Readonly<Record<string, number>>, error: Error = full): Promise<unknown> {
  const installation = newInstallationId();
  const memory = await createMemoryStorage({ installation });
  memory.faults.fail({ method: 'create', error });
  const asked: string[] = [];
  const zfs = {
    list: (dataset: string) => {
      asked.push(dataset);
      return Promise.resolve([{ available: String(available[dataset]) }]);
    },
  } as unknown as ZfsCommands;
  const storage = tellingQuota(memory, zfs, 'tank/thin');
  const id = newDatasetId();
  const failure = await storage.create(id, tagsOf(installation, id, 'filling')).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error !== full) assert.deepEqual(asked, []);
  return failure;
}
const is = (failure: unknown, code: ErrorCode): void => assert.ok(isFailure(failure, code), String(failure));

describe('a dataset that may not occupy more', () => {
  it('is told as a quota where its pool has room', async () => {
    const failure = await says({ tank: 120_586_240, 'tank/thin': 0 });
    is(failure, 'storage_quota');
    assert.match(String(failure), /tank\/thin may not occupy more/);
  });

  it('is told as full where its pool is', async () => {
    is(await says({ tank: 0, 'tank/thin': 0 }), 'storage_full');
    is(await says({ tank: 12_288, 'tank/thin': 12_288 }), 'storage_full');
  });

  it('is not asked about anything else that fails', async () => {
    is(await says({}, fail('storage_exists', { dataset: 'tank/thin/data/x' })), 'storage_exists');
  });
});
