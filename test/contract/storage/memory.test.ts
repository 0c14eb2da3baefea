import assert from 'node:assert/strict';
import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { createMemoryStorage } from '../../../engine/storage/memory/memoryStorage.ts';
import { describeStorage } from './storage.contract.ts';
import { newDatasetId, newInstallationId, tagsOf } from './tags.ts';

describeStorage('memory', async () => ({
  machine: createFakeMachine({ name: hostNameSchema.parse('local') }),
  folder: '/stores',
  open: (root, installation, machine) => createMemoryStorage({ root, installation, machine }),
  expected: { driver: 'memory', thin: true, live: true, sealed: false },
  dispose: async () => undefined,
}));

describe('faults of the memory storage', () => {
  it('strike the n-th call of a method, before or after its effect, once', async () => {
    const installation = newInstallationId();
    const storage = await createMemoryStorage({ installation });
    const id = newDatasetId();
    const create = () => storage.create(id, tagsOf(installation, id, 'filling'));
    const error = new Error('ordered');
    storage.faults.fail({ method: 'create', nth: 2, error });
    await create();
    await assert.rejects(create(), error);
    await create();
    storage.faults.fail({ method: 'destroy', when: 'after', error });
    await assert.rejects(storage.destroy(id), error);
    assert.deepEqual(await storage.list(), []);
    storage.faults.fail({});
    await assert.rejects(storage.list(), /ordered by the test/);
    assert.deepEqual(storage.faults.calls.slice(0, 3), ['create', 'create', 'create']);
  });
});
