/** Stores on ZFS for the storage contract: each on a dataset of its own below one that is given, which is mounted. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createZfsCommands } from '../../../engine/storage/zfs/commands.ts';
import { createZfsDriver } from '../../../engine/storage/zfs/zfsDriver.ts';
import { openTaggedStore } from '../../../engine/storage/taggedStore.ts';
import { testHost } from './localFixture.ts';
import type { StorageFixture } from './storage.contract.ts';

const run = promisify(execFile);
const zfs = async (...args: string[]): Promise<string> => (await run('/usr/sbin/zfs', args)).stdout;

export async function zfsFixture(parent: string): Promise<StorageFixture> {
  const machine = await testHost();
  const folder = (await zfs('get', '-H', '-o', 'value', 'mountpoint', parent)).trim();
  const datasetOf = (root: string): string => `${parent}/${root.slice(folder.length + 1)}`;
  const isThere = async (dataset: string): Promise<boolean> =>
    (await zfs('list', '-H', '-o', 'name', '-r', parent)).split('\n').includes(dataset);
  return {
    ...{ machine, folder },
    async open(root, installation, by) {
      const dataset = datasetOf(root);
      if (!(await isThere(dataset))) await zfs('create', dataset);
      const commands = await createZfsCommands({ machine: by, root });
      return openTaggedStore({
        ...{ machine: by, root, installation },
        driver: createZfsDriver({ machine: by, zfs: commands, installation, parent: dataset, root }),
      });
    },
    async remove(root) {
      const dataset = datasetOf(root);
      const snapshots = await zfs('list', '-H', '-o', 'name,userrefs', '-t', 'snapshot', '-r', dataset);
      for (const line of snapshots.split('\n')) {
        const [name = '', holds = '0'] = line.split('\t');
        if (Number(holds) > 0) await zfs('release', 'thin-clones', name);
      }
      await zfs('destroy', '-R', dataset);
    },
    async trash(root) {
      const names = await zfs(
        'list',
        '-H',
        '-o',
        'name',
        '-t',
        'filesystem',
        '-r',
        `${datasetOf(root)}/trash`,
      );
      const clones = await zfs(
        'list',
        '-H',
        '-o',
        'clones',
        '-t',
        'snapshot',
        '-r',
        `${datasetOf(root)}/trash`,
      );
      // What others stand on is no longer to be freed by us, but by their end.
      const needed = clones.split('\n').filter((each) => each !== '-' && each !== '').length;
      return names
        .split('\n')
        .filter((name) => name !== '')
        .slice(1 + needed);
    },
    // What was written counts with the next transaction group.
    async settled() {
      await run('/usr/sbin/zpool', ['sync', parent.split('/')[0] ?? '']);
    },
    expected: { driver: 'zfs', thin: true, live: true, sealed: true },
    dispose: async () => undefined,
  };
}
