/** Engines with other settings than the one that made the data: VS Code passes its settings, the command line has none. */
import assert from 'node:assert/strict';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure } from '../../engine/protocol/errors.ts';
import { fillWorld, openWorld, type World } from './world.ts';

const noSettings = { THIN_CLONES_STORAGE_DRIVER: '', THIN_CLONES_STORAGE_PATH: '' };

describe('the storage that was chosen', function () {
  this.timeout(120_000);
  let world: World;
  let elsewhere: string;
  before(async () => {
    world = await openWorld();
    elsewhere = join(world.engine.home, 'elsewhere');
  });
  after(() => world.dispose());
  afterEach(() => world.engine.stop());

  const inElsewhere = () => ({ ...noSettings, THIN_CLONES_STORAGE_PATH: elsewhere });
  const pathUsed = async (variables: Readonly<Record<string, string>>) => {
    const { client } = await world.connect(variables);
    const { items } = await client.call('hostList', {});
    return items[0]?.storage?.path;
  };
  const snapshots = async (variables: Readonly<Record<string, string>>) => {
    const { client } = await world.connect(variables);
    return (await client.call('overview', {})).snapshots.map(({ name }) => name);
  };

  it('gives way to the settings while nothing is stored', async () => {
    assert.equal(await pathUsed(inElsewhere()), elsewhere);
    await world.engine.stop();
    assert.equal(await pathUsed(noSettings), world.engine.paths.pool);
    await world.engine.stop();
    assert.equal(await pathUsed({}), world.store);
  });

  it('is what an engine without settings takes, also when it does not know the data from its state', async () => {
    await fillWorld(world);
    await world.engine.stop();
    assert.deepEqual(await snapshots(noSettings), ['first']);
    assert.equal(await pathUsed(noSettings), world.store);
    await world.engine.stop();
    for (const suffix of ['', '-wal', '-shm'])
      await rm(`${world.engine.paths.state}${suffix}`, { force: true });
    assert.deepEqual(await snapshots(noSettings), ['first']);
  });

  it('is not left for another folder while there is data, and the refusal names both and the way', async () => {
    const other = join(world.engine.home, 'other');
    const { client } = await world.connect({ ...noSettings, THIN_CLONES_STORAGE_PATH: other });
    await assert.rejects(client.call('snapshotList', {}), (error: unknown) => {
      assert.ok(isFailure(error, 'storage_elsewhere'), String(error));
      const text = `${error.message} ${error.document.next}`;
      for (const part of [other, world.store, 'thinClones.storage.path', 'settings.json', 'delete'])
        assert.ok(text.includes(part), `${text} lacks ${part}`);
      return true;
    });
    await assert.rejects(stat(other), { code: 'ENOENT' });
    const { items } = await client.call('hostDoctor', { params: { host: 'local' } });
    assert.ok(!JSON.stringify(items).includes(other), 'the doctor looks where the data is');
  });

  it('may be named by another way to it', async () => {
    const around = `${join(world.store, 'data', '..')}/`;
    assert.deepEqual(await snapshots({ ...noSettings, THIN_CLONES_STORAGE_PATH: around }), ['first']);
  });

  it('is free again when the data is deleted', async () => {
    await world.done((client) => client.call('environmentDelete', { params: { environment: 'shop' } }));
    await world.engine.stop();
    assert.equal(await pathUsed(inElsewhere()), elsewhere);
  });
});
