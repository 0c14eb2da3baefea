/** A process that works on a store is killed with -9 at random moments: no half dataset ever counts as ready. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { StorageDriver } from '../../../engine/protocol/entities.ts';
import { chooseStorage } from '../../../engine/storage/choose.ts';
import { testHolder, testHost } from '../../contract/storage/localFixture.ts';
import { newInstallationId } from '../../contract/storage/tags.ts';
import type { PoolKind } from '../../support/pools.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';
import type { ChildTask } from './storageChild.ts';
import { makeStoreFolder, type StoreFolder } from './storeFolder.ts';

const child = fileURLToPath(new URL('storageChild.ts', import.meta.url));
const ROUNDS = 10;
const LONGEST_MS = 150;

const cases: readonly { driver: StorageDriver; kind?: PoolKind }[] = [
  { driver: 'copy' },
  { driver: 'reflink', kind: 'xfs' },
  { driver: 'btrfs', kind: 'btrfs' },
];

describe('a store whose engine is killed at random moments', () => {
  for (const { driver, kind } of cases) {
    describe(driver, () => {
      let store: StoreFolder | undefined;
      let folder: string;
      before(async function () {
        store = await makeStoreFolder(this, kind, 512);
        folder = store.path;
      });
      after(() => store?.dispose());

      it('is whole again each time: nothing untagged, every ready dataset complete', async () => {
        const seed = chooseSeed();
        console.log(`        seed ${seed} (repeat with THIN_CLONES_SEED=${seed})`);
        const random = seeded(seed);
        const machine = await testHost();
        const installation = newInstallationId();
        const root = join(folder, 'store');
        const task: ChildTask = { task: 'churn', root, driver, installation };
        for (let round = 0; round < ROUNDS; round += 1) {
          const victim = spawn(process.execPath, [child, JSON.stringify(task)], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          await once(victim.stdout, 'data');
          // The moment of the kill is what is random here; nothing waits for it to pass.
          await delay(random() * LONGEST_MS);
          victim.kill('SIGKILL');
          const [code] = (await once(victim, 'exit')) as [number | null];
          assert.equal(code, null, 'it ended by itself');
          const storage = await chooseStorage({
            machine,
            root,
            installation,
            holder: testHolder,
            configured: { driver, path: root },
          });
          assert.deepEqual(await storage.foreign(), []);
          for (const { id, path, tags } of await storage.list()) {
            if (tags.state === 'ready')
              assert.equal((await machine.files.list(path)).length, 12, tags.content.kind);
            await storage.destroy(id);
          }
          await storage.emptyTrash();
          assert.deepEqual(await storage.list(), []);
          for (const name of ['data', 'tags', 'trash']) {
            assert.deepEqual(await machine.files.list(join(root, name)), [], name);
          }
          await storage.close();
        }
      });

      it('ends the copy that a killed engine left running, before anything is made again', async () => {
        const machine = await testHost();
        const installation = newInstallationId();
        const root = join(folder, 'left');
        const openAgain = () =>
          chooseStorage({
            ...{ machine, root, installation, holder: testHolder },
            configured: { driver, path: root },
          });
        await (await openAgain()).close();
        // Stands for the copy: it has the same mark in its environment and would not end by itself.
        const left = await machine.processes.spawnDetached({
          program: 'sleep',
          args: ['1000'],
          env: {},
          cwd: '/',
          logFile: join(folder, 'left.log'),
          mark: `storage ${root}`,
        });
        await (await openAgain()).close();
        assert.equal(await machine.processes.identify(left.pid), undefined);
      });
    });
  }
});
