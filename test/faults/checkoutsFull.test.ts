/** A checkout of a new branch while the disk is full: it says so, and every other branch goes on. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { skipSuite } from '../support/skips.ts';
import { ask, openFilledCheckoutWorld, refusal, writeMark, type CheckoutWorld } from './checkoutWorld.ts';
import { fillDisk } from './fillDisk.ts';
import { origin } from './world.ts';

describe('a checkout while the disk is full', function () {
  this.timeout(180_000);
  let checkouts: CheckoutWorld;
  const filler = (): string => join(checkouts.world.store, '..', 'filler');
  before(async function () {
    checkouts = await openFilledCheckoutWorld({ megabytes: 300 });
    if (checkouts.world.thin) return;
    await checkouts.dispose();
    skipSuite(this, 'a small file system needs a loop file (Linux, root, btrfs-progs)');
  });
  after(() => checkouts.dispose());

  const fill = (): Promise<void> => fillDisk(filler());

  it('says that its clone could not be made, leaves the other branches as they are, and has it when there is room', async () => {
    const folder = await checkouts.repository('shop', ['main']);
    const checkout = await checkouts.open(folder);
    await checkouts.ready(checkout, 'main');
    const login = await checkouts.login(checkout);
    await writeMark(login, 'main');
    await fill();
    await checkouts.git(folder, 'checkout', '--quiet', '-b', 'feature');
    const found = await checkouts.until(
      checkout,
      'the end of the attempt',
      ({ state, key }) => key === 'feature' && (state === 'failed' || state === 'ready'),
    );
    assert.equal(found.state, 'failed', 'there was room');
    assert.match(found.reason ?? '', /full|space|room/);
    const refused = await refusal(login);
    assert.equal(refused.code, '57P03');
    assert.ok(refused.message.includes(found.reason ?? 'a reason'), refused.message);

    await checkouts.git(folder, 'checkout', '--quiet', 'main');
    await checkouts.ready(checkout, 'main');
    assert.equal((await ask(login)).mark, 'main');
    assert.deepEqual(
      (await checkouts.clones()).map(({ branch }) => branch),
      ['main'],
    );

    await rm(filler());
    await checkouts.git(folder, 'checkout', '--quiet', 'feature');
    await checkouts.ready(checkout, 'feature');
    assert.equal((await ask(login)).mark, origin);
    await checkouts.world.checkNothingLeft();
  });
});
