import assert from 'node:assert/strict';
import type { Job } from '../../../engine/protocol/entities.ts';
import {
  caller,
  cloneName,
  openMemoryEngine,
  ref,
  snapshotName,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

describe('a refresh that waits for its turn', () => {
  let engine: MemoryEngine;
  let go = (): void => undefined;
  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o' });
    engine.database.hold = new Promise((resolve) => (go = resolve));
  });
  afterEach(() => engine.close());

  const refresh = (name: string | undefined, waits: boolean): Job =>
    engine
      .life()
      .services.environments.refresh(
        ref('shop'),
        { waits, ...(name === undefined ? {} : { name: snapshotName(name) }) },
        caller,
      );
  const ends = async (...jobs: Job[]): Promise<(string | undefined)[]> => {
    engine.database.hold = undefined;
    go();
    const ended = await Promise.all(jobs.map((job) => engine.life().ended(job)));
    return ended.map((job) => job?.error?.code ?? job?.state);
  };
  const names = (): string[] => engine.store.snapshots.list().map(({ name }) => name);

  it('is queued where others are refused, and makes its own snapshot after them', async () => {
    const first = refresh('first', false);
    assert.throws(() => refresh('second', false), { code: 'busy' });
    const waiting = refresh(undefined, true);
    assert.equal(waiting.state, 'queued');
    assert.deepEqual(names(), ['first']);
    assert.deepEqual(await ends(first, waiting), ['succeeded', 'succeeded']);
    assert.equal(names().length, 2);
    assert.equal(names()[1], 'first');
    assert.deepEqual(await engine.violations(), []);
  });

  it('takes another name when its own was given away meanwhile, and is refused when it was asked for that', async () => {
    engine.database.hold = undefined;
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
    engine.database.hold = new Promise((resolve) => (go = resolve));
    const first = refresh('first', false);
    const [named, unnamed] = [refresh('named', true), refresh(undefined, true)];
    for (const name of ['named', unnamed.object.name])
      await engine.done(({ clones }) =>
        clones.commit(ref('a'), { message: 'm', name: snapshotName(name) }, caller),
      );
    assert.deepEqual(await ends(first, named, unnamed), ['succeeded', 'name_taken', 'succeeded']);
    assert.equal(names().length, 5);
    assert.equal(new Set(names()).size, 5);
    assert.deepEqual(await engine.violations(), []);
  });
});
