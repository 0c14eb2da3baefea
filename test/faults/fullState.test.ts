/** The disk of the state gets full: it is told as that, nothing is half-done, and destroying is the way out, also for a new engine. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Connection } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { makePool, poolObstacle, type TestPool } from '../support/pools.ts';
import { skipSuite } from '../support/skips.ts';
import { fillDisk } from './fillDisk.ts';
import { codeOf, environment, fillWorld, openWorld, origin, type World } from './world.ts';

const run = promisify(execFile);

describe('a full disk of the state', function () {
  this.timeout(180_000);
  let pool: TestPool;
  let world: World;
  let mine: Connection;
  const params = { clone: 'subject' };

  before(async function () {
    const obstacle = await poolObstacle('ext4');
    if (obstacle !== undefined) skipSuite(this, obstacle);
    pool = await makePool('ext4', 48);
    world = await openWorld();
    const { engineDirectory } = world.engine.paths;
    await mkdir(engineDirectory, { recursive: true, mode: 0o700 });
    await run('mount', ['--bind', pool.path, engineDirectory]);
    await fillWorld(world);
    for (const name of ['subject', 'one', 'two'])
      await world.done((c) => c.call('cloneCreate', { body: { environment, name } }));
    await world.write('subject', 'mine');
    mine = await world.connection('subject');
  });
  after(async () => {
    // As an ordinary end: a file of a killed engine may be open a moment longer, and with it the disk.
    await world.engine.stop();
    try {
      await world.dispose();
    } finally {
      await pool.dispose();
    }
  });
  const filler = (): string => join(pool.path, 'filler');
  const refused = async (): Promise<void> => {
    const { client } = await world.connect();
    for (const request of [
      () => client.call('cloneCreate', { body: { environment, name: 'more' } }),
      () => client.call('cloneReset', { params, body: {} }),
      () => client.call('cloneCommit', { params, body: { message: 'x' } }),
      () => client.call('cloneProtect', { params, body: { minutes: 5 } }),
    ])
      assert.equal(await codeOf(request()), 'state_full');
    assert.equal(await world.readAt(mine), 'mine');
  };
  const names = async (): Promise<string[]> => {
    const { client } = await world.connect();
    return (await client.call('overview', {})).clones.map(({ name }) => name as string).sort();
  };

  it('refuses what is new as that, and lets clones be destroyed', async () => {
    await fillDisk(filler());
    await refused();
    await world.done((c) => c.call('cloneDestroy', { params: { clone: 'one' } }));
    await refused();
    assert.deepEqual(await names(), ['subject', 'two']);
  });

  it('is no obstacle for a new engine after a kill, which lets clones be destroyed as well', async () => {
    await world.engine.kill();
    await refused();
    assert.deepEqual(await names(), ['subject', 'two']);
    await world.done((c) => c.call('cloneDestroy', { params: { clone: 'two' } }));
    assert.deepEqual(await names(), ['subject']);
  });

  /** As another program may: also what the engine had kept for this is used up. */
  const fillAgain = async (): Promise<void> => {
    await world.engine.stop();
    await rm(filler(), { force: true });
    await rm(join(pool.path, 'reserve'), { force: true });
    await mkdir(world.engine.paths.code, { recursive: true });
    await writeFile(join(world.engine.paths.code, 'compiled'), randomBytes(600_000));
    await fillDisk(filler());
  };

  it('is no obstacle either when what was kept is gone and compiled code can make room', async () => {
    await rm(filler());
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'two' } }));
    await fillAgain();
    await refused();
    await world.done((c) => c.call('cloneDestroy', { params: { clone: 'two' } }));
    assert.deepEqual(await names(), ['subject']);
  });

  it('is told with what to do when not even that is there, and clones go on', async () => {
    await fillAgain();
    await rm(world.engine.paths.code, { recursive: true });
    await fillDisk(join(pool.path, 'more'));
    await assert.rejects(world.connect(), (error: unknown) => {
      assert.ok(isFailure(error, 'engine_start_failed'));
      assert.match(error.message, /the disk of .* is full, .*: make 5 MB of room on it, clones go on/);
      return true;
    });
    assert.equal(await world.readAt(mine), 'mine');
    await rm(join(pool.path, 'more'));
  });

  it('lets everything go on when there is room again', async () => {
    await rm(filler());
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'more' } }));
    assert.equal(await world.read('more'), origin);
    await world.checkNothingLeft();
  });
});
