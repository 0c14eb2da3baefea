import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { environmentNameSchema } from '../../../engine/protocol/ids.ts';
import { openReserve } from '../../../engine/state/reserve.ts';
import { roomyStore } from '../../../engine/state/roomyStore.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import { environmentRecordSchema, type Store } from '../../../engine/state/store.ts';

const record = environmentRecordSchema.parse({
  name: 'shop',
  definition: { members: { db: { engine: 'postgres', retrieval: 'dump', dump: '/x' } } },
  createdAt: '2026-11-20T03:00:00.000Z',
  sealedPasswords: {},
});
const name = environmentNameSchema.parse('shop');

describe('a state whose disk is full', () => {
  /** As SQLite tells it, until there is room. */
  const openFull = () => {
    const disk = { full: true, made: 0 };
    const inner = openStore(':memory:');
    const put: Store['environments']['put'] = (row) => {
      if (disk.full) throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
      inner.environments.put(row);
    };
    return { disk, store: { ...inner, environments: { ...inner.environments, put } } };
  };

  it('gets room for a write and for a transaction, once each, and carries it out', () => {
    for (const isTransaction of [false, true]) {
      const { disk, store: full } = openFull();
      const makeRoom = (): boolean => {
        disk.made += 1;
        disk.full = false;
        return true;
      };
      const store = roomyStore(full, { path: '/state.db', makeRoom });
      if (isTransaction) store.transaction(() => store.environments.put(record));
      else store.environments.put(record);
      assert.deepEqual(store.environments.get(name), record);
      assert.equal(disk.made, 1);
    }
  });

  it('says state_full when there is no room to make, or not enough', () => {
    for (const made of [false, true]) {
      const store = roomyStore(openFull().store, { path: '/state.db', makeRoom: () => made });
      assert.throws(
        () => store.transaction(() => store.environments.put(record)),
        (error) => isFailure(error, 'state_full') && error.cause instanceof Error,
      );
      assert.deepEqual(store.environments.list(), []);
    }
  });

  it('has space kept beside it that is given once, and taken again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tc-reserve-'));
    try {
      const path = join(folder, 'reserve');
      const reserve = openReserve(path);
      assert.equal(reserve.give(), false);
      assert.equal(reserve.keep(), true);
      assert.ok((await stat(path)).blocks * 512 >= 2 ** 20);
      assert.equal(reserve.give(), true);
      assert.equal(reserve.give(), false);
      assert.equal(reserve.keep(), true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
