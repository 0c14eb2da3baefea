import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBtrfsDriver } from '../../../engine/storage/btrfs/btrfsDriver.ts';
import { ensurePoolFile, guardPoolFile, poolFileObstacle } from '../../../engine/storage/poolFile.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { poolObstacle, unmountHome } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeStorage } from './storage.contract.ts';
import { passable, testHost } from './localFixture.ts';

describeStorage('pool file', async (context) => {
  const machine = await testHost();
  const home = await mkdtemp(join(tmpdir(), 'thin-clones-home-'));
  const dispose = async (): Promise<void> => {
    await unmountHome(home);
    await rm(home, { recursive: true });
  };
  const pool = join(home, 'pool');
  const obstacle = (await poolObstacle('btrfs')) ?? (await poolFileObstacle(machine, pool))?.problem;
  if (obstacle !== undefined) {
    await rm(home, { recursive: true });
    skipSuite(context, obstacle);
  }
  await passable(home);
  await ensurePoolFile(machine, pool);
  return {
    machine,
    folder: pool,
    open: (root, installation, by) =>
      guardPoolFile(by, pool, (guard) =>
        openTaggedStore({
          machine: by,
          root,
          installation,
          driver: guard(createBtrfsDriver({ machine: by, root, label: 'btrfs pool file, thin' })),
        }),
      ),
    expected: { driver: 'btrfs', thin: true, live: true, sealed: true },
    dispose,
  };
});
