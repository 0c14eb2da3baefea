/** An environment with many snapshots: each is listed, found again by the next engine, stood on, and deleted. */
import assert from 'node:assert/strict';
import { thorough } from '../support/long.ts';
import { environment, fillWorld, openWorld, type World } from './world.ts';

/** As many as people have after a year, with `npm test -- --long`. */
const count = thorough ? 300 : 5;

describe('many snapshots', function () {
  this.timeout(60_000 + count * 10_000);
  let world: World;
  before(async () => {
    // Each is checked by a server of its own, which writes some twenty MB.
    world = await openWorld({ megabytes: 1024 + count * 40 });
    await fillWorld(world);
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'subject' } }));
  });
  after(() => world.dispose());
  const names = async (): Promise<string[]> =>
    (await (await world.client()).call('overview', {})).snapshots.map(({ name }) => name);

  it('are made, survive the engine, can be stood on, and go again', async () => {
    const made: string[] = [];
    for (let number = 1; number <= count; number++) {
      await world.write('subject', `state ${number}`);
      const body = { message: `state ${number}`, name: `state-${number}` };
      await world.done((c) => c.call('cloneCommit', { params: { clone: 'subject' }, body }));
      made.unshift(body.name);
    }
    assert.deepEqual(await names(), [...made, 'first']);
    await world.engine.kill();
    assert.deepEqual(await names(), [...made, 'first']);
    await world.checkNothingLeft();
    for (const number of [1, Math.ceil(count / 2), count]) {
      const body = { environment, snapshot: `state-${number}`, name: `on-${number}` };
      await world.done((c) => c.call('cloneCreate', { body }));
      assert.equal(await world.read(body.name), `state ${number}`);
      await world.done((c) => c.call('cloneDestroy', { params: { clone: body.name } }));
    }
    for (const snapshot of made) await world.done((c) => c.call('snapshotDelete', { params: { snapshot } }));
    assert.deepEqual(await names(), ['first']);
    assert.equal(await world.read('subject'), `state ${count}`);
    await world.checkNothingLeft();
  });
});
