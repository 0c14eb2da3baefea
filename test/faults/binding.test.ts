/** The engine is killed with -9 while a clone is bound to a branch, and while a branch's clone goes with its beginning. */
import assert from 'node:assert/strict';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { openFilledCheckoutWorld, type CheckoutWorld } from './checkoutWorld.ts';
import { environment } from './world.ts';

describe('an engine killed with -9 around the clone of a branch', function () {
  this.timeout(120_000);
  let opened: CheckoutWorld;
  let checkout: Checkout;
  let round = 0;
  before(async () => {
    opened = await openFilledCheckoutWorld();
    checkout = await opened.open(await opened.repository('shop', ['main'], 'ask'));
  });
  after(() => opened.dispose());

  const until = (what: string, state: Checkout['state']): Promise<Checkout> =>
    opened.until(checkout, what, (found) => found.state === state);
  /** Makes a request of an engine that ends itself at a point, and waits until it has. */
  const killedAt = async (
    point: string,
    request: (world: CheckoutWorld['world']) => Promise<unknown>,
  ): Promise<void> => {
    await opened.world.engine.stop();
    const { info } = await opened.world.connect({ THIN_CLONES_CRASH_AT: point });
    await request(opened.world).catch((error: unknown) => {
      if (!isFailure(error, 'engine_unreachable')) throw error;
    });
    await opened.world.gone(info.pid);
  };

  for (const point of ['0/effect', '0/after', '1/effect', '1/after']) {
    it(`has bound a clone or left it as it was, password included, at clone.bind/${point}`, async () => {
      const { world } = opened;
      const name = `subject-${++round}`;
      const params = { clone: name };
      await world.done((client) => client.call('cloneCreate', { body: { environment, name } }));
      await world.write(name, 'mine');
      const before = await world.connection(name);
      await until('the question', 'asking');
      await killedAt(`clone.bind/${point}`, async () => {
        const client = await world.client();
        await client.call('checkoutUse', { params: { checkout: checkout.id }, body: { clone: name } });
      });

      const { branch } = await world.clone(name);
      const after = await world.connection(name);
      assert.equal(await world.readAt(after), 'mine');
      assert.equal(branch, point === '1/after' ? 'main' : null);
      if (branch === null) assert.deepEqual(after, before);
      else {
        await until('the clone', 'ready');
        const login = await opened.login(checkout);
        assert.equal(after.password, login.password);
        assert.equal(await world.readAt(login), 'mine');
      }
      await world.checkNothingLeft();
      await world.done((client) => client.call('cloneDestroy', { params }));
    });
  }

  describe('that began with the state of another one', () => {
    before(async () => {
      const client = await opened.world.client();
      await client.call('checkoutUse', { params: { checkout: checkout.id }, body: {} });
      const main = await opened.ready(checkout, 'main');
      await opened.world.write(main.name, 'mine');
      await opened.git(checkout.path, 'switch', '--quiet', '--create', 'feature');
      await opened.until(
        checkout,
        'the branch',
        ({ head }) => head.kind === 'branch' && head.branch === 'feature',
      );
    });

    for (const point of ['1/effect', '1/after', '2/effect']) {
      it(`goes, and its beginning with it, at clone.destroy/${point}`, async () => {
        const { world } = opened;
        const request = { params: { checkout: checkout.id }, body: { from: 'main' } };
        await (await world.client()).call('checkoutUse', request);
        const { id, name } = await opened.ready(checkout, 'feature');
        assert.equal(await world.read(name), 'mine');
        const branchStarts = async (): Promise<number> => {
          const { snapshots } = await (await world.client()).call('overview', {});
          return snapshots.filter(({ origin }) => origin === 'branch').length;
        };
        assert.equal(await branchStarts(), 1);
        await killedAt(`clone.destroy/${point}`, async () => {
          await (await world.client()).call('cloneDestroy', { params: { clone: id } });
        });
        assert.ok((await opened.clones()).every((clone) => clone.id !== id));
        assert.equal(await branchStarts(), 0);
        await world.checkNothingLeft();
      });
    }
  });
});
