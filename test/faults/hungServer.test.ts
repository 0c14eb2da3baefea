/** A server that accepts and never answers: what works on it can be canceled and ended, and other clones are looked after meanwhile. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFilledCheckoutWorld, type CheckoutWorld } from './checkoutWorld.ts';
import { codeOf, environment, type World } from './world.ts';

describe('a server that hangs', function () {
  this.timeout(120_000);
  let opened: CheckoutWorld;
  let world: World;
  before(async () => {
    opened = await openFilledCheckoutWorld();
    ({ world } = opened);
    for (const name of ['other', 'hung'])
      await world.done((client) => client.call('cloneCreate', { body: { environment, name } }));
  });
  after(() => opened.dispose());
  const postmaster = async (name: string): Promise<number> => {
    const { members } = await world.clone(name);
    const mark = `cluster_name=${members[0]?.dataset ?? ''}`;
    return world.engine.processes().find(({ commandLine }) => commandLine.includes(mark))?.pid ?? 0;
  };

  it('lets a commit be canceled, other clones be looked after, and the engine be stopped', async () => {
    const pid = await postmaster('hung');
    process.kill(pid, 'SIGSTOP');
    try {
      const client = await world.client();
      const commit = async () =>
        (await client.call('cloneCommit', { params: { clone: 'hung' }, body: { message: 'm' } })).job;
      const job = await commit();
      process.kill(await postmaster('other'), 'SIGKILL');
      while ((await world.clone('other')).state !== 'stopped') await sleep(10);
      await client.call('jobCancel', { params: { job: job.id } });
      assert.equal((await world.ended(job)).state, 'cancelled');
      await commit();
      await world.engine.stop();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    assert.equal(await world.read('hung'), 'origin');
    await world.done((client) => client.call('cloneStart', { params: { clone: 'other' } }));
    await world.checkNothingLeft();
  });

  it('lets a bind be canceled or end by itself, which leaves the clone as it was, and succeed when it goes on', async () => {
    const checkout = await opened.open(await opened.repository('shop', ['main'], 'ask'));
    await opened.until(checkout, 'the question', ({ state }) => state === 'asking');
    const before = await world.connection('hung');
    const client = await world.client();
    const bind = () =>
      client.call('checkoutUse', { params: { checkout: checkout.id }, body: { clone: 'hung' } });
    const pid = await postmaster('hung');
    process.kill(pid, 'SIGSTOP');
    try {
      const refused = codeOf(bind());
      const underway = async () =>
        (await client.call('overview', {})).jobs.find(
          ({ type, endedAt }) => type === 'clone.bind' && endedAt === null,
        );
      let job = await underway();
      while (job === undefined) {
        await sleep(5);
        job = await underway();
      }
      await client.call('jobCancel', { params: { job: job.id } });
      assert.equal((await world.ended(job)).state, 'cancelled');
      assert.equal(await refused, 'canceled');
      assert.equal(await codeOf(bind()), 'server_start_failed');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const { branch, state } = await world.clone('hung');
    assert.deepEqual({ branch, state }, { branch: null, state: 'ready' });
    assert.deepEqual(await world.connection('hung'), before);
    assert.equal(await world.readAt(before), 'origin');
    await bind();
    assert.equal(await world.readAt(await opened.login(checkout)), 'origin');
    await world.checkNothingLeft();
  });
});
