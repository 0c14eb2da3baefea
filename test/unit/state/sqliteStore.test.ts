import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentNameSchema } from '../../../engine/protocol/ids.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import { StateUnusable } from '../../../engine/state/unusable.ts';
import type { EnvironmentRecord, Store } from '../../../engine/state/store.ts';
import { createVault, loadKey } from '../../../engine/state/vault.ts';
import { seeded } from '../../support/seeds.ts';

const record = (name: string): EnvironmentRecord => ({
  name: environmentNameSchema.parse(name),
  definition: { host: 'local', members: {}, clones: {} } as never,
  createdAt: '2026-11-20T03:00:00.000Z',
  sealedPasswords: {},
});
const full = (name: string): EnvironmentRecord => ({
  ...record(name),
  definition: {
    host: 'local',
    members: { orders: { engine: 'postgres', retrieval: 'logical', url: 'postgresql://a@b/c' } },
    clones: {},
  } as never,
});

describe('the state store', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-state-'));
    path = join(folder, 'state.db');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const names = (store: Store): string[] => store.environments.list().map(({ name }) => name);
  const fill = (count: number): void => {
    const store = openStore(path);
    for (let number = 0; number < count; number++) store.environments.put(full(`environment-${number}`));
    store.close();
  };

  it('makes a file of mode 0600, also its write-ahead log, and finds everything again', () => {
    const store = openStore(path);
    store.environments.put(full('shop'));
    for (const suffix of ['', '-wal']) assert.equal(statSync(`${path}${suffix}`).mode & 0o777, 0o600, suffix);
    // Its index stays in memory, since nobody else may open the state meanwhile.
    assert.equal(existsSync(`${path}-shm`), false);
    store.close();
    const again = openStore(path);
    assert.deepEqual(again.environments.list(), [full('shop')]);
    again.close();
  });

  it('takes everything of a transaction, or nothing', () => {
    const store = openStore(path);
    assert.throws(
      () =>
        store.transaction(() => {
          store.environments.put(full('a'));
          store.environments.put(full('b'));
          throw new Error('no');
        }),
      /^Error: no$/,
    );
    assert.deepEqual(names(store), []);
    store.transaction(() => store.environments.put(full('c')));
    assert.deepEqual(names(store), ['c']);
    store.close();
  });

  it('keeps the outer transaction when somebody nests one', () => {
    const store = openStore(path);
    store.transaction(() => {
      store.environments.put(full('outer'));
      assert.throws(() => store.transaction(() => store.environments.put(full('inner'))), /transaction/);
    });
    assert.deepEqual(names(store), ['outer']);
    store.close();
  });

  it('refuses a state of a newer version, and leaves it as it is', () => {
    fill(1);
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 999');
    db.close();
    const before = readFileSync(path);
    assert.throws(
      () => openStore(path),
      (error) => {
        assert.ok(error instanceof StateUnusable);
        assert.match(error.message, /newer version \(state 999/);
        return true;
      },
    );
    assert.ok(readFileSync(path).equals(before));
  });

  it('refuses files that are no state', () => {
    const foreign: [string, () => void][] = [
      ['text', () => writeFileSync(path, 'not a database, but long enough to be looked at'.repeat(100))],
      [
        'another database',
        () => {
          const db = new DatabaseSync(path);
          db.exec('CREATE TABLE environments (name TEXT); PRAGMA user_version = 1');
          db.close();
        },
      ],
    ];
    for (const [what, make] of foreign) {
      rmSync(path, { force: true });
      make();
      assert.throws(() => openStore(path), StateUnusable, what);
    }
  });

  it('refuses documents that were changed by hand or by a flipped bit', () => {
    for (const change of [
      `UPDATE environments SET document = '{}'`,
      `UPDATE environments SET document = 'x'`,
      `UPDATE environments SET document = replace(document, 'orders', 'ordars')`,
      `UPDATE environments SET name = 'another'`,
    ]) {
      rmSync(path, { force: true });
      fill(1);
      const db = new DatabaseSync(path);
      db.exec(change);
      db.close();
      assert.throws(() => openStore(path), StateUnusable, change);
    }
  });

  it('opens a damaged file with all it held, or refuses it, and never anything between', function () {
    this.timeout(60_000);
    fill(40);
    const whole = readFileSync(path);
    const seed = Number(process.env['THIN_CLONES_SEED'] ?? 1);
    const random = seeded(seed);
    const expected = JSON.stringify(
      Array.from({ length: 40 }, (_, index) => full(`environment-${index}`)).sort((a, b) =>
        a.name < b.name ? -1 : 1,
      ),
    );
    const damage = (what: string, make: (copy: string) => void): void => {
      const copy = join(folder, 'copy.db');
      for (const suffix of ['', '-wal']) rmSync(`${copy}${suffix}`, { force: true });
      copyFileSync(path, copy);
      chmodSync(copy, 0o600);
      make(copy);
      let store: Store | undefined;
      try {
        store = openStore(copy);
      } catch (error) {
        assert.ok(error instanceof StateUnusable, `${what}, seed ${seed}: ${String(error)}`);
        assert.notEqual(error.message, '');
        return;
      }
      const found = store.environments.list();
      assert.equal(JSON.stringify(found), expected, `${what}, seed ${seed}`);
      store.close();
    };
    for (let round = 0; round < 200; round++) {
      const at = Math.floor(random() * whole.length);
      const bit = 1 << Math.floor(random() * 8);
      damage(`bit ${bit} of byte ${at} flipped`, (copy) => {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(at) ^ bit, at);
        writeFileSync(copy, bytes);
      });
    }
    for (let round = 0; round < 100; round++) {
      // Of a length of 0 SQLite makes a new one: nothing is there that says that there was more.
      const length = 1 + Math.floor(random() * (whole.length - 1));
      damage(`cut to ${length} bytes`, (copy) => truncateSync(copy, length));
    }
  });
});

describe('the vault', () => {
  const vault = createVault(Buffer.alloc(32, 1));

  it('opens what it sealed, and seals the same secret differently each time', () => {
    for (const secret of ['', 'x', 'correct horse & battery', 'ß😀\u0000', 'x'.repeat(1000)]) {
      assert.equal(vault.open(vault.seal(secret)), secret);
      assert.notEqual(vault.seal(secret), vault.seal(secret));
    }
  });

  it('opens nothing that was changed, cut, or sealed with another key', () => {
    const sealed = Buffer.from(vault.seal('secret'), 'base64');
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      assert.throws(() => vault.open(changed.toString('base64')), `byte ${at}`);
      assert.throws(() => vault.open(sealed.subarray(0, at).toString('base64')), `cut to ${at}`);
    }
    assert.throws(() => createVault(Buffer.alloc(32, 2)).open(sealed.toString('base64')));
    for (const text of ['', 'not base64 !', 'AAAA']) assert.throws(() => vault.open(text), text);
  });

  it('has a key that is made once, of mode 0600 in a folder of mode 0700', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tc-vault-'));
    try {
      const path = join(folder, 'secrets', 'key');
      const key = loadKey(path);
      assert.ok(loadKey(path).equals(key));
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(folder, 'secrets')).mode & 0o777, 0o700);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
