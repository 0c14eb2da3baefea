/** Two people on one machine, each with an engine of their own, in one working tree. */
import assert from 'node:assert/strict';
import type { Checkout, Connection } from '../../engine/protocol/entities.ts';
import { ask, openFilledCheckoutWorld, writeMark, type CheckoutWorld } from './checkoutWorld.ts';
import { origin } from './world.ts';

describe('one working tree that two engines follow', function () {
  this.timeout(180_000);
  let mine: CheckoutWorld;
  let theirs: CheckoutWorld;
  before(async () => {
    mine = await openFilledCheckoutWorld();
    theirs = await openFilledCheckoutWorld();
  });
  after(async () => {
    await theirs.dispose();
    await mine.dispose();
  });

  it('has ports, clones and passwords of each, which the other one never touches, also after both started again', async () => {
    const folder = await mine.repository('shop', ['main', 'feature']);
    const worlds = [mine, theirs];
    const opened: { world: CheckoutWorld; checkout: Checkout; login: Connection; name: string }[] = [];
    for (const [index, world] of worlds.entries()) {
      const checkout = await world.open(folder);
      await world.ready(checkout, 'main');
      const name = `engine ${index}`;
      const login = await world.login(checkout);
      await writeMark(login, `main of ${name}`);
      opened.push({ world, checkout, login, name });
    }
    const check = async (branch: string, mark: (name: string) => string): Promise<void> => {
      for (const { world, checkout, login, name } of opened) {
        await world.ready(checkout, branch);
        assert.deepEqual(await world.login(checkout), login);
        assert.equal((await ask(login)).mark, mark(name));
      }
    };
    const [first, second] = opened;
    assert.notEqual(first?.login.port, second?.login.port);
    assert.notEqual(first?.login.password, second?.login.password);
    await check('main', (name) => `main of ${name}`);
    await mine.git(folder, 'checkout', '--quiet', 'feature');
    await check('feature', () => origin);

    for (const { world } of opened) await world.world.engine.stop();
    await mine.git(folder, 'checkout', '--quiet', 'main');
    // The other one first: nobody takes a port that is somebody else's because it is free now.
    for (const { world } of opened.toReversed()) await world.world.connect();
    await check('main', (name) => `main of ${name}`);

    for (const { world, checkout } of opened) {
      assert.equal((await world.clones()).length, 2);
      await (await world.world.client()).call('checkoutForget', { params: { checkout: checkout.id } });
      await world.clear();
      await world.world.checkNothingLeft();
    }
  });
});
