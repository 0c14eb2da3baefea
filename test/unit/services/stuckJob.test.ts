import assert from 'node:assert/strict';
import type { Job } from '../../../engine/protocol/entities.ts';
import type { DatasetId } from '../../../engine/protocol/ids.ts';
import type { Services } from '../../../engine/services/services.ts';
import {
  caller,
  cloneName,
  openMemoryEngine,
  ref,
  snapshotName,
  type Life,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a job of an earlier engine whose end hangs', () => {
  let engine: MemoryEngine;
  let release = (): void => undefined;
  /** Of these methods nothing comes back before they are let go. */
  let copies: Promise<void> | undefined;
  let removals: Promise<void> | undefined;
  const hang = (): Promise<void> => new Promise((resolve) => (release = resolve));

  beforeEach(async () => {
    copies = removals = undefined;
    engine = await openMemoryEngine();
    const { database, storage } = engine;
    const real = { database: { ...database }, storage: { ...storage } };
    const go = Promise.resolve();
    database.makeStartable = async (path) => (copies ?? go).then(() => real.database.makeStartable(path));
    database.abandon = async (...args) => (removals ?? go).then(() => real.database.abandon(...args));
    Object.assign(storage, {
      destroy: async (id: DatasetId) => (removals ?? go).then(() => real.storage.destroy(id)),
    });
    // The running engine has the ports as they were.
    await engine.restart();
    engine.declare('shop', { orders: 'o' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    for (const name of ['a', 'b']) {
      await engine.done(({ clones }) =>
        clones.create({ environment: ref('shop'), name: cloneName(name) }, caller),
      );
      await engine.write(name, `mine ${name}`);
    }
  });
  afterEach(async () => {
    release();
    await engine.close();
  });

  const turns = async (): Promise<void> => {
    for (let count = 0; count < 30; count++) await turn();
  };
  /** The next engine starts on a machine that went down; time passes until it answers. */
  const restart = async (): Promise<{ life: Life; everythingUp: Promise<unknown> }> => {
    let life: Life | undefined;
    const everythingUp = engine.restart({
      reboot: true,
      meanwhile: async (started) => void (life = started),
    });
    for (;;) {
      await turns();
      if (life !== undefined) return { life, everythingUp };
      await engine.clock.advance(1000);
    }
  };
  const endOf = async (life: Life, request: (services: Services) => Job): Promise<unknown> =>
    (await life.ended(request(life.services)))?.state;
  const state = ({ context }: Life, { id }: Job): string | undefined => context.runner.get(id)?.state;
  const states = (): string[] => ['a', 'b'].map((name) => engine.clone(name).state);

  it('keeps nobody from the clones, and holds what it works on until it has ended', async () => {
    engine.database.hold = new Promise(() => undefined);
    const job = engine.life().services.environments.refresh(ref('shop'), {}, caller);
    await turns();
    engine.database.hold = undefined;
    removals = hang();
    const { life, everythingUp } = await restart();
    assert.equal(state(life, job), 'running');
    assert.deepEqual(states(), ['ready', 'ready']);
    const request = { name: snapshotName('other') };
    const refresh = (services: Services): Job => services.environments.refresh(ref('shop'), request, caller);
    assert.throws(() => refresh(life.services), { code: 'busy' });
    const commit = (services: Services): Job => services.clones.commit(ref('a'), { message: 'm' }, caller);
    assert.equal(await endOf(life, commit), 'succeeded');
    release();
    await everythingUp;
    await engine.life().quiet();
    assert.equal(state(life, job), 'failed');
    assert.equal(await endOf(life, refresh), 'succeeded');
    assert.deepEqual(await engine.violations(), []);
  });

  it('keeps its own clone for itself, which is brought up when it has ended', async () => {
    copies = new Promise(() => undefined);
    const job = engine.life().services.clones.reset(ref('b'), {}, caller);
    await turns();
    copies = undefined;
    const [unfinished] = (await engine.storage.list()).filter(({ tags }) => tags.state === 'filling');
    assert.ok(unfinished);
    removals = hang();
    const { life, everythingUp } = await restart();
    assert.equal(state(life, job), 'running');
    assert.deepEqual(states(), ['ready', 'resetting']);
    assert.throws(() => life.services.clones.destroy(ref('b'), caller), { code: 'busy' });
    release();
    await everythingUp;
    assert.equal(state(life, job), 'failed');
    assert.deepEqual(states(), ['ready', 'ready']);
    assert.deepEqual(await engine.read('b'), { orders: 'mine b' });
    assert.deepEqual(await engine.violations(), []);
  });
});
