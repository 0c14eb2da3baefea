import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Host, Job } from '../../engine/protocol/entities.ts';
import { startZfsMachine, type ZfsMachine } from '../hosts/machines/zfs/machine.ts';
import { noZfsMachine, prepareZfsMachine } from '../hosts/machines/zfs/prepare.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { unlessLong } from '../support/long.ts';
import { shareArchives } from '../support/sharedArchives.ts';
import { skipSuite } from '../support/skips.ts';
import { ask, loginOf, succeeded, until } from '../support/workOfClient.ts';
import { bringNode, passesInside } from './insideMachine.ts';

const inside = (name: string): string => join(import.meta.dirname, 'inside', `${name}.ts`);
const minutes = (count: number): number => count * 60_000;
/** Of the storage contract. */
const kills = ['makes a store', 'creates', 'clones', 'tags', 'destroys', 'empties the trash'];
const dump = "CREATE TABLE mark (v text); INSERT INTO mark VALUES ('origin');";

describe('a machine with real ZFS', function () {
  // Emulated: nothing here is judged by time.
  this.timeout(minutes(60));
  let machine: ZfsMachine;
  let folder: string;

  before(async function () {
    const reason = await noZfsMachine();
    if (reason !== undefined) skipSuite(this, reason);
    const image = await prepareZfsMachine().catch((error: unknown) =>
      skipSuite(this, error instanceof Error ? error.message : String(error)),
    );
    folder = await mkdtemp(join(tmpdir(), 'tc-zfs-test-'));
    machine = await startZfsMachine(image);
    await machine.sh('zpool create -O mountpoint=/tank tank /dev/vdb1');
  });
  after(async () => {
    await (machine as ZfsMachine | undefined)?.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe('has the engine brought to it by ssh, and', () => {
    let near: TestEngine | undefined;
    let client: Client;
    let login: Connection;

    before(async () => {
      await machine.sh(
        `zfs create tank/thin
zfs create tank/thin/of-others
echo precious > /tank/thin/of-others/file
mkdir -p /var/lib/thin-clones
echo '{ "storage": { "dataset": "tank/thin" } }' > /var/lib/thin-clones/settings.json
echo "${dump}" > /root/shop.sql`,
      );
      near = await makeTestEngine({
        variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH_CONFIG: machine.configFile },
      });
      await shareArchives(near.home);
      client = await near.client();
    });
    after(() => near?.dispose());

    const host = (): Promise<Host> => client.call('hostShow', { params: { host: 'box' } });
    const done = (request: Promise<{ job: Job }>): Promise<Job> => succeeded(client, request, 200);
    const asked = (sql: string): Promise<string | undefined> => ask(login, sql);
    const datasets = async (): Promise<string[]> =>
      (await machine.sh('zfs list -H -o name -t filesystem -r tank/thin')).trim().split('\n');

    it('is joined with its dataset', async () => {
      const added = await client.call('hostAdd', { body: { name: 'box', address: 'ssh://root@big' } });
      assert.deepEqual([added.state, added.problem], ['ready', null]);
      assert.equal(added.storage?.label, 'ZFS, thin');
      assert.equal(added.storage.path, '/tank/thin');
    });

    it('makes an environment of a dump, and a clone that is broken and reset', async () => {
      const definition = {
        host: 'box',
        members: {
          db: { engine: 'postgres', retrieval: 'dump', dump: '/root/shop.sql', database: 'shop' },
        },
      } as const;
      await client.call('environmentApply', { params: { name: 'shop' }, body: { definition } });
      await done(client.call('environmentRefresh', { params: { environment: 'box/shop' } }));
      await done(client.call('cloneCreate', { body: { environment: 'box/shop', name: 'mine' } }));
      login = await loginOf(client, 'box/mine');
      assert.equal(await asked('SELECT v FROM mark'), 'origin');
      await asked("UPDATE mark SET v = 'broken'");
      await done(client.call('cloneReset', { params: { clone: 'box/mine' } }));
      assert.equal(await asked('SELECT v FROM mark'), 'origin');
      await asked("UPDATE mark SET v = 'kept'");
      assert.match(
        await machine.sh('zfs get -r -H -o value thin-clones:environment tank/thin/data'),
        /^shop$/m,
      );
    });

    it('is found again after a reboot, with its clone and what was written there', async () => {
      const before = (await datasets()).filter((name) => name.startsWith('tank/thin/data/'));
      await machine.reboot();
      await until(async () => (await host()).state === 'ready');
      await until(async () => {
        const shown = await client.call('cloneShow', { params: { clone: 'box/mine' } });
        return shown.state === 'ready';
      });
      login = await loginOf(client, 'box/mine');
      assert.equal(await asked('SELECT v FROM mark'), 'kept');
      assert.deepEqual(
        (await datasets()).filter((name) => name.startsWith('tank/thin/data/')),
        before,
      );
    });

    it('is found again from what its datasets say when the state of its engine is lost', async () => {
      const { id, name } = await client.call('cloneShow', { params: { clone: 'box/mine' } });
      const engine = '/var/lib/thin-clones/engine';
      // Whoever starts the next engine comes after the state is gone.
      await machine.sh(
        `pid=$(grep -o '"pid": *[0-9]*' ${engine}/engine.json | grep -o '[0-9]*$')
rm ${engine}/state.db*
kill -9 "$pid"`,
      );
      await until(async () => {
        const { clones } = await client.call('overview', {});
        return clones.some((clone) => clone.id === id && clone.name === name && clone.state === 'ready');
      }, 200);
      assert.equal((await client.call('overview', {})).snapshots.length, 1);
      assert.equal(await ask(await loginOf(client, 'box/mine'), 'SELECT v FROM mark'), 'kept');
    });

    it('leaves nothing but what others have when all is destroyed', async () => {
      await done(client.call('cloneDestroy', { params: { clone: 'box/mine' } }));
      const { snapshots } = await client.call('overview', {});
      for (const { id } of snapshots) await done(client.call('snapshotDelete', { params: { snapshot: id } }));
      await until(async () => (await datasets()).length === 4);
      assert.deepEqual(await datasets(), [
        'tank/thin',
        'tank/thin/data',
        'tank/thin/of-others',
        'tank/thin/trash',
      ]);
      assert.equal(await machine.sh('cat /tank/thin/of-others/file'), 'precious\n');
    });
  });

  describe('with stores of their own', () => {
    before(async () => {
      await bringNode(machine);
      await machine.sh('zfs create tank/contract; zfs create tank/ann; chown ann: /tank/ann');
    });

    it('tells each refusal as its own error, and touches nothing of others', () =>
      passesInside(machine, inside('faults')));

    it('lets the engine of an ordinary user work by the lines that the doctor tells for sudo, and no more', async () => {
      const of = (part: string): Promise<string> =>
        passesInside(machine, inside('withoutRoot'), { user: 'ann', args: ['tank/ann', part] });
      const lines = (await of('lines'))
        .split('\n')
        .flatMap((line) => /SUDOERS (.*)$/.exec(line)?.[1] ?? [])
        .join('\n');
      const file = join(folder, 'sudoers');
      await writeFile(file, `${lines}\n`);
      await machine.put(file, '/root/sudoers');
      await machine.sh(
        'visudo -c -f /root/sudoers; install -m 0440 /root/sudoers /etc/sudoers.d/thin-clones',
      );
      await of('work');
    });

    it('passes the storage contract', async () => {
      // Kills at every step take long: those of what people do most.
      const taken = unlessLong(
        kills,
        (kill) => ['clones', 'destroys'].includes(kill),
        'on ZFS, killed while it ',
      );
      const left = kills.filter((kill) => !taken.includes(kill));
      await passesInside(machine, inside('contract'), {
        args: ['tank/contract'],
        ...(left.length > 0 && { except: `while it (${left.join('|')})` }),
      });
    });
  });
});
