import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { environmentNameSchema, jobIdSchema } from '../../../engine/protocol/ids.ts';
import { migrations } from '../../../engine/state/schemaVersions.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import { StateUnusable } from '../../../engine/state/unusable.ts';
import {
  cloneRecordSchema,
  environmentRecordSchema,
  jobRecordSchema,
  snapshotRecordSchema,
  type Store,
} from '../../../engine/state/store.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';

const at = '2026-11-21T12:00:00.000Z';
const letters = (number: number): string =>
  String(number)
    .replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)))
    .padStart(16, 'a');
const environment = environmentRecordSchema.parse({
  name: 'shop',
  definition: { members: { db: { engine: 'postgres', retrieval: 'dump', dump: '/x' } } },
  createdAt: at,
  sealedPasswords: {},
});
const snapshot = snapshotRecordSchema.parse({
  ...{ id: `snapshot-${letters(1)}`, name: 'first', environment: 'shop', state: 'ready', dataStateAt: at },
  ...{
    createdAt: at,
    createdBy: 'me',
    skewMs: 0,
    bytes: { unshared: 1, logical: 2 },
    origin: 'refresh',
    message: null,
  },
  members: [
    { name: 'db', engine: 'postgres', version: '18', database: 'shop', dataset: `data-${letters(1)}` },
  ],
});
const clone = (number: number, name = `clone-${number}`) =>
  cloneRecordSchema.parse({
    ...{
      id: `clone-${letters(number)}`,
      name,
      environment: 'shop',
      snapshot: snapshot.id,
      state: 'ready',
      createdAt: at,
    },
    ...{
      createdBy: 'me',
      resetAt: null,
      protectedUntil: null,
      bytes: { unshared: null, logical: 2 },
      branch: null,
    },
    ...{ members: [], problem: null, generation: 0, sealedPassword: 'sealed', usedAt: at },
  });
const job = (number: number, endedAt: string | null = at) =>
  jobRecordSchema.parse({
    ...{
      id: `job-${letters(number)}`,
      type: 'clone.create',
      title: 'Create',
      state: 'succeeded',
      createdBy: 'me',
    },
    ...{
      createdAt: new Date(Date.parse(at) + number).toISOString(),
      startedAt: at,
      endedAt,
      error: null,
      tasks: [],
    },
    ...{ environment: 'shop', object: { kind: 'clone', id: 'x', name: 'x' }, lanes: [], fingerprint: 'f' },
    ...{ idempotencyKey: `key-${number}`, input: {}, data: {}, committed: false },
  });
const fill = (store: Store): void => {
  store.environments.put(environment);
  store.snapshots.put(snapshot);
  for (let number = 1; number <= 20; number++) store.clones.put(clone(number));
  for (let number = 1; number <= 20; number++) store.jobs.put(job(number));
};
const contents = (store: Store): unknown => [
  store.environments.list(),
  store.snapshots.list(),
  store.clones.list(),
  store.jobs.unfinished(),
];

