/**
 * The core that all directory stores share: data/ID holds a dataset, tags/ID.json says whose it is and in which state,
 * trash/ what was given up.
 *
 * Every operation is a row of single atomic steps in an order that leaves a kill -9 between any two of them harmless:
 * the tag comes before the data and goes after it, and only the tag's rename is a commit. A tag is written through to the
 * disk except where nothing but a moment's work would be lost: see `durability` in tagFiles.ts.
 */
import type { Machine } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { DatasetId, InstallationId } from '../protocol/ids.ts';
import { foreignPaths } from './foreignPaths.ts';
import { createGivingUp } from './giveUp.ts';
import { assertThere, layoutOf } from './layout.ts';
import { createMaking } from './makeDataset.ts';
import { makeRootReady } from './readyRoot.ts';
import type { Dataset, DatasetTags, Storage } from './storage.ts';
import { createTagFiles } from './tagFiles.ts';
import { createTrash } from './trash.ts';
import type { TreeDriver } from './treeDriver.ts';

export interface TaggedStoreOptions {
  machine: Machine;
  root: string;
  installation: InstallationId;
  driver: TreeDriver;
  now?: () => Date;
  /** How long the removal of one tree may keep others waiting. */
  patienceMs?: number;
}

/** Opens the store at `root`, making it when the folder is missing or empty. Errors: storage_foreign, storage_failed. */
export async function openTaggedStore(options: TaggedStoreOptions): Promise<Storage> {
  const { machine, root, installation, driver, now = () => new Date(), patienceMs = 10_000 } = options;
  const { files } = machine;
  const layout = layoutOf(root);
  const { dataPath } = layout;
  const tagFiles = createTagFiles({ files, layout, installation, lazyTags: driver.lazyTags });
  const givingUp = createGivingUp({ files, layout, tagFiles, driver });
  const making = createMaking({ files, layout, tagFiles, givingUp, driver });
  const { aside } = driver;
  const trash = createTrash({
    ...{ machine, folder: layout.trash, driver, patienceMs },
    list: aside && (() => aside.list()),
  });
  /**
   * What this store wrote itself a moment ago onto data that it made: nobody else writes tags of a dataset that is being
   * filled, so it need not be read again for the tag that follows.
   */
  const filling = new Map<DatasetId, DatasetTags>();
  const remembered = (dataset: Dataset): Dataset => {
    if (dataset.tags.state === 'filling') filling.set(dataset.id, dataset.tags);
    return dataset;
  };

  await makeRootReady({ machine, layout, installation, driver, now });
  await driver.prepare?.(layout.data);

  return {
    driver: driver.driver,
    label: driver.label,
    root,
    capabilities: driver.capabilities,
    path: dataPath,
    space: () => driver.space?.() ?? files.space(root),

    create: async (id, tags, options = {}) => remembered(await making.create(id, tags, options)),
    clone: async (from, id, tags, options = {}) => remembered(await making.clone(from, id, tags, options)),

    async makeReadOnly(id) {
      await tagFiles.ours(id);
      await driver.makeReadOnly(dataPath(id));
    },

    async tag(id, tags) {
      tagFiles.assertMatches(id, tags);
      const before = filling.get(id) ?? (await tagFiles.ours(id));
      filling.delete(id);
      if (before.state === 'doomed' && tags.state !== 'doomed') {
        throw fail('storage_failed', {
          storage: root,
          problem: `the dataset ${id} is doomed and can't become ${tags.state}`,
        });
      }
      await tagFiles.write(tags, before);
      driver.tagged?.(dataPath(id), tags);
    },

    async get(id) {
      const tag = await tagFiles.read(id);
      if (tag.kind === 'ours') return { id, path: dataPath(id), tags: tag.tags };
      await assertThere(files, layout);
      return undefined;
    },

    list: () => tagFiles.list(),
    foreign: async () => foreignPaths(files, layout, await tagFiles.list()),

    async destroy(id) {
      filling.delete(id);
      await givingUp.destroy(id);
    },

    async emptyTrash(options = {}) {
      await assertThere(files, layout);
      await trash.empty(options);
    },

    async usage(id) {
      await tagFiles.ours(id);
      return driver.usage(dataPath(id));
    },

    async close() {
      await trash.close();
      await driver.close?.();
    },
  };
}
