import { dirname } from 'node:path';
import { createBtrfsDriver } from '../../../engine/storage/btrfs/btrfsDriver.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { makePool, poolObstacle } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeStorage } from './storage.contract.ts';
import { passable, testHost } from './localFixture.ts';

describeStorage('btrfs', async (context) => {
  const obstacle = await poolObstacle('btrfs');
  if (obstacle !== undefined) skipSuite(context, obstacle);
  const pool = await makePool('btrfs', 512);
  await passable(dirname(pool.path));
  return {
    machine: await testHost(),
    folder: pool.path,
    open: (root, installation, machine) =>
      openTaggedStore({ machine, root, installation, driver: createBtrfsDriver({ machine, root }) }),
    expected: { driver: 'btrfs', thin: true, live: true, sealed: true },
    dispose: () => pool.dispose(),
  };
});