describe('the rows of the state and what damages them', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-state-'));
    path = join(folder, 'state.db');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('gives back what it took, also after it was opened again', () => {
    const store = openStore(path);
    fill(store);
    const before = contents(store);
    store.close();
    const again = openStore(path);
    assert.deepEqual(contents(again), before);
    assert.deepEqual(again.environments.get(environmentNameSchema.parse('shop')), environment);
    again.close();
  });
  it('keeps its files to their owner', async () => {
    const store = openStore(path);
    fill(store);
    for (const suffix of ['', '-wal']) assert.equal((await stat(`${path}${suffix}`)).mode & 0o777, 0o600);
    // Its index stays in memory, since nobody else may open the state meanwhile.
    assert.equal(existsSync(`${path}-shm`), false);
    store.close();
  });
  it('makes all of a transaction durable, or nothing', () => {
    const store = openStore(path);
    assert.throws(() =>
      store.transaction(() => {
        store.environments.put(environment);
        throw new Error('no');
      }),
    );
    assert.deepEqual(store.environments.list(), []);
    store.close();
  });
  it('refuses a second clone of one name, and the same idempotency key for another job', () => {
    const store = openStore(':memory:');
    store.clones.put(clone(1, 'same'));
    assert.throws(() => store.clones.put(clone(2, 'same')), /UNIQUE/);
    store.jobs.put(job(1));
    assert.throws(() => store.jobs.put({ ...job(2), idempotencyKey: 'key-1' }), /UNIQUE/);
    store.close();
  });
  it('forgets the oldest finished jobs with their lines, and never an unfinished one', () => {
    const store = openStore(':memory:');
    store.jobs.put(job(1, null));
    for (let number = 2; number <= 9; number++) store.jobs.put(job(number));
    const old = jobIdSchema.parse(`job-${letters(2)}`);
    store.jobs.addLine({ job: old, line: 1, at, task: null, level: 'info', text: 'x' });
    assert.equal(store.jobs.prune(3).length, 5);
    assert.equal(store.jobs.list(100).length, 4);
    assert.deepEqual(store.jobs.lines(old, 0, 10), []);
    assert.equal(store.jobs.unfinished().length, 1);
    store.close();
  });
  it('opens every earlier version of itself, and none that is newer', () => {
    for (let version = 0; version <= migrations.length; version++) {
      const file = join(folder, `v${version}.db`);
      const db = new DatabaseSync(file);
      for (const step of migrations.slice(0, version)) db.exec(step);
      db.exec(`PRAGMA user_version = ${version}`);
      db.close();
      const store = openStore(file);
      fill(store);
      store.close();
    }
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    db.close();
    assert.throws(
      () => openStore(path),
      (error) => error instanceof StateUnusable && /newer version/.test(error.message),
    );
  });

  /** Opened, it must say exactly what it said before; or it must not open. */
  const sameOrRefused = (file: string, before: unknown): 'same' | 'refused' => {
    let store: Store;
    try {
      store = openStore(file);
    } catch (error) {
      assert.ok(error instanceof StateUnusable, String(error));
      return 'refused';
    }
    try {
      assert.deepEqual(contents(store), before);
      return 'same';
    } finally {
      store.close();
    }
  };
  const closedState = (): unknown => {
    const store = openStore(path);
    fill(store);
    const before = contents(store);
    store.close();
    return before;
  };

  it('is what it was, or refused, whichever of its bytes is flipped', async function () {
    this.timeout(60_000);
    const before = closedState();
    const seed = chooseSeed();
    const random = seeded(seed);
    const whole = await readFile(path);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const file = join(folder, `flip-${round}.db`);
      await copyFile(path, file);
      const offset = Math.floor(random() * whole.length);
      const handle = await open(file, 'r+');
      await handle.write(Buffer.from([(whole[offset] ?? 0) ^ (1 << Math.floor(random() * 8))]), 0, 1, offset);
      await handle.close();
      try {
        if (sameOrRefused(file, before) === 'refused') refused += 1;
      } catch (error) {
        throw new Error(`THIN_CLONES_SEED=${seed}, byte ${offset}: ${String(error)}`, { cause: error });
      }
      for (const suffix of ['', '-wal']) await rm(`${file}${suffix}`, { force: true });
    }
    assert.ok(refused > 10, `${refused} refused`);
  });
  it('is refused when it is cut anywhere', async () => {
    const before = closedState();
    const { size } = await stat(path);
    for (let part = 1; part < 40; part++) {
      const file = join(folder, `cut-${part}.db`);
      await copyFile(path, file);
      await truncate(file, Math.floor((size * part) / 40));
      assert.equal(sameOrRefused(file, before), 'refused', `${part}/40`);
    }
  });
  it('is refused when it is something else', async () => {
    await writeFile(path, 'not a database at all, but long enough to be looked at '.repeat(40));
    assert.throws(() => openStore(path), StateUnusable);
  });
});
