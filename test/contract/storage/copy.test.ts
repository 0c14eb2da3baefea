import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCopyDriver } from '../../../engine/storage/copy/copyDriver.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { describeStorage } from './storage.contract.ts';
import { passable, testHost } from './localFixture.ts';

describeStorage('full copy', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thin-clones-copy-'));
  await passable(folder);
  return {
    machine: await testHost(),
    folder,
    open: async (root, installation, machine) =>
      openTaggedStore({ machine, root, installation, driver: await createCopyDriver({ machine, root }) }),
    expected: { driver: 'copy', thin: false, live: false, sealed: false },
    dispose: () => rm(folder, { recursive: true }),
  };
});
