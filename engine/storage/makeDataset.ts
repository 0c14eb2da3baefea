/** Makes a dataset of a directory store, empty or as a copy of another: its tag, its tree, its tag again. */
import type { MachineFiles } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { DatasetId } from '../protocol/ids.ts';
import type { GivingUp } from './giveUp.ts';
import { assertThere, type Layout } from './layout.ts';
import type { Dataset, DatasetTags, StorageOptions } from './storage.ts';
import { foreign, untagged, type ReadTag, type TagFiles } from './tagFiles.ts';
import type { TreeDriver } from './treeDriver.ts';

export interface Making {
  create(id: DatasetId, tags: DatasetTags, options: StorageOptions): Promise<Dataset>;
  clone(from: DatasetId, id: DatasetId, tags: DatasetTags, options: StorageOptions): Promise<Dataset>;
}

export interface MakingOptions {
  files: MachineFiles;
  layout: Layout;
  tagFiles: TagFiles;
  givingUp: GivingUp;
  driver: TreeDriver;
}

export function createMaking({ files, layout, tagFiles, givingUp, driver }: MakingOptions): Making {
  const { root, dataPath } = layout;

  async function assertCloneable(id: DatasetId): Promise<void> {
    const { state } = await tagFiles.ours(id);
    if (state === 'ready') return;
    throw fail('storage_failed', {
      storage: root,
      problem: `the dataset ${id} is ${state}, so it can't be cloned`,
    });
  }

  /** What an unfinished try has left may be made again; nothing else may be there. */
  function assertFree(id: DatasetId, before: ReadTag, isOccupied: boolean): void {
    if (before.kind === 'foreign') throw foreign(layout, id, before.problem);
    if (before.kind === 'ours' && before.tags.state !== 'filling') {
      throw fail('storage_failed', {
        storage: root,
        problem: `the dataset ${id} exists already and is ${before.tags.state}`,
      });
    }
    if (before.kind === 'none' && isOccupied) throw untagged(layout, id);
  }

  /** The frame of both. */
  async function make(
    id: DatasetId,
    tags: DatasetTags,
    options: StorageOptions,
    fill: () => Promise<void>,
    assertSource: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Dataset> {
    tagFiles.assertMatches(id, tags);
    options.signal?.throwIfAborted();
    // Looks are taken together: each takes several trips to the thread pool. That at the source, which takes the most, is
    // over before anything is copied.
    const source = assertSource();
    source.catch(() => undefined); // best effort: awaited below, unless something else is wrong
    const looks = [tagFiles.read(id), files.stat(dataPath(id)), assertThere(files, layout)] as const;
    await Promise.allSettled(looks);
    const [before, occupied] = await Promise.all(looks);
    assertFree(id, before, Boolean(occupied));
    const unfinished: DatasetTags = { ...tags, state: 'filling' };
    try {
      if (before.kind === 'ours') await givingUp.putAside(id);
      await tagFiles.write(unfinished, undefined);
      await source;
      await fill();
      if (tags.state !== 'filling') await tagFiles.write(tags, unfinished);
    } catch (error) {
      await givingUp.undo(id);
      throw error;
    }
    return { id, path: dataPath(id), tags };
  }

  return {
    create: (id, tags, options) =>
      make(id, tags, options, () => driver.makeTree(dataPath(id), options.signal, tags)),
    clone: (from, id, tags, options) =>
      make(
        id,
        tags,
        options,
        () => driver.copyTree(dataPath(from), dataPath(id), options, tags),
        () => assertCloneable(from),
      ),
  };
}
