import assert from 'node:assert/strict';
import { installationIdSchema } from '../../../engine/protocol/ids.ts';
import { answeringStorage } from '../../../engine/storage/answeringStorage.ts';
import { createMemoryStorage } from '../../../engine/storage/memory/memoryStorage.ts';

describe('the space of a store', () => {
  it('is told as unknown while its file system hangs, asked for once, and known again afterwards', async () => {
    const storage = await createMemoryStorage({
      installation: installationIdSchema.parse('inst-aaaaaaaaaaaaaaaa'),
    });
    const asked: string[] = [];
    let release = (): void => undefined;
    const hang = new Promise<void>((resolve) => (release = resolve));
    const hanging = {
      ...storage,
      async space() {
        asked.push('space');
        await hang;
        return storage.space();
      },
    };
    const answering = answeringStorage(hanging, { demand: async () => undefined }, 1);
    await assert.rejects(answering.space(), { code: 'storage_unanswered' });
    await assert.rejects(answering.space(), /does not answer/);
    assert.equal(asked.length, 1);
    release();
    // The one that hung ends a few turns later.
    while ((await answering.space().catch(() => undefined)) === undefined) await Promise.resolve();
    assert.deepEqual(await answering.space(), await storage.space());
  });
});
