/** A checkout on a store that can only copy data whose server is stopped. */
import assert from 'node:assert/strict';
import { ask, openFilledCheckoutWorld, refusal, writeMark, type CheckoutWorld } from './checkoutWorld.ts';
import { origin } from './world.ts';

describe('a checkout on a store of full copies', function () {
  this.timeout(180_000);
  let checkouts: CheckoutWorld;
  before(async () => {
    checkouts = await openFilledCheckoutWorld({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } });
  });
  after(() => checkouts.dispose());

  it('lets connections wait while the server of its clone is stopped for a commit, and refuses none', async () => {
    const folder = await checkouts.repository('shop', ['main']);
    const checkout = await checkouts.open(folder);
    const clone = await checkouts.ready(checkout, 'main');
    const login = await checkouts.login(checkout);
    await writeMark(login, 'main');
    const client = await checkouts.world.client();
    const { job } = await client.call('cloneCommit', {
      params: { clone: clone.id },
      body: { message: 'as it is', name: 'kept' },
    });
    const ended = checkouts.world.ended(job);
    const over = new AbortController();
    void ended.then(() => over.abort());
    const heard = new Map<string, number>();
    do {
      const { code, message } = await refusal(login);
      const what = code === 'answered' ? message : `${code} ${message}`;
      heard.set(what, (heard.get(what) ?? 0) + 1);
      // A connection that was there when the commit began may have to go.
      assert.notEqual(code, '57P03', message);
    } while (!over.signal.aborted);
    assert.equal((await ended).state, 'succeeded');
    assert.ok((heard.get('main') ?? 0) > 0, JSON.stringify([...heard]));

    await checkouts.git(folder, 'checkout', '--quiet', '-b', 'feature');
    await checkouts.ready(checkout, 'feature');
    assert.equal((await ask(login)).mark, origin);
    await checkouts.clear();
    await checkouts.world.done((asking) => asking.call('snapshotDelete', { params: { snapshot: 'kept' } }));
    await checkouts.world.checkNothingLeft();
  });
});
