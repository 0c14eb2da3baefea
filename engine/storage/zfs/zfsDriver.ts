/**
 * Datasets as file systems of ZFS: PARENT/data/ID holds one, PARENT/trash/ID.CHANCE what was given up. A clone of a
 * read-only dataset is one `zfs clone` of its snapshot. Each command is atomic, and durable when it returns.
 */
import { basename, dirname, join } from 'node:path';
import type { Machine } from '../../machine/machine.ts';
import type { InstallationId } from '../../protocol/ids.ts';
import { isReadOnlyMount } from '../mounts.ts';
import type { TreeDriver } from '../treeDriver.ts';
import { createCloning, labelled } from './cloning.ts';
import type { ZfsCommands } from './commands.ts';
import { makeContainer, mountAll } from './containers.ts';
import { createFollowingProperties } from './followingProperties.ts';
import { asValues, propertiesOf, recommended, trashProperties } from './properties.ts';
import { numberOf, ratioOf } from './table.ts';
import { createZfsTrash } from './zfsTrash.ts';

export interface ZfsDriverOptions {
  machine: Machine;
  zfs: ZfsCommands;
  installation: InstallationId;
  /** "tank/thin", mounted at `root`. */
  parent: string;
  root: string;
}

export function createZfsDriver(options: ZfsDriverOptions): TreeDriver {
  const { machine, zfs, installation, parent, root } = options;
  const data = `${parent}/data`;
  const trash = createZfsTrash({ zfs, parent, installation });
  const following = createFollowingProperties(zfs);

  /** Of a tree below `root`/data or `root`/trash. */
  const datasetOf = (path: string): string => {
    const folder = dirname(path) === join(root, 'trash') ? 'trash' : 'data';
    return `${parent}/${folder}/${basename(path)}`;
  };

  const { makeAt, makeReadOnly, cloneOfReadOnly, cloneOfNow } = createCloning(zfs, trash);

  return {
    driver: 'zfs',
    label: 'ZFS, thin',
    capabilities: { thin: true, live: true },
    // Each command waits for a transaction group, which takes along what was written before.
    lazyTags: true,

    async makeFolder(path, mode) {
      const container = `${parent}/${basename(path)}`;
      const isTrash = basename(path) === 'trash';
      const properties = isTrash ? trashProperties : recommended;
      await makeContainer({ zfs, container, installation, properties });
      if (!isTrash && machine.isRoot) await machine.files.makeDirectory(path, { mode });
    },

    prepare: () => mountAll({ zfs, data, installation }),

    async makeTree(path, signal, tags) {
      const dataset = datasetOf(path);
      signal?.throwIfAborted();
      await makeAt(dataset, () => zfs.change(dataset, ['create', ...labelled(tags), dataset]));
      await zfs.giveAway(path);
      signal?.throwIfAborted();
    },

    async copyTree(from, to, { signal }, tags) {
      const [origin, dataset] = [datasetOf(from), datasetOf(to)];
      signal?.throwIfAborted();
      if (await isReadOnlyMount(machine, from)) await cloneOfReadOnly(origin, dataset, tags);
      else await cloneOfNow(origin, dataset, tags);
      signal?.throwIfAborted();
    },

    dropTree: (path) => trash.drop(datasetOf(path)),

    makeReadOnly: (path) => makeReadOnly(datasetOf(path)),
    async makeWritable(path) {
      const dataset = datasetOf(path);
      await zfs.change(dataset, ['set', 'readonly=off', dataset]);
    },

    aside: {
      put: async (from, to) => {
        const dataset = datasetOf(from);
        await following.settled(dataset);
        return trash.put(dataset, basename(to));
      },
      list: () => trash.list(),
    },

    tagged(path, tags) {
      const dataset = datasetOf(path);
      following.set(dataset, asValues(propertiesOf(tags)));
    },

    async usage(path) {
      const [row] = await zfs.list(datasetOf(path), ['used', 'logicalreferenced']);
      return { unshared: numberOf(row?.used ?? ''), logical: numberOf(row?.logicalreferenced ?? '') };
    },

    async space() {
      const [row] = await zfs.list(parent, ['used', 'available', 'compressratio']);
      const [used, freeBytes] = [numberOf(row?.used ?? ''), numberOf(row?.available ?? '')];
      return { totalBytes: used + freeBytes, freeBytes, compression: ratioOf(row?.compressratio ?? '') };
    },

    close: () => following.close(),
  };
}
