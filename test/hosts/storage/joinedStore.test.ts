/** Two stores as one, on real files: what is moved is never in neither of them, wherever the engine is killed. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '../../../engine/machine/machine.ts';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { hostNameSchema, type DatasetId } from '../../../engine/protocol/ids.ts';
import { createBtrfsDriver } from '../../../engine/storage/btrfs/btrfsDriver.ts';
import { createCopyDriver } from '../../../engine/storage/copy/copyDriver.ts';
import { joinStores } from '../../../engine/storage/setUp/joinedStore.ts';
import type { Storage } from '../../../engine/storage/storage.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { createCrashingHost } from '../../contract/storage/crashingHost.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../contract/storage/tags.ts';
import { makePool, poolObstacle, type TestPool } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';

/** Pages of a table, each another one. */
const table = (pages: number, changed?: number): Buffer => {
  const bytes = Buffer.alloc(pages * 8192);
  for (let page = 0; page < pages; page += 1)
    bytes.fill(page === changed ? 255 : page % 250, page * 8192, (page + 1) * 8192);
  return bytes;
};

const left = ({ former }: Storage): readonly DatasetId[] | undefined => former?.list();

describe('two stores as one', () => {
  const installation = newInstallationId();
  const machine = createLocalMachine({
    ...{ name: hostNameSchema.parse('local'), serverUser: undefined, environment: process.env },
  });
  let pool: TestPool | undefined;
  let folder = '';
  before(async function () {
    const obstacle = await poolObstacle('btrfs');
    if (obstacle !== undefined) skipSuite(this, obstacle);
    pool = await makePool('btrfs', 512);
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-former-'));
  });
  after(async () => {
    await pool?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (by: Machine = machine): Promise<Storage> => {
    const main = await openTaggedStore({
      ...{ machine: by, root: join(pool?.path ?? '', 'main'), installation },
      driver: createBtrfsDriver({ machine: by, root: join(pool?.path ?? '', 'main') }),
    });
    const former = await openFormer(by);
    const copying = await createCopyDriver({ machine: by, root: main.root });
    return joinStores({ machine: by, main, former, copyInto: (...how) => copying.copyTree(...how) });
  };
  const openFormer = async (by: Machine = machine): Promise<Storage> =>
    openTaggedStore({
      ...{ machine: by, root: join(folder, 'pool'), installation },
      driver: await createCopyDriver({ machine: by, root: join(folder, 'pool') }),
    });
  const make = async (kind: 'snapshot' | 'clone', data: Buffer): Promise<DatasetId> => {
    const former = await openFormer();
    const id = newDatasetId();
    const { path } = await former.create(id, tagsOf(installation, id, 'filling'));
    await mkdir(join(path, 'base'));
    await writeFile(join(path, 'base', '16384'), data);
    await writeFile(join(path, 'PG_VERSION'), '18\n');
    await former.tag(id, tagsOf(installation, id, 'ready', kind));
    return id;
  };
  const read = (storage: Storage, id: DatasetId): Promise<Buffer> =>
    readFile(join(storage.path(id), 'base', '16384'));

  it('is one: what lies in the former one is found, cloned, tagged and destroyed there', async () => {
    const id = await make('snapshot', table(4));
    const storage: Storage = await open();
    assert.deepEqual(
      (await storage.list()).map((each) => each.id),
      [id],
    );
    assert.equal(storage.capabilities.live, false, 'a plain copy shows no single moment');
    const [there, here] = [newDatasetId(), newDatasetId()];
    await storage.clone(id, there, tagsOf(installation, there, 'ready'));
    await storage.create(here, tagsOf(installation, here, 'filling'));
    assert.ok(storage.path(there).startsWith(folder));
    assert.ok(!storage.path(here).startsWith(folder));
    assert.deepEqual(left(storage), [id, there].sort());
    await storage.tag(there, tagsOf(installation, there, 'ready', 'clone', 'new'));
    for (const each of [id, there, here]) await storage.destroy(each);
    assert.deepEqual(await storage.list(), []);
    assert.deepEqual(left(storage), []);
    assert.equal(storage.capabilities.live, true);
    await storage.emptyTrash();
  });

  it('moves a snapshot, and a clone that then shares with it all but what was changed', async () => {
    const pages = 2048;
    const snapshot = await make('snapshot', table(pages));
    const clone = await make('clone', table(pages + 1, 7));
    const storage = await open();
    const fractions: number[] = [];
    await storage.former?.move(snapshot, undefined, { onProgress: (fraction) => fractions.push(fraction) });
    await storage.former?.move(clone, snapshot);
    assert.equal(fractions.at(-1), 1);
    assert.ok((await read(storage, snapshot)).equals(table(pages)));
    assert.ok((await read(storage, clone)).equals(table(pages + 1, 7)));
    await storage.emptyTrash();
    await machine.run({ program: 'sync', args: [], parse: () => undefined });
    const { unshared, logical } = await storage.usage(clone);
    assert.ok(logical > 16 * 2 ** 20 && (unshared ?? Infinity) < 2 ** 20, `${unshared} of ${logical}`);
    await assert.rejects(writeFile(join(storage.path(snapshot), 'x'), ''), { code: 'EROFS' });
    assert.deepEqual(await machine.files.list(join(folder, 'pool', 'data')), []);
    for (const id of [snapshot, clone]) await storage.destroy(id);
    await storage.emptyTrash();
  });

  it('refuses what the pool has no room for, and leaves it where it was', async () => {
    const id = await make('clone', table(2));
    const full: Machine = {
      ...machine,
      files: { ...machine.files, space: async () => ({ totalBytes: 1, freeBytes: 1000 }) },
    };
    const storage = await open(full);
    await assert.rejects(storage.former?.move(id, undefined) ?? Promise.resolve(), (error) =>
      isFailure(error, 'storage_full'),
    );
    assert.ok((await read(storage, id)).equals(table(2)));
    assert.deepEqual(left(storage), [id]);
    await storage.destroy(id);
  });

  it('leaves it where it was when it is cut off', async () => {
    const id = await make('clone', table(2));
    const storage = await open();
    const abort = new AbortController();
    await assert.rejects(
      storage.former?.move(id, undefined, {
        signal: abort.signal,
        onProgress: () => abort.abort(new Error('cut')),
      }) ?? Promise.resolve(),
      /cut/,
    );
    assert.deepEqual(left(storage), [id]);
    assert.ok((await read(storage, id)).equals(table(2)));
    await storage.destroy(id);
    await storage.emptyTrash();
  });

  for (const kind of ['snapshot', 'clone'] as const)
    it(`has exactly one copy of a ${kind} that counts, wherever the engine is killed`, async function () {
      this.timeout(600_000);
      const base = await make('snapshot', table(3));
      await (await open()).former?.move(base, undefined);
      for (let nth = 1; ; nth += 1) {
        const id = await make(kind, table(3, 1));
        const opened = createCrashingHost(machine, Number.POSITIVE_INFINITY);
        await open(opened.machine);
        const crashing = createCrashingHost(machine, opened.changes() + nth);
        const killed = await open(crashing.machine);
        let isDone = true;
        try {
          await killed.former?.move(id, kind === 'clone' ? base : undefined);
        } catch {
          isDone = false;
        }
        const after = await open();
        const found = (await after.list()).filter((each) => each.id === id);
        assert.deepEqual(
          found.map(({ tags }) => tags.state),
          ['ready'],
          `killed before change ${nth}`,
        );
        assert.ok((await read(after, id)).equals(table(3, 1)));
        await after.former?.move(id, base);
        assert.ok((await read(after, id)).equals(table(3, 1)));
        assert.deepEqual(left(after), []);
        assert.deepEqual(await after.foreign(), []);
        await after.destroy(id);
        await after.emptyTrash();
        if (isDone && crashing.changes() < opened.changes() + nth) break;
      }
      const storage = await open();
      await storage.destroy(base);
      await storage.emptyTrash();
    });
});
