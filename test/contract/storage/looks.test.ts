import assert from 'node:assert/strict';
import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import type { Machine } from '../../../engine/machine/machine.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { createMemoryStorage } from '../../../engine/storage/memory/memoryStorage.ts';
import { newDatasetId, newInstallationId, tagsOf } from './tags.ts';

/** A host that tells which of its files were read or written, and what ran at the same time. */
function tellingHost(): { machine: Machine; told: string[] } {
  const real = createFakeMachine({ name: hostNameSchema.parse('local') });
  const told: string[] = [];
  const files = { ...real.files };
  for (const name of ['read', 'stat', 'writeAtomic'] as const) {
    const method = real.files[name].bind(real.files) as (
      path: string,
      ...rest: unknown[]
    ) => Promise<unknown>;
    Object.assign(files, {
      [name]: async (path: string, ...rest: unknown[]) => {
        told.push(`${name} ${path.split('/').at(-1) ?? ''}`);
        const result = await method(path, ...rest);
        told.push('done');
        return result;
      },
    });
  }
  return { machine: { ...real, files }, told };
}

describe('what a store looks at', () => {
  it('looks at everything at once before a copy, and reads no tag that it has just written', async () => {
    const { machine, told } = tellingHost();
    const installation = newInstallationId();
    const storage = await createMemoryStorage({ installation, machine });
    const [from, to] = [newDatasetId(), newDatasetId()];
    await storage.create(from, tagsOf(installation, from, 'ready', 'snapshot'));

    told.length = 0;
    await storage.clone(from, to, tagsOf(installation, to, 'filling'));
    assert.deepEqual(
      told.slice(0, 4).sort(),
      [`read ${from}.json`, `read ${to}.json`, `stat ${to}`, 'stat thin-clones-pool.json'].sort(),
    );
    assert.equal(told.filter((each) => each.startsWith('writeAtomic')).length, 1);

    told.length = 0;
    await storage.tag(to, tagsOf(installation, to, 'ready'));
    assert.deepEqual(told, [`writeAtomic ${to}.json`, 'done']);

    // From now on others may have had it in their hands.
    told.length = 0;
    await storage.tag(to, tagsOf(installation, to, 'ready'));
    assert.deepEqual(told, [`read ${to}.json`, 'done', `writeAtomic ${to}.json`, 'done']);
  });
});
