import assert from 'node:assert/strict';
import { allTelling } from '../../../engine/services/memberProgress.ts';
import { caller, cloneName, openMemoryEngine, ref } from '../../support/memoryEngine.ts';

describe('the progress of several members', () => {
  it('is their mean, never falls, and is whole when each is done', async () => {
    const told: number[] = [];
    const scripts: Record<string, readonly number[]> = {
      fast: [0.5, 1],
      slow: [0.1, 0.05, Number.NaN],
      silent: [],
    };
    const report = { progress: (fraction: number) => void told.push(fraction) };
    await allTelling(Object.keys(scripts), report, async (member, onProgress) => {
      for (const fraction of scripts[member] ?? []) {
        onProgress(fraction);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    assert.ok(Math.max(...told.slice(0, 2)) < 0.5, 'the fast one alone is not half of all');
    assert.deepEqual(
      told,
      [...told].sort((a, b) => a - b),
    );
    assert.equal(told.at(-1), 1);
  });

  it('is what the copy for a clone, and of one, with two members tells', async () => {
    const engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'first', users: 'first' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    const { context, services } = engine.life();
    const before = { ...context.storage };
    const copying: (() => void)[] = [];
    const storage = context.storage as { clone: (typeof before)['clone'] };
    const steps = new Map<string, number[]>();
    context.feed.subscribe({ epoch: context.feed.epoch, seq: context.feed.seq() }, (event) => {
      if (event.kind !== 'job') return;
      const { id, tasks } = event.entity;
      for (const { name, progress } of tasks.filter((task) => task.name.startsWith('Copy')))
        steps.set(`${id} ${name}`, [...(steps.get(`${id} ${name}`) ?? []), progress ?? 0]);
    });
    storage.clone = async (from, to, tags, options) => {
      if (tags.member === 'orders') options?.onProgress?.(1);
      else await new Promise<void>((resolve) => copying.push(resolve));
      return before.clone(from, to, tags, options);
    };
    for (const request of [
      () => services.clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
      () => services.clones.commit(ref('a'), { message: 'm' }, caller),
    ]) {
      const job = await request();
      // Until all that does not wait has been done.
      for (let turn = 0; turn < 50 || copying.length === 0; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      const copy = context.runner.get(job.id)?.tasks.find(({ name }) => name.startsWith('Copy'));
      assert.equal(copy?.progress, 0.5);
      for (const go of copying.splice(0)) go();
      assert.equal((await context.runner.ended(job.id)).state, 'succeeded');
    }
    assert.equal(steps.size, 2);
    for (const told of steps.values())
      assert.deepEqual(
        told,
        [...told].sort((a, b) => a - b),
      );
    await engine.close();
  });
});
