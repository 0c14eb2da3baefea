/** A file system that stops answering, as a disk or a server that is gone: frozen, it lets nobody write until it is thawed. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Client } from '../../engine/protocol/client.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { skipSuite } from '../support/skips.ts';
import { environment, fillWorld, firstOf, openWorld, origin, patienceMs, type World } from './world.ts';

const run = promisify(execFile);

describe('a storage whose file system does not answer', function () {
  this.timeout(180_000);
  let world: World;
  const mount = (): string => join(world.store, '..');
  // Whoever writes there could not even be killed.
  const thawAtEnd = (): void => void spawnSync('fsfreeze', ['-u', mount()]);
  before(async function () {
    world = await openWorld();
    if (!world.thin) {
      await world.dispose();
      skipSuite(this, 'a file system of its own needs a loop file (Linux, root, btrfs-progs)');
    }
    await fillWorld(world);
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'mine' } }));
  });
  after(() => world.dispose());
  const freeze = async (): Promise<void> => {
    process.on('exit', thawAtEnd);
    await run('fsfreeze', ['-f', mount()]);
  };
  const thaw = async (): Promise<void> => {
    await run('fsfreeze', ['-u', mount()]);
    process.off('exit', thawAtEnd);
  };
  const becomes = async (client: Client, wanted: 'ready' | 'unusable'): Promise<string | null> => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const [host] = (await client.call('overview', {})).hosts;
      if (host?.state === wanted) return host.problem;
      assert.ok(performance.now() < deadline, `the host is ${host?.state ?? 'not told'}, not ${wanted}`);
      await sleep(50);
    }
  };
  const doctor = async (client: Client): Promise<string[]> =>
    (await client.call('hostDoctor', { params: { host: 'local' } })).items
      .filter(({ status }) => status === 'problem')
      .map(({ message, advice }) => `${message} ${advice ?? ''}`);

  it('is told by overview and doctor while the engine runs, and is forgotten when it answers', async () => {
    const client = await world.client();
    await becomes(client, 'ready');
    await freeze();
    try {
      assert.match((await becomes(client, 'unusable')) ?? '', /does not answer/);
      assert.match((await doctor(client)).join(), /does not answer.*fsfreeze -u/s);
    } finally {
      await thaw();
    }
    await becomes(client, 'ready');
    assert.deepEqual(await doctor(client), []);
    await world.done((c) => c.call('cloneReset', { params: { clone: 'mine' }, body: {} }));
    await world.checkNothingLeft();
  });

  it('lets an engine start, say so, be stopped, and go on by itself when it answers', async () => {
    await world.engine.stop();
    await freeze();
    try {
      await (await world.connect()).client.call('engineInfo', {});
      await world.engine.stop();
      const { client } = await world.connect();
      assert.match((await becomes(client, 'unusable')) ?? '', /does not answer/);
      await assert.rejects(client.call('cloneList', {}), (error) => isFailure(error, 'storage_unanswered'));
      assert.match((await doctor(client)).join(), /does not answer.*fsfreeze -u/s);
      const { epoch, seq } = await client.call('overview', {});
      const told = firstOf(client.events({ epoch, seq }));
      await thaw();
      // Whoever listens is told to read everything again.
      assert.equal(await told, 'resync');
      await becomes(client, 'ready');
    } finally {
      thawAtEnd();
    }
    assert.equal(await world.read('mine'), origin);
    await world.checkNothingLeft();
  });
});
