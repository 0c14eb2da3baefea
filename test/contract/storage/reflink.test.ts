import { dirname } from 'node:path';
import { createReflinkDriver } from '../../../engine/storage/reflink/reflinkDriver.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { makePool, poolObstacle } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeStorage } from './storage.contract.ts';
import { passable, testHost } from './localFixture.ts';

for (const kind of ['xfs', 'btrfs'] as const) {
  describeStorage(`reflink on ${kind}`, async (context) => {
    const obstacle = await poolObstacle(kind);
    if (obstacle !== undefined) skipSuite(context, obstacle);
    const pool = await makePool(kind, 512);
    await passable(dirname(pool.path));
    const label = `${kind === 'xfs' ? 'XFS' : 'btrfs'} reflink, thin`;
    return {
      machine: await testHost(),
      folder: pool.path,
      open: (root, installation, machine) =>
        openTaggedStore({
          machine,
          root,
          installation,
          driver: createReflinkDriver({ machine, root, label }),
        }),
      expected: { driver: 'reflink', thin: true, live: false, sealed: false },
      dispose: () => pool.dispose(),
    };
  });
}
