/** The stores work for an ordinary user, too: the same round in a process that is not root. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import type { StorageDriver } from '../../../engine/protocol/entities.ts';
import { newInstallationId } from '../../contract/storage/tags.ts';
import type { PoolKind } from '../../support/pools.ts';
import type { ChildTask } from './storageChild.ts';
import { makeStoreFolder, type StoreFolder } from './storeFolder.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('storageChild.ts', import.meta.url));

const cases: readonly { title: string; driver: StorageDriver; kind?: PoolKind; options?: string }[] = [
  { title: 'full copy', driver: 'copy' },
  { title: 'reflink on XFS', driver: 'reflink', kind: 'xfs' },
  { title: 'btrfs that lets users delete subvolumes', driver: 'btrfs', kind: 'btrfs' },
  { title: 'btrfs that does not', driver: 'btrfs', kind: 'btrfs', options: 'loop,noatime' },
];

describe('storage for an ordinary user', () => {
  for (const { title, driver, kind, options } of cases) {
    describe(title, () => {
      let store: StoreFolder | undefined;
      let folder: string;
      before(async function () {
        store = await makeStoreFolder(this, kind, 320, options);
        folder = join(store.path, 'user');
        await mkdir(folder);
      });
      after(() => store?.dispose());

      it('makes, clones, changes and destroys, and leaves nothing', async () => {
        const user = await findServerUser({ environment: process.env });
        if (user) await chown(folder, user.uid, user.gid);
        const task: ChildTask = {
          task: 'round',
          ...(user && { user: { uid: user.uid, gid: user.gid } }),
          root: join(folder, 'store'),
          driver,
          installation: newInstallationId(),
        };
        const { stdout } = await run(process.execPath, [child, JSON.stringify(task)], { cwd: '/' });
        const { logical, ...result } = JSON.parse(stdout) as Record<string, unknown>;
        assert.deepEqual(result, { driver, files: 12, left: 0 });
        assert.ok(Number(logical) > 500_000);
      });
    });
  }
});
