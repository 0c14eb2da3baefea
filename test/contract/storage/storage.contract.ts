/** What every storage adapter must do, as one suite that runs over each of them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Machine } from '../../../engine/machine/machine.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import type { DatasetId, InstallationId } from '../../../engine/protocol/ids.ts';
import type { DatasetTags, Storage } from '../../../engine/storage/storage.ts';
import { createCrashingHost } from './crashingHost.ts';
import { newDatasetId, newInstallationId, tagsOf } from './tags.ts';

export interface StorageFixture {
  machine: Machine;
  /** An existing folder on the file system under test; each test makes its stores below it. */
  folder: string;
  /** Opens the store at `root`, as the engine does at its start. */
  open(root: string, installation: InstallationId, machine: Machine): Promise<Storage>;
  /** Where a root is more than a folder. */
  remove?(root: string): Promise<void>;
  /** Names of what is still to be freed, where that lies in no folder. */
  trash?(root: string): Promise<readonly string[]>;
  /** Resolves when what was written counts in `usage`. */
  settled?(): Promise<void>;
  expected: { driver: Storage['driver']; thin: boolean; live: boolean; sealed: boolean };
  dispose(): Promise<void>;
}

/** Long enough not to be inlined into metadata. */
const PAGE = 'x'.repeat(70_000);

const failsWith = (code: ErrorCode, word?: RegExp) => (error: unknown) => {
  assert.ok(isFailure(error, code), `expected ${code}, got ${String(error)}`);
  if (word) assert.match(error.message, word);
  return true;
};

