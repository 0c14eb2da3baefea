/** A server that accepts and never answers: what works on it can be canceled and ended, and other clones are looked after meanwhile. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment, fillWorld, openWorld, type World } from './world.ts';

describe('a server that hangs', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    for (const name of ['other', 'hung'])
      await world.done((client) => client.call('cloneCreate', { body: { environment, name } }));
  });
  after(() => world.dispose());
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
});
