/** What happens when a real disk is full: a clear error, nothing half-made, and destroying still works. */
import assert from 'node:assert/strict';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Machine } from '../../../engine/machine/machine.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { createBtrfsDriver } from '../../../engine/storage/btrfs/btrfsDriver.ts';
import { createCopyDriver } from '../../../engine/storage/copy/copyDriver.ts';
import { createReflinkDriver } from '../../../engine/storage/reflink/reflinkDriver.ts';
import type { Storage } from '../../../engine/storage/storage.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import type { TreeDriver } from '../../../engine/storage/treeDriver.ts';
import { passable, testHost } from '../../contract/storage/localFixture.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../contract/storage/tags.ts';
import { makePool, poolObstacle, type PoolKind, type TestPool } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';

const MEGABYTE = 2 ** 20;

/** Writes until the disk says no. */
async function fill(path: string, limit = Number.POSITIVE_INFINITY): Promise<number> {
  const file = await open(path, 'w');
  let written = 0;
  try {
    for (const size of [MEGABYTE, 4096]) {
      const block = Buffer.alloc(size, 7);
      for (;;) {
        if (written >= limit) return written;
        try {
          const { bytesWritten } = await file.write(block);
          written += bytesWritten;
          if (bytesWritten < size) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          break;
        }
      }
    }
    return written;
  } finally {
    // best effort: closing may report the full disk once more
    await file.sync().catch(() => undefined);
    await file.close();
  }
}

const cases: readonly {
  kind: PoolKind;
  megabytes: number;
  driver: (machine: Machine, root: string) => Promise<TreeDriver>;
}[] = [
  { kind: 'ext4', megabytes: 64, driver: (machine, root) => createCopyDriver({ machine, root }) },
  {
    kind: 'xfs',
    megabytes: 320,
    driver: async (machine, root) => createReflinkDriver({ machine, root, label: 'XFS reflink, thin' }),
  },
  { kind: 'btrfs', megabytes: 128, driver: async (machine, root) => createBtrfsDriver({ machine, root }) },
];

for (const { kind, megabytes, driver } of cases) {
  describe(`a full disk: ${kind}`, () => {
    const installation = newInstallationId();
    let pool: TestPool | undefined;
    let machine: Machine;
    let storage: Storage;
    before(async function () {
      const obstacle = await poolObstacle(kind);
      if (obstacle !== undefined) skipSuite(this, obstacle);
      pool = await makePool(kind, megabytes);
      await passable(dirname(pool.path));
      machine = await testHost();
      const root = join(pool.path, 'store');
      storage = await openTaggedStore({ machine, root, installation, driver: await driver(machine, root) });
    });
    after(() => pool?.dispose());

    it('refuses a clone as storage_full or makes it whole, keeps the origin, and can be emptied again', async () => {
      assert.ok(pool);
      const from = newDatasetId();
      const { path } = await storage.create(from, tagsOf(installation, from, 'filling', 'snapshot'));
      for (let number = 0; number < 40; number += 1) {
        await machine.files.writeAtomic(join(path, `file-${number}`), 'x'.repeat(MEGABYTE / 2));
      }
      await machine.files.giveToServerUser(path);
      await storage.tag(from, tagsOf(installation, from, 'ready', 'snapshot'));
      await fill(join(pool.path, 'ballast'));

      const made: ReturnType<typeof newDatasetId>[] = [];
      let refused = 0;
      for (let attempt = 0; attempt < 20 && refused === 0; attempt += 1) {
        const id = newDatasetId();
        try {
          await storage.clone(from, id, tagsOf(installation, id, 'ready'));
          made.push(id);
          assert.equal((await machine.files.list(storage.path(id))).length, 40);
          // What a server does to it: its writes meet the full disk too, and end it for good.
          await fill(join(storage.path(id), 'written'), 2 * MEGABYTE);
        } catch (error) {
          assert.ok(isFailure(error, 'storage_full'), String(error));
          assert.match(error.message, /is full/);
          refused += 1;
          assert.equal(await storage.get(id), undefined);
        }
      }
      if (kind !== 'btrfs') assert.equal(refused, 1);
      assert.deepEqual((await storage.list()).map(({ id }) => id).sort(), [from, ...made].sort());
      assert.equal((await machine.files.list(storage.path(from))).length, 40);

      for (const id of made) await storage.destroy(id);
      await storage.emptyTrash();
      await rm(join(pool.path, 'ballast'));
      const id = newDatasetId();
      await storage.clone(from, id, tagsOf(installation, id, 'ready'));
      assert.equal((await machine.files.list(storage.path(id))).length, 40);
      await storage.destroy(id);
      await storage.destroy(from);
      await storage.emptyTrash();
      assert.deepEqual(await storage.list(), []);
    });
  });
}
