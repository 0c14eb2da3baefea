/** SQL in a clone may put anything in the place of the files of its data directory: no command waits for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environment, fillWorld, openWorld, type World } from './world.ts';

const strange: readonly { what: string; put: (path: string) => Promise<unknown> }[] = [
  { what: 'a pipe', put: async (path) => execFileSync('mkfifo', [path]) },
  { what: 'a folder', put: (path) => mkdir(join(path, 'inner'), { recursive: true }) },
  { what: 'a link to a device', put: (path) => symlink('/dev/zero', path) },
  {
    what: 'a huge file',
    put: async (path) => {
      await writeFile(path, '1\n');
      await truncate(path, 2 ** 40);
    },
  },
];

describe('a clone with something strange in the place of its pid file', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
  });
  after(() => world.dispose());

  for (const { what, put } of strange) {
    it(`is found running by a new engine, reset and destroyed: ${what}`, async () => {
      const name = 'strange';
      const params = { clone: name };
      await world.done((client) => client.call('cloneCreate', { body: { environment, name } }));
      const plant = async (): Promise<void> => {
        const { members } = await world.clone(name);
        const file = join(world.store, 'data', members[0]?.dataset ?? '', 'postmaster.pid');
        await rm(file, { recursive: true });
        await put(file);
      };
      await plant();
      const { pid } = (await world.connect()).info;
      process.kill(pid, 'SIGKILL');
      await world.gone(pid);
      // Another engine answers, and knows the server that runs.
      assert.equal((await world.clone(name)).state, 'ready');
      await world.done((client) => client.call('cloneReset', { params, body: {} }));
      await plant();
      await world.done((client) => client.call('cloneDestroy', { params, body: {} }));
      await world.checkNothingLeft();
    });
  }
});
