/** Two engines whose homes name one storage: a copy of a home, as another user or another container would have it. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { environment, fillWorld, firstOf, openWorld, type World } from './world.ts';

describe('two engines on one storage', function () {
  this.timeout(120_000);
  let world: World;
  let second: TestEngine;
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    second = await makeTestEngine({
      variables: {
        THIN_CLONES_STORAGE_DRIVER: world.thin ? 'btrfs' : 'copy',
        THIN_CLONES_STORAGE_PATH: world.store,
      },
    });
    await mkdir(second.paths.engineDirectory, { mode: 0o700 });
    // As a home that was copied: it is the same installation, with its key.
    await copyFile(world.engine.paths.installation, second.paths.installation);
    await mkdir(second.paths.secrets, { mode: 0o700 });
    await copyFile(join(world.engine.paths.secrets, 'key'), join(second.paths.secrets, 'key'));
  });
  after(async () => {
    await second.dispose();
    await world.dispose();
  });
  const holderFile = (): string => join(world.store, 'thin-clones-pool.holder');
  const hostOf = async (engine: TestEngine): Promise<Host | undefined> =>
    (await (await engine.client()).call('hostList', {})).items[0];
  const names = async (engine: TestEngine): Promise<string[]> =>
    (await (await engine.client()).call('overview', {})).clones.map(({ name }) => name);
  const create = async (engine: TestEngine): Promise<unknown> =>
    (await engine.client()).call('cloneCreate', { body: { environment } });
  const inUse =
    (...words: readonly string[]) =>
    (error: unknown): boolean => {
      assert.ok(isFailure(error, 'storage_in_use'), String(error));
      const text = `${error.message} ${error.document.next}`;
      for (const word of words) assert.ok(text.includes(word), `${text} lacks ${word}`);
      return true;
    };

  it('refuses the second one, which says who the first is and how to stop it, and changes nothing', async () => {
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: 'mine' } }));
    const { pid } = (await world.connect()).info;
    const installation = (
      JSON.parse(await readFile(second.paths.installation, 'utf8')) as { installation: string }
    ).installation;
    const host = await hostOf(second);
    assert.equal(host?.state, 'unusable');
    assert.match(host.problem ?? '', /is in use/);
    const stop = `THIN_CLONES_HOME=${world.engine.home} thin-clones engine stop`;
    await assert.rejects(create(second), inUse(`engine ${pid} of `, world.engine.home, installation, stop));
    await world.checkNothingLeft();
  });

  it('lets it in by itself when the first one was killed, whatever is written of it', async () => {
    const client = await second.client();
    const { epoch, seq } = await client.call('overview', {});
    const told = firstOf(client.events({ epoch, seq }));
    await world.engine.kill();
    assert.equal(await told, 'resync');
    assert.deepEqual(await names(second), ['mine']);
    await second.stop();
    // The number of a process that runs says nothing.
    const holder = { pid: process.pid, user: 'me', home: world.engine.home, machine: 'here' };
    await writeFile(holderFile(), JSON.stringify(holder));
    assert.deepEqual(await names(second), ['mine']);
    const { pid } = (await second.connect()).info;
    await assert.rejects(create(world.engine), inUse(`engine ${pid} of `, second.home));
    await second.stop();
    await world.engine.stop();
    await world.done((client) => client.call('cloneDestroy', { params: { clone: 'mine' } }));
  });

  it('tells of another engine where nothing says which one has it', async () => {
    await world.client();
    await rm(holderFile());
    await assert.rejects(create(second), inUse('another engine'));
    await second.stop();
    await world.checkNothingLeft();
  });
});
