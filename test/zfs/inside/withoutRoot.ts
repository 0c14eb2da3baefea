/** The engine's user without root, inside the machine: what sudo is told by the doctor's lines is enough, and no more. */
import './runner.ts';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { installationIdSchema } from '../../../engine/protocol/ids.ts';
import { explainStorage } from '../../../engine/storage/choose.ts';
import { command, openStore, ownMachine } from './store.ts';

const [dataset = '', part = ''] = process.argv.slice(2);
/** Both parts are one installation's. */
const installation = installationIdSchema.parse('inst-aaaaaaaaaaaaaaaa');

describe('without root', () => {
  if (part === 'lines')
    it('the doctor tells the lines', async () => {
      const [check] = await explainStorage({
        ...{ machine: await ownMachine(), root: '/nowhere', configured: { dataset } },
      });
      const lines = (check?.advice ?? '').split('\n').filter((line) => line.includes('NOPASSWD'));
      assert.ok(lines.length > 5, JSON.stringify(check));
      assert.match(check?.message ?? '', /only root can mount/);
      await assert.rejects(openStore(dataset, installation), (error) => isFailure(error, 'storage_rights'));
      console.log(lines.map((line) => `SUDOERS ${line}`).join('\n'));
    });
  else {
    it('makes, clones and destroys datasets', async () => {
      const store = await openStore(dataset, installation);
      const { machine, storage } = store;
      const from = await store.snapshot();
      const one = await store.clone(from);
      await machine.files.writeAtomic(join(storage.path(one), 'PG_VERSION'), 'mine\n');
      const two = await store.clone(one);
      assert.equal(await machine.files.read(join(storage.path(two), 'PG_VERSION')), 'mine\n');
      for (const id of [from, one, two]) await storage.destroy(id);
      await storage.emptyTrash();
      await storage.close();
      const { storage: again } = await openStore(dataset, installation);
      assert.deepEqual([await again.list(), await again.foreign()], [[], []]);
      const left = command('/usr/sbin/zfs', 'list', '-H', '-o', 'name', '-r', dataset).split('\n');
      assert.deepEqual(left, [dataset, `${dataset}/data`, `${dataset}/trash`]);
    });

    it('may do nothing else', () => {
      const id = 'data-aaaaaaaaaaaaaaaa';
      for (const args of [
        ['destroy', dataset],
        ['destroy', '-r', `${dataset}/trash/${id}.aaaaaaaaaaaa`],
        ['destroy', `${dataset}/data/${id}`],
        ['destroy', `${dataset}/trash/${id}.aaaaaaaaaaaa`, 'tank'],
        ['create', '-o', 'mountpoint=/etc', `${dataset}/data/${id}`],
        ['create', '-o', 'thin-clones:x=1', '-o', 'setuid=on', `${dataset}/data/${id}`],
        ['create', '-o', 'thin-clones:x=1', `${dataset}/data/../${id}`],
        ['set', 'mountpoint=/etc', `${dataset}/data/${id}`],
        ['rename', `${dataset}/data/${id}`, 'tank/x'],
        ['mount', 'tank'],
        ['list'],
      ])
        assert.throws(() => command('sudo', '-n', '--', '/usr/sbin/zfs', ...args), /sudo: /, args.join(' '));
      for (const path of ['/etc/passwd', '/etc'])
        assert.throws(() => command('sudo', '-n', '--', '/usr/bin/chown', '-h', '1000:1000', path), /sudo: /);
    });
  }
});
