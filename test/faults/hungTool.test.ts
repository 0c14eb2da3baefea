/** A program of the storage that never ends: jobs and clones go on beside it, and the engine can be stopped. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { poolObstacle } from '../support/pools.ts';
import { skipSuite } from '../support/skips.ts';
import { environment, fillWorld, openWorld, origin, type World } from './world.ts';

const run = promisify(execFile);

describe('a program of the storage that hangs', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;
  const flag = (): string => join(folder, 'hang');
  before(async function () {
    const obstacle = await poolObstacle('btrfs');
    if (obstacle !== undefined) skipSuite(this, obstacle);
    folder = await mkdtemp(join(tmpdir(), 'hung-tool-'));
    const { stdout } = await run('sh', ['-c', 'command -v btrfs']);
    const script = `#!/bin/sh\n[ "$2" = delete ] && [ -e "${flag()}" ] && exec sleep 1000\nexec ${stdout.trim()} "$@"\n`;
    await writeFile(join(folder, 'btrfs'), script);
    await chmod(join(folder, 'btrfs'), 0o755);
    world = await openWorld({ variables: { PATH: `${folder}:${process.env.PATH ?? ''}` } });
    await fillWorld(world);
    for (const name of ['one', 'two', 'three'])
      await world.done((c) => c.call('cloneCreate', { body: { environment, name } }));
  });
  after(async () => {
    await world.dispose();
    await rm(folder, { recursive: true });
  });
  const destroy = (clone: string) => world.done((c) => c.call('cloneDestroy', { params: { clone } }));

  it('keeps no job waiting, nor a stop of the engine, and is ended by the next one', async () => {
    await writeFile(flag(), '');
    await destroy('one');
    await destroy('two');
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'four' } }));
    await world.done((c) => c.call('cloneReset', { params: { clone: 'three' }, body: {} }));
    assert.equal(await world.read('four'), origin);
    await world.engine.stop();
    await rm(flag());
    await world.client();
    await world.checkNothingLeft();
  });
});
