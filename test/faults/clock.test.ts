/** The clock of the machine is set forward and back under a real engine: every command answers, and nothing ends before its time. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, environment, fillWorld, openWorld, type World } from './world.ts';

const day = 24 * 3_600_000;
const params = { clone: 'guarded' };

describe('a clock that is set', function () {
  this.timeout(120_000);
  let world: World;
  let folder: string;
  const off = (): string => join(folder, 'off');
  const set = (ms: number): void => {
    writeFileSync(`${off()}.new`, String(ms));
    renameSync(`${off()}.new`, off());
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-clock-'));
    world = await openWorld({
      variables: {
        NODE_OPTIONS: `--import=${new URL('../support/shiftedClock.ts', import.meta.url).href}`,
        THIN_CLONES_TEST_CLOCK: off(),
      },
    });
    await fillWorld(world);
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: 'guarded' } }));
    await (await world.client()).call('cloneProtect', { params, body: { minutes: 60 } });
  });
  after(async () => {
    await world.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  /** Minutes of protection that are left by a clock that is off by so much; asked until the engine has noticed its clock. */
  const untilLeft = async (offMs: number): Promise<void> => {
    for (;;) {
      const { protectedUntil } = await world.clone('guarded');
      const left = (Date.parse(protectedUntil ?? '') - Date.now() - offMs) / 60_000;
      if (left > 50 && left < 65) return;
      await sleep(20);
    }
  };
  const destroy = async () => (await world.client()).call('cloneDestroy', { params });

  it('stops no command, whether it went forward or back', async () => {
    for (const ms of [-day, 30 * day, -30 * day]) {
      set(ms);
      const { client } = await world.connect();
      const info = await client.call('engineInfo', {});
      assert.ok(info.uptimeMs >= 0);
      await client.call('overview', {});
      await world.done((asking) => asking.call('cloneReset', { params, body: {} }));
    }
    set(0);
  });

  it('ends no protection, and moves the time that is told along', async () => {
    for (const ms of [30 * day, -30 * day, 400 * day, 0]) {
      set(ms);
      assert.equal(await codeOf(destroy()), 'clone_protected');
      await untilLeft(ms);
    }
  });

  it('ends no protection while no engine runs', async () => {
    await world.engine.kill();
    set(7 * day);
    assert.equal(await codeOf(destroy()), 'clone_protected');
    await untilLeft(7 * day);
    await world.engine.stop();
    set(0);
    await untilLeft(0);
    assert.equal(await codeOf(destroy()), 'clone_protected');
  });

  it('makes the snapshot that is taken last the one that clones are made of', async () => {
    set(-30 * day);
    await world.done((client) =>
      client.call('environmentRefresh', { params: { environment }, body: { name: 'second' } }),
    );
    const client = await world.client();
    const { items } = await client.call('snapshotList', { query: { environment } });
    const { latestSnapshot } = await client.call('environmentShow', { params: { environment } });
    assert.equal(items.find(({ id }) => id === latestSnapshot)?.name, 'second');
    set(0);
  });
});
