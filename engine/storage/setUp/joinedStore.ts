/**
 * Two stores as one: what is new goes to the first, and what lies in the former one stays there, as usable as before,
 * until it is moved. At every moment exactly one copy of a dataset counts: the former one, until that in the first is `ready`
 * and on the disk.
 */
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { Dataset, Storage, StorageOptions } from '../storage.ts';
import { runTool } from '../tools.ts';

export interface JoinedStoreOptions {
  machine: Machine;
  main: Storage;
  former: Storage;
  /** Copies the contents of a directory into an empty one, with all that belongs to its files. */
  copyInto: (from: string, to: string, options: StorageOptions) => Promise<void>;
}

/** What a move needs besides the data itself. */
const SPARE_BYTES = 64 * 2 ** 20;

export async function joinStores({ machine, main, former, copyInto }: JoinedStoreOptions): Promise<Storage> {
  const there = new Set((await former.list()).map(({ id }) => id));
  await settle(main, former, there);

  const storeOf = (id: DatasetId): Storage => (there.has(id) ? former : main);
  const toDisk = () =>
    runTool(machine, main.root, { program: 'sync', args: ['-f', main.root], parse: () => undefined });

  const move: NonNullable<Storage['former']>['move'] = async (id, base, options = {}) => {
    if (!there.has(id)) return;
    const dataset = await former.get(id);
    if (dataset?.tags.state === 'ready') {
      try {
        await fill({ machine, main, copyInto, there }, dataset, base, options);
        // Nothing of it may be younger than the tag that says so.
        await toDisk();
        options.signal?.throwIfAborted();
      } catch (error) {
        await main.destroy(id);
        throw error;
      }
      await main.tag(id, dataset.tags);
      await toDisk();
    }
    if (dataset !== undefined) await former.destroy(id);
    there.delete(id);
  };

  return {
    ...main,
    capabilities: {
      thin: main.capabilities.thin,
      // A plain copy of files shows no single moment.
      get live() {
        return main.capabilities.live && there.size === 0;
      },
    },
    path: (id) => storeOf(id).path(id),
    async clone(from, id, tags, options) {
      const store = storeOf(from);
      const made = await store.clone(from, id, tags, options);
      if (store === former) there.add(id);
      return made;
    },
    makeReadOnly: (id) => storeOf(id).makeReadOnly(id),
    tag: (id, tags) => storeOf(id).tag(id, tags),
    get: (id) => storeOf(id).get(id),
    async list() {
      const [own, others] = await Promise.all([main.list(), former.list()]);
      const all = [...own.filter(({ id }) => !there.has(id)), ...others.filter(({ id }) => there.has(id))];
      return all.sort((one, other) => (one.id < other.id ? -1 : 1));
    },
    foreign: async () => [...(await main.foreign()), ...(await former.foreign())],
    async destroy(id) {
      await storeOf(id).destroy(id);
      there.delete(id);
    },
    async emptyTrash(options) {
      await main.emptyTrash(options);
      await former.emptyTrash(options);
    },
    usage: (id) => storeOf(id).usage(id),
    async close() {
      await main.close();
      await former.close();
    },
    former: { list: () => [...there].sort(), move },
  };
}

/** Makes a copy in the main store that does not count yet: of what differs from its snapshot there, else of everything. */
async function fill(
  {
    machine,
    main,
    copyInto,
    there,
  }: Pick<JoinedStoreOptions, 'machine' | 'main' | 'copyInto'> & {
    there: ReadonlySet<DatasetId>;
  },
  dataset: Dataset,
  base: DatasetId | undefined,
  options: StorageOptions,
): Promise<void> {
  const { id, path, tags } = dataset;
  const filling = { ...tags, state: 'filling' as const };
  // By this process, which must follow nothing that another user could put in its way.
  const isBase =
    base !== undefined &&
    machine.serverUser === undefined &&
    !there.has(base) &&
    (await main.get(base))?.tags.state === 'ready';
  if (isBase) {
    await main.clone(base, id, filling, options);
    await machine.fileSystem.copyDifferences(path, main.path(id), options.signal);
  } else {
    const { occupied } = await machine.fileSystem.measure(path);
    const { freeBytes } = await main.space();
    if (freeBytes < occupied + SPARE_BYTES) throw fail('storage_full', { storage: main.root, freeBytes });
    await main.create(id, filling, options);
    await copyInto(path, main.path(id), options);
  }
  if (tags.content.kind === 'snapshot') await main.makeReadOnly(id);
}

/** After a cut: of what is in both, the copy that is `ready` in the first counts, else the former one. */
async function settle(main: Storage, former: Storage, there: Set<DatasetId>): Promise<void> {
  for (const { id, tags } of await main.list()) {
    if (!there.has(id)) continue;
    if (tags.state === 'ready') {
      await former.destroy(id);
      there.delete(id);
    } else await main.destroy(id);
  }
}