export function describeStorage(
  title: string,
  make: (context: Mocha.Context) => Promise<StorageFixture>,
): void {
  describe(`storage contract: ${title}`, () => {
    let fixture: StorageFixture | undefined;
    let machine: Machine;
    let installation: InstallationId;
    let root: string;
    let storage: Storage;
    let number = 0;

    before(async function () {
      fixture = await make(this);
      machine = fixture.machine;
    });
    after(() => fixture?.dispose());

    const given = (): StorageFixture => {
      assert.ok(fixture);
      return fixture;
    };
    const removeRoot = (): Promise<void> => given().remove?.(root) ?? machine.files.remove(root);
    const open = (by: Machine = machine, as = installation): Promise<Storage> => given().open(root, as, by);

    beforeEach(async () => {
      installation = newInstallationId();
      number += 1;
      root = join(given().folder, `store-${number}`);
      storage = await open();
    });
    afterEach(async () => {
      for (const { id } of await storage.list()) await storage.destroy(id);
      await storage.emptyTrash();
      await storage.close();
      await removeRoot();
    });

    const tags = (
      id: DatasetId,
      state: DatasetTags['state'],
      kind: 'snapshot' | 'clone' = 'clone',
      text?: string,
    ) => tagsOf(installation, id, state, kind, text);
    const put = async (id: DatasetId, name: string, text: string): Promise<void> => {
      const path = join(storage.path(id), name);
      await machine.files.writeAtomic(path, text);
      await machine.files.giveToServerUser(path);
    };
    const read = (id: DatasetId, name: string) => machine.files.read(join(storage.path(id), name));
    /** A ready snapshot with some files. */
    const snapshot = async (): Promise<DatasetId> => {
      const id = newDatasetId();
      await storage.create(id, tags(id, 'filling', 'snapshot'));
      await put(id, 'PG_VERSION', '18\n');
      await machine.files.makeDirectory(join(storage.path(id), 'base', '1'), {
        mode: 0o700,
        serverUser: true,
      });
      await machine.files.giveToServerUser(join(storage.path(id), 'base'));
      await put(id, 'base/1/1259', PAGE);
      await storage.tag(id, tags(id, 'ready', 'snapshot'));
      return id;
    };
    const clone = async (from: DatasetId, state: 'filling' | 'ready' = 'ready'): Promise<DatasetId> => {
      const id = newDatasetId();
      await storage.clone(from, id, tags(id, state));
      return id;
    };
    const states = async (of: Storage = storage): Promise<string[]> =>
      (await of.list()).map((dataset) => dataset.tags.state).sort();
    const trash = async (): Promise<readonly string[]> =>
      (await given().trash?.(root)) ??
      (await machine.files.list(join(root, 'trash'))).map(({ name }) => name);

    it('says what it is', () => {
      const { expected } = given();
      assert.equal(storage.driver, expected.driver);
      assert.equal(storage.capabilities.thin, expected.thin);
      assert.equal(storage.capabilities.live, expected.live);
      assert.equal(/thin|memory/.test(storage.label), expected.thin, storage.label);
      assert.equal(storage.root, root);
    });

    it('tells total and free bytes', async () => {
      const { totalBytes, freeBytes, compression } = await storage.space();
      assert.ok(totalBytes > 0 && freeBytes > 0 && freeBytes <= totalBytes);
      // Of data that is there: nothing else knows it.
      assert.equal(compression !== undefined, storage.driver === 'zfs');
    });

    it('is empty when new', async () => {
      assert.deepEqual(await storage.list(), []);
      assert.deepEqual(await storage.foreign(), []);
    });

    describe('create', () => {
      it('makes an empty private directory with its tags', async () => {
        const id = newDatasetId();
        const dataset = await storage.create(id, tags(id, 'filling'));
        assert.equal(dataset.id, id);
        assert.equal(dataset.path, storage.path(id));
        assert.deepEqual(await machine.files.list(dataset.path), []);
        assert.equal((await machine.files.stat(dataset.path))?.mode, 0o700);
        assert.deepEqual(await storage.get(id), dataset);
      });

      it('gives the directory to the server user', async () => {
        const id = newDatasetId();
        const { path } = await storage.create(id, tags(id, 'filling'));
        if (given().expected.driver === 'memory') return;
        const made = await machine.run({
          program: 'touch',
          args: [join(path, 'file')],
          asServerUser: true,
          parse: ({ code, stderr }) => stderr || code,
        });
        assert.equal(made, 0);
      });

      it('starts over for an id that is filling', async () => {
        const id = newDatasetId();
        await storage.create(id, tags(id, 'filling'));
        await put(id, 'half', 'x');
        const again = await storage.create(id, tags(id, 'filling'));
        assert.deepEqual(await machine.files.list(again.path), []);
      });

      it('refuses an id that is ready, and keeps its data', async () => {
        const id = await snapshot();
        await assert.rejects(storage.create(id, tags(id, 'filling')), failsWith('storage_failed', /ready/));
        assert.equal(await read(id, 'PG_VERSION'), '18\n');
      });

      it('refuses tags of another dataset', async () => {
        await assert.rejects(storage.create(newDatasetId(), tags(newDatasetId(), 'filling')), /offered for/);
        assert.deepEqual(await storage.list(), []);
      });

      it('makes nothing when it is aborted already', async () => {
        const id = newDatasetId();
        const signal = AbortSignal.abort(new Error('enough'));
        await assert.rejects(storage.create(id, tags(id, 'filling'), { signal }), /enough/);
        assert.equal(await storage.get(id), undefined);
        assert.equal(await machine.files.stat(storage.path(id)), undefined);
      });
    });

    describe('clone', () => {
      it('has the same files with the same modes', async () => {
        const from = await snapshot();
        const id = await clone(from);
        assert.equal(await read(id, 'PG_VERSION'), '18\n');
        assert.ok((await read(id, 'base/1/1259')) === PAGE);
        const mode = async (name: string) => (await machine.files.stat(join(storage.path(id), name)))?.mode;
        assert.equal(await mode('PG_VERSION'), 0o600);
        assert.equal(await mode('base/1'), 0o700);
        assert.equal(await mode('.'), 0o700);
      });

      it('does not change its origin, nor a sister, when it is written', async () => {
        const from = await snapshot();
        const [one, two] = [await clone(from), await clone(from)];
        await put(one, 'PG_VERSION', 'changed');
        await machine.files.remove(join(storage.path(one), 'base'));
        assert.equal(await read(from, 'PG_VERSION'), '18\n');
        assert.equal(await read(two, 'PG_VERSION'), '18\n');
        assert.ok((await read(from, 'base/1/1259')) === PAGE);
      });

      it('works from a clone, too', async () => {
        const one = await clone(await snapshot());
        await put(one, 'PG_VERSION', 'changed');
        assert.equal(await read(await clone(one), 'PG_VERSION'), 'changed');
      });

      it('outlives its origin', async () => {
        const from = await snapshot();
        const id = await clone(from);
        await storage.destroy(from);
        await storage.emptyTrash();
        assert.ok((await read(id, 'base/1/1259')) === PAGE);
      });

      it('carries the tags that it was given', async () => {
        const from = await snapshot();
        assert.equal((await storage.get(await clone(from, 'filling')))?.tags.state, 'filling');
        assert.equal((await storage.get(await clone(from, 'ready')))?.tags.state, 'ready');
      });

      it('throws a half-made copy away and makes it again', async () => {
        const from = await snapshot();
        const id = await clone(from, 'filling');
        await put(id, 'PG_VERSION', 'half');
        await put(id, 'more', 'half');
        await storage.clone(from, id, tags(id, 'filling'));
        assert.equal(await read(id, 'PG_VERSION'), '18\n');
        assert.equal(await read(id, 'more'), undefined);
      });

      it('refuses an id that is ready', async () => {
        const from = await snapshot();
        const id = await clone(from);
        await put(id, 'mine', 'precious');
        await assert.rejects(
          storage.clone(from, id, tags(id, 'filling')),
          failsWith('storage_failed', /ready/),
        );
        assert.equal(await read(id, 'mine'), 'precious');
      });

      it('refuses an origin that is filling, doomed or missing, and leaves nothing', async () => {
        const from = newDatasetId();
        const id = newDatasetId();
        const attempt = () => storage.clone(from, id, tags(id, 'filling'));
        await assert.rejects(attempt(), failsWith('storage_failed', /no dataset/));
        await storage.create(from, tags(from, 'filling'));
        await assert.rejects(attempt(), failsWith('storage_failed', /filling/));
        await storage.tag(from, tags(from, 'doomed'));
        await assert.rejects(attempt(), failsWith('storage_failed', /doomed/));
        assert.equal(await storage.get(id), undefined);
      });

      it('makes eight at once', async () => {
        const from = await snapshot();
        const ids = await Promise.all(Array.from({ length: 8 }, () => clone(from)));
        for (const id of ids) assert.equal(await read(id, 'PG_VERSION'), '18\n');
        assert.equal((await storage.list()).length, 9);
      });

      it('tells progress that rises to 1, if any', async () => {
        const from = await snapshot();
        const id = newDatasetId();
        const seen: number[] = [];
        await storage.clone(from, id, tags(id, 'filling'), { onProgress: (fraction) => seen.push(fraction) });
        assert.deepEqual(
          seen,
          [...seen].sort((a, b) => a - b),
        );
        if (seen.length > 0) assert.equal(seen.at(-1), 1);
      });

      it('leaves nothing when it is aborted', async () => {
        const from = await snapshot();
        const id = newDatasetId();
        const controller = new AbortController();
        const making = storage.clone(from, id, tags(id, 'filling'), { signal: controller.signal });
        controller.abort(new Error('enough'));
        await assert.rejects(making, /enough/);
        assert.equal(await storage.get(id), undefined);
        assert.equal(await machine.files.stat(storage.path(id)), undefined);
        assert.deepEqual(await trash(), []);
      });
    });

    describe('makeReadOnly', () => {
      it('can be repeated, and a sealed dataset is still cloned into a writable one and destroyed', async () => {
        const from = await snapshot();
        await storage.makeReadOnly(from);
        await storage.makeReadOnly(from);
        if (given().expected.sealed) await assert.rejects(put(from, 'PG_VERSION', 'x'), { code: 'EROFS' });
        const id = await clone(from);
        await put(id, 'PG_VERSION', 'x');
        await storage.destroy(from);
        await storage.emptyTrash();
        assert.equal(await machine.files.stat(storage.path(from)), undefined);
        assert.deepEqual(await trash(), []);
      });

      it('still lets the tags be replaced', async () => {
        const id = await snapshot();
        await storage.makeReadOnly(id);
        await storage.tag(id, tags(id, 'ready', 'snapshot', 'renamed'));
        assert.deepEqual((await storage.get(id))?.tags, tags(id, 'ready', 'snapshot', 'renamed'));
      });
    });

    describe('tag', () => {
      it('replaces all of them', async () => {
        const id = newDatasetId();
        await storage.create(id, tags(id, 'filling'));
        const next = tags(id, 'ready', 'clone', 'it\'s "quoted" \u{1f418}');
        await storage.tag(id, next);
        assert.deepEqual((await storage.get(id))?.tags, next);
      });

      it('refuses a dataset that is not there, and does not make it', async () => {
        const id = newDatasetId();
        await assert.rejects(storage.tag(id, tags(id, 'ready')), failsWith('storage_failed', /no dataset/));
        assert.deepEqual(await storage.list(), []);
      });

      it('never brings a doomed dataset back', async () => {
        const id = await snapshot();
        await storage.tag(id, tags(id, 'doomed'));
        await assert.rejects(storage.tag(id, tags(id, 'ready')), failsWith('storage_failed', /doomed/));
      });
    });

    describe('destroy', () => {
      it('takes a dataset from the list at once and from the disk when the trash is emptied', async () => {
        const id = await snapshot();
        await storage.destroy(id);
        assert.deepEqual(await storage.list(), []);
        assert.equal(await storage.get(id), undefined);
        assert.equal(await machine.files.stat(storage.path(id)), undefined);
        await storage.emptyTrash();
        assert.deepEqual(await trash(), []);
        await storage.emptyTrash();
      });

      it('does nothing for a dataset that is gone or never was', async () => {
        const id = await snapshot();
        await storage.destroy(id);
        await storage.destroy(id);
        await storage.destroy(newDatasetId());
      });

      it('works in every state', async () => {
        for (const state of ['filling', 'ready', 'doomed'] as const) {
          const id = newDatasetId();
          await storage.create(id, tags(id, 'filling'));
          if (state !== 'filling') await storage.tag(id, tags(id, state));
          await storage.destroy(id);
        }
        assert.deepEqual(await storage.list(), []);
      });

      it('lets the same id be made again before the trash is emptied', async () => {
        const id = await snapshot();
        await storage.destroy(id);
        await storage.create(id, tags(id, 'filling'));
        await storage.destroy(id);
        assert.equal((await trash()).length, 2);
        await Promise.all([storage.emptyTrash(), storage.emptyTrash()]);
        assert.deepEqual(await trash(), []);
      });
    });

    describe('what is not ours', () => {
      const stranger = async (id: DatasetId): Promise<void> => {
        await machine.files.makeDirectory(storage.path(id));
        await machine.files.writeAtomic(join(storage.path(id), 'precious'), 'x');
      };
      const assertKept = async (id: DatasetId): Promise<void> => {
        assert.equal(await read(id, 'precious'), 'x');
        await machine.files.remove(storage.path(id));
      };

      it('is never changed when it has no tag: reported, not listed', async () => {
        const id = newDatasetId();
        await stranger(id);
        assert.deepEqual(await storage.list(), []);
        assert.deepEqual(await storage.foreign(), [storage.path(id)]);
        const expected = failsWith('storage_foreign', /no tag of ours/);
        await assert.rejects(storage.destroy(id), expected);
        await assert.rejects(storage.create(id, tags(id, 'filling')), expected);
        await assert.rejects(storage.tag(id, tags(id, 'ready')), expected);
        await assert.rejects(storage.makeReadOnly(id), expected);
        const from = await snapshot();
        await assert.rejects(storage.clone(from, id, tags(id, 'filling')), expected);
        await storage.emptyTrash();
        await assertKept(id);
      });

      it('is never changed when its tag is unreadable, of another installation or of another dataset', async () => {
        const id = newDatasetId();
        const tagFile = join(root, 'tags', `${id}.json`);
        const bad = [
          '',
          '{"format":2}',
          JSON.stringify(tagsOf(newInstallationId(), id, 'ready')),
          JSON.stringify(tags(newDatasetId(), 'ready')),
        ];
        for (const text of bad) {
          await stranger(id);
          await machine.files.writeAtomic(tagFile, text);
          assert.deepEqual(await storage.list(), []);
          assert.deepEqual(await storage.foreign(), [storage.path(id), tagFile]);
          assert.equal(await storage.get(id), undefined);
          await assert.rejects(storage.destroy(id), failsWith('storage_foreign'));
          await assert.rejects(storage.create(id, tags(id, 'filling')), failsWith('storage_foreign'));
          await assert.rejects(storage.tag(id, tags(id, 'ready')), failsWith('storage_foreign'));
          assert.equal(await machine.files.read(tagFile), text);
          await assertKept(id);
          await machine.files.remove(tagFile);
        }
      });

      it('keeps the folder of another installation', async () => {
        await assert.rejects(
          open(machine, newInstallationId()),
          failsWith('storage_foreign', /installation/),
        );
      });

      it('refuses a folder with files and no pool file, and one whose pool file is unreadable', async () => {
        const pool = join(root, 'thin-clones-pool.json');
        const text = (await machine.files.read(pool)) ?? '';
        await machine.files.writeAtomic(pool, 'nonsense');
        await assert.rejects(open(), failsWith('storage_foreign', /can't be read/));
        await machine.files.remove(pool);
        await assert.rejects(open(), failsWith('storage_foreign', /no thin-clones-pool.json/));
        await machine.files.writeAtomic(pool, text);
      });

      it('does not call a store empty whose file system went away', async () => {
        const pool = join(root, 'thin-clones-pool.json');
        const text = (await machine.files.read(pool)) ?? '';
        await machine.files.remove(pool);
        const id = newDatasetId();
        const expected = failsWith('storage_failed', /unmounted/);
        await assert.rejects(storage.list(), expected);
        await assert.rejects(storage.get(id), expected);
        await assert.rejects(storage.foreign(), expected);
        await assert.rejects(storage.destroy(id), expected);
        await assert.rejects(storage.create(id, tags(id, 'filling')), expected);
        await machine.files.writeAtomic(pool, text);
      });
    });

    describe('usage', () => {
      it('tells the full size, and what is unshared where it can', async () => {
        const id = await snapshot();
        await given().settled?.();
        const { logical, unshared } = await storage.usage(id);
        assert.ok(logical >= 70_000, String(logical));
        assert.ok(unshared === null || unshared >= 0);
      });

      it('refuses a dataset that is not there', async () => {
        await assert.rejects(storage.usage(newDatasetId()), failsWith('storage_failed'));
      });
    });

    describe('opened again', () => {
      it('finds everything from the tags', async () => {
        const from = await snapshot();
        const id = await clone(from);
        const before = await storage.list();
        await storage.close();
        storage = await open();
        assert.deepEqual(await storage.list(), before);
        assert.equal(await read(id, 'PG_VERSION'), '18\n');
      });

      it('sweeps the temporary files of a killed write, and nothing else', async () => {
        await snapshot();
        const left = join(root, 'tags', `.${newDatasetId()}.json.4242-7.tmp`);
        await machine.files.writeAtomic(left, '{"half');
        assert.deepEqual(await storage.foreign(), []);
        storage = await open();
        assert.equal(await machine.files.stat(left), undefined);
        assert.deepEqual(await states(), ['ready']);
      });
    });

    describe('killed with -9', () => {
      /** Runs `work` killed before each of its changes in turn, and hands what a new engine finds to `check`. */
      const killedEverywhere = async (
        work: (killed: Storage) => Promise<unknown>,
        check: (done: boolean) => Promise<void>,
      ): Promise<void> => {
        for (let nth = 1; ; nth += 1) {
          const opened = createCrashingHost(machine, Number.POSITIVE_INFINITY);
          // The changes of `open` are counted first, so that the kill falls into the work.
          await open(opened.machine);
          const crashing = createCrashingHost(machine, opened.changes() + nth);
          const killed = await open(crashing.machine);
          let done = true;
          try {
            await work(killed);
          } catch {
            done = false;
          }
          // best effort inside the store may swallow the kill: what counts is whether it was struck.
          const struck = crashing.changes() >= opened.changes() + nth;
          storage = await open();
          assert.deepEqual(await storage.foreign(), []);
          await check(done);
          if (!struck) return;
        }
      };

      it('while it makes a store, leaves a folder that the next start uses', async () => {
        for (let nth = 1; ; nth += 1) {
          await removeRoot();
          const crashing = createCrashingHost(machine, nth);
          let done = true;
          try {
            await open(crashing.machine);
          } catch {
            done = false;
          }
          storage = await open();
          await storage.destroy(await snapshot());
          if (done) return;
        }
      });

      it('while it creates, leaves nothing, or something filling that can be made again and destroyed', async () => {
        const id = newDatasetId();
        await killedEverywhere(
          (killed) => killed.create(id, tags(id, 'filling')),
          async (done) => {
            const found = await states();
            assert.ok(found.length === 0 ? !done : found.join() === 'filling', found.join());
            await storage.create(id, tags(id, 'filling'));
            assert.deepEqual(await machine.files.list(storage.path(id)), []);
            await storage.destroy(id);
          },
        );
      });

      it('while it clones, never leaves a half copy that counts as ready', async () => {
        const from = await snapshot();
        const id = newDatasetId();
        await killedEverywhere(
          (killed) => killed.clone(from, id, tags(id, 'ready')),
          async (done) => {
            const found = await storage.get(id);
            assert.equal(found?.tags.state === 'ready', done);
            if (found?.tags.state === 'ready') {
              assert.ok((await read(id, 'base/1/1259')) === PAGE);
              await storage.destroy(id);
            }
            await storage.clone(from, id, tags(id, 'filling'));
            assert.ok((await read(id, 'base/1/1259')) === PAGE);
            await storage.destroy(id);
            assert.equal(await read(from, 'PG_VERSION'), '18\n');
          },
        );
      });

      it('while it tags, leaves the old tags or the new', async () => {
        const id = await snapshot();
        await killedEverywhere(
          (killed) => killed.tag(id, tags(id, 'ready', 'snapshot', 'new')),
          async (done) => {
            const expected = done ? 'new' : 'as made';
            assert.deepEqual((await storage.get(id))?.tags, tags(id, 'ready', 'snapshot', expected));
          },
        );
      });

      it('while it destroys, leaves it whole or doomed, and a second destroy ends it', async () => {
        const from = await snapshot();
        await killedEverywhere(
          async (killed) => {
            const id = await clone(from);
            await storage.makeReadOnly(id);
            await killed.destroy(id);
          },
          async (done) => {
            const others = (await storage.list()).filter(({ id }) => id !== from);
            assert.ok(others.length <= (done ? 0 : 1));
            for (const { id, path, tags: found } of others) {
              if (found.state === 'ready') assert.ok(await machine.files.stat(join(path, 'PG_VERSION')));
              await storage.destroy(id);
            }
            await storage.emptyTrash();
            assert.deepEqual(await trash(), []);
            assert.deepEqual(
              (await storage.list()).map(({ id }) => id),
              [from],
            );
          },
        );
      });

      it('while it empties the trash, can be repeated', async () => {
        await killedEverywhere(
          async (killed) => {
            for (const id of [await snapshot(), await snapshot()]) {
              await storage.makeReadOnly(id);
              await storage.destroy(id);
            }
            await killed.emptyTrash();
          },
          async () => {
            await storage.emptyTrash();
            assert.deepEqual(await trash(), []);
            assert.deepEqual(await storage.list(), []);
          },
        );
      });
    });
  });
}
