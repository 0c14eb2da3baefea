import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { openFilledCheckoutWorld, withPort, type CheckoutWorld } from './checkoutWorld.ts';

describe('checkouts whose key is lost', function () {
  this.timeout(120_000);
  let opened: CheckoutWorld;
  before(async () => {
    opened = await openFilledCheckoutWorld();
  });
  after(async () => {
    await opened.world.engine.stop();
    await opened.dispose();
  });

  it('get one new password for all branches, and lead on', async () => {
    const { world, git } = opened;
    const folder = await opened.repository('shop', ['main', 'feature']);
    const checkout = await opened.open(folder);
    await opened.ready(checkout, 'main');
    await git(folder, 'checkout', '--quiet', 'feature');
    await opened.ready(checkout, 'feature');
    const before = await opened.login(checkout);
    await world.engine.stop();
    await rm(join(world.engine.paths.secrets, 'key'));
    const ask = (login: typeof before) => withPort(login, (session) => session.query('SELECT 1'));
    await opened.ready(checkout, 'feature');
    const fresh = await opened.login(checkout);
    assert.deepEqual({ ...fresh, password: '' }, { ...before, password: '' });
    await ask(fresh);
    await assert.rejects(ask(before), pg.DatabaseError);
    await git(folder, 'checkout', '--quiet', 'main');
    await opened.ready(checkout, 'main');
    assert.deepEqual(await opened.login(checkout), fresh);
    await ask(fresh);
  });
});
