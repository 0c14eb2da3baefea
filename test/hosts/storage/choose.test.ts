/** Which storage is chosen on real file systems, and that the choice holds over restarts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Machine } from '../../../engine/machine/machine.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { chooseStorage, explainStorage, type StorageChoice } from '../../../engine/storage/choose.ts';
import { poolFileObstacle } from '../../../engine/storage/poolFile.ts';
import type { Storage } from '../../../engine/storage/storage.ts';
import { passable, testHolder, testHost } from '../../contract/storage/localFixture.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../contract/storage/tags.ts';
import { makePool, poolObstacle, unmountHome, type PoolKind, type TestPool } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';
import type { ChildTask } from './storageChild.ts';

const run = promisify(execFile);
const storageChild = fileURLToPath(new URL('storageChild.ts', import.meta.url));

const failed = (word: RegExp) => (error: unknown) => {
  assert.ok(isFailure(error, 'storage_failed'), String(error));
  assert.match(error.message, word);
  return true;
};

describe('choosing storage', () => {
  let machine: Machine;
  const installation = newInstallationId();
  before(async () => {
    machine = await testHost();
  });

  /** One at a time is open: each is closed by the next one, and after the test. */
  let opened: Storage | undefined;
  const close = async (): Promise<void> => {
    await opened?.close();
    opened = undefined;
  };
  const choose = async (choice: Omit<StorageChoice, 'installation' | 'holder'>): Promise<Storage> => {
    await close();
    opened = await chooseStorage({ ...choice, installation, holder: testHolder });
    return opened;
  };
  afterEach(close);

  const onPool = (kind: PoolKind, megabytes: number, tests: (pool: () => TestPool) => void): void => {
    describe(`on ${kind}`, () => {
      let pool: TestPool | undefined;
      before(async function () {
        const obstacle = await poolObstacle(kind);
        if (obstacle !== undefined) skipSuite(this, obstacle);
        pool = await makePool(kind, megabytes);
        await passable(dirname(pool.path));
      });
      after(async () => {
        await close();
        await pool?.dispose();
      });
      const there = (): TestPool => {
        assert.ok(pool);
        return pool;
      };
      tests(there);

      it('opens it for one process at a time, and not while it is read-only', async () => {
        const root = join(there().path, 'held');
        const { driver } = await choose({ machine, root });
        const task: ChildTask = { task: 'round', root, driver, installation };
        const other = () => run(process.execPath, [storageChild, JSON.stringify(task)]);
        await assert.rejects(other(), /is in use: engine \d+ of tester on here, with the home \/of\/tests/);
        await close();
        await other();
        await run('mount', ['-o', 'remount,ro', there().path]);
        await assert.rejects(choose({ machine, root }), failed(/it is read-only/));
        await run('mount', ['-o', 'remount,rw', there().path]);
        await choose({ machine, root });
      });
    });
  };

  onPool('btrfs', 256, (pool) => {
    it('takes btrfs and leaves no probe behind', async () => {
      const storage = await choose({ machine, root: join(pool().path, 'one') });
      assert.equal(storage.label, 'btrfs, thin');
      const names = (await machine.files.list(pool().path)).map(({ name }) => name);
      assert.deepEqual(names, ['one']);
    });

    it('takes the driver of the settings instead', async () => {
      for (const driver of ['reflink', 'copy'] as const) {
        const root = join(pool().path, driver);
        const storage = await choose({ machine, root, configured: { driver } });
        assert.equal(storage.driver, driver);
      }
    });

    it('keeps the driver that made the datasets, and refuses one that could not clone them', async () => {
      const root = join(pool().path, 'sticky');
      const first = await choose({ machine, root, configured: { driver: 'copy' } });
      const id = newDatasetId();
      await first.create(id, tagsOf(installation, id, 'filling'));
      assert.equal((await choose({ machine, root })).driver, 'copy');
      await assert.rejects(
        choose({ machine, root, configured: { driver: 'btrfs' } }),
        failed(/made by "copy"/),
      );
      const second = await choose({ machine, root });
      await second.destroy(id);
      assert.equal((await choose({ machine, root })).driver, 'btrfs');
    });

    it('explains the choice', async () => {
      const checks = await explainStorage({ machine, root: join(pool().path, 'one') });
      assert.deepEqual(
        checks.map(({ name, status }) => [name, status]),
        [
          ['storage: btrfs', 'ok'],
          ['storage: reflink', 'ok'],
          ['storage: pool file', 'unused'],
          ['storage: zfs', 'unused'],
          ['storage: full copy', 'ok'],
        ],
      );
      assert.match(checks[0]?.message ?? '', /^Used/);
    });
  });

  onPool('xfs', 320, (pool) => {
    it('takes reflink', async () => {
      const storage = await choose({ machine, root: join(pool().path, 'one') });
      assert.equal(storage.label, 'XFS reflink, thin');
    });

    it('refuses btrfs from the settings, with the reason', async () => {
      const root = join(pool().path, 'two');
      await assert.rejects(
        choose({ machine, root, configured: { driver: 'btrfs', path: root } }),
        failed(/"btrfs" from the settings can't work there: .* is not on btrfs/),
      );
      assert.equal(await machine.files.stat(root), undefined);
    });
  });

  onPool('ext4', 64, (pool) => {
    it('takes the full copy when the disk is too small for a pool file, and says so', async () => {
      const root = join(pool().path, 'home', 'pool');
      await machine.files.makeDirectory(dirname(root), { mode: 0o711 });
      const storage = await choose({ machine, root });
      assert.equal(storage.label, 'full copy');
      const checks = await explainStorage({ machine, root });
      const last = checks.at(-1);
      assert.equal(last?.status, 'warning');
      assert.match(checks.find(({ name }) => name.endsWith('pool file'))?.message ?? '', /less than 1 GiB/);
    });

    it('refuses reflink from the settings, with the reason', async () => {
      const root = join(pool().path, 'refused');
      await assert.rejects(
        choose({ machine, root, configured: { driver: 'reflink' } }),
        failed(/can't share blocks/),
      );
    });
  });

  describe('where nothing but root helps', () => {
    let home: string;
    let root: string;
    before(async function () {
      const obstacle = await poolObstacle('btrfs');
      if (obstacle !== undefined) skipSuite(this, obstacle);
      home = await mkdtemp(join(tmpdir(), 'thin-clones-home-'));
      await passable(home);
      root = join(home, 'pool');
      const reason = (await poolFileObstacle(machine, root))?.problem;
      const { type } = await run('stat', ['-f', '-c', '%T', home]).then(({ stdout }) => ({
        type: stdout.trim(),
      }));
      if (reason !== undefined || type === 'btrfs' || type === 'xfs') {
        await rm(home, { recursive: true });
        skipSuite(this, reason ?? `the temporary folder is on ${type}, where no pool file is needed`);
      }
    });
    afterEach(async () => {
      await close();
      await unmountHome(home);
    });
    after(() => rm(home, { recursive: true, force: true }));

    it('makes a pool file, and finds its datasets again after a reboot', async () => {
      await writeFile(`${root}.img.new`, 'left by a killed engine');
      const storage = await choose({ machine, root });
      assert.equal(storage.label, 'btrfs pool file, thin');
      await assert.rejects(stat(`${root}.img.new`), { code: 'ENOENT' });
      const id = newDatasetId();
      await storage.create(id, tagsOf(installation, id, 'ready'));
      const before = await storage.list();
      await close();

      await unmountHome(home);
      const again = await choose({ machine, root });
      assert.deepEqual(await again.list(), before);
      const checks = await explainStorage({ machine, root });
      assert.match(checks[0]?.message ?? '', /^Used: .*pool\.img, mounted/);
    });

    it('mounts it once, however often it is opened', async () => {
      await choose({ machine, root });
      await choose({ machine, root });
      const { stdout } = await run('losetup', ['-j', `${root}.img`]);
      assert.equal(stdout.trim().split('\n').length, 1);
    });

    it('lets it grow when the disk has more room', async () => {
      await unmountHome(home);
      await rm(`${root}.img`);
      await writeFile(`${root}.img`, '');
      await truncate(`${root}.img`, 2 ** 28);
      await run('/usr/sbin/mkfs.btrfs', ['-q', `${root}.img`]);
      const storage = await choose({ machine, root });
      const { totalBytes } = await storage.space();
      assert.ok(totalBytes > 2 ** 28 * 1.1, String(totalBytes));
    });

    it('never mounts over a store that is there already', async () => {
      await unmountHome(home);
      const pool = JSON.stringify({ format: 1 });
      await writeFile(join(root, 'thin-clones-pool.json'), pool);
      await assert.rejects(choose({ machine, root }), (error: unknown) =>
        isFailure(error, 'storage_foreign'),
      );
      await rm(join(root, 'thin-clones-pool.json'));
    });

    it('says that the disk below is full, not that the pool is broken', async () => {
      const poor: Machine = {
        ...machine,
        files: {
          ...machine.files,
          space: async (path) => {
            const real = await machine.files.space(path);
            return path.endsWith('.img') ? { ...real, freeBytes: 1000 } : real;
          },
        },
      };
      const storage = await choose({ machine: poor, root });
      const id = newDatasetId();
      await assert.rejects(storage.create(id, tagsOf(installation, id, 'filling')), (error: unknown) =>
        isFailure(error, 'storage_full'),
      );
      assert.equal(await storage.get(id), undefined);
      assert.equal((await storage.space()).freeBytes, 1000);
    });
  });
});
