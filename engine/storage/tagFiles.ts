/** The tags of a directory store's datasets, a file each: what cannot be read as one of ours is foreign, and is never touched. */
import { mapBounded } from '../domain/mapBounded.ts';
import type { MachineFiles } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import { datasetIdSchema, type DatasetId, type InstallationId } from '../protocol/ids.ts';
import { assertThere, type Layout } from './layout.ts';
import { datasetTagsSchema, type Dataset, type DatasetTags } from './storage.ts';

/** Each is an open file for a moment. */
const TAGS_AT_ONCE = 32;

export type ReadTag =
  { kind: 'none' } | { kind: 'foreign'; problem: string } | { kind: 'ours'; tags: DatasetTags };

export interface TagFiles {
  read(id: DatasetId): Promise<ReadTag>;
  /** Errors: storage_foreign, storage_failed when there is none. */
  ours(id: DatasetId): Promise<DatasetTags>;
  /** `before`: what the file says until now, if that is one of ours. */
  write(tags: DatasetTags, before: DatasetTags | undefined): Promise<void>;
  remove(id: DatasetId): Promise<void>;
  /** Of this installation, by id. */
  list(): Promise<Dataset[]>;
  /** Throws, as it is a mistake of the caller: these tags are another dataset's, or another installation's. */
  assertMatches(id: DatasetId, tags: DatasetTags): void;
}

export interface TagFilesOptions {
  files: MachineFiles;
  layout: Layout;
  installation: InstallationId;
  /** See `TreeDriver`. */
  lazyTags: boolean;
}

export function createTagFiles({ files, layout, installation, lazyTags }: TagFilesOptions): TagFiles {
  const { root, dataPath, tagPath } = layout;

  const read = async (id: DatasetId): Promise<ReadTag> => {
    const text = await files.read(tagPath(id));
    if (text === undefined) return { kind: 'none' };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // best effort: an unreadable tag is an answer; what carries it is never touched.
      return { kind: 'foreign', problem: 'its tag is not JSON' };
    }
    const parsed = datasetTagsSchema.safeParse(value);
    if (!parsed.success) return { kind: 'foreign', problem: 'its tag is not of this version' };
    const tags = parsed.data;
    if (tags.installation !== installation) {
      return { kind: 'foreign', problem: `it belongs to the installation ${tags.installation}` };
    }
    if (tags.dataset !== id) return { kind: 'foreign', problem: `its tag is of ${tags.dataset}` };
    return { kind: 'ours', tags };
  };

  return {
    read,
    async ours(id) {
      const tag = await read(id);
      if (tag.kind === 'ours') return tag.tags;
      await assertThere(files, layout);
      if (tag.kind === 'foreign') throw foreign(layout, id, tag.problem);
      if (await files.stat(dataPath(id))) throw untagged(layout, id);
      throw fail('storage_failed', { storage: root, problem: `it has no dataset ${id}` });
    },
    async write(tags, before) {
      const text = `${JSON.stringify(datasetTagsSchema.parse(tags))}\n`;
      await files.writeAtomic(tagPath(tags.dataset), text, 0o600, durability(tags, before, lazyTags));
    },
    remove: (id) => files.remove(tagPath(id)),
    async list() {
      await assertThere(files, layout);
      const entries = await files.list(layout.tags);
      const found = await mapBounded(entries, TAGS_AT_ONCE, async ({ name }) => {
        const id = idOf(name);
        const tag = id && (await read(id));
        return id && tag?.kind === 'ours' ? { id, path: dataPath(id), tags: tag.tags } : undefined;
      });
      return found.filter((dataset) => dataset !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    assertMatches(id, tags) {
      if (tags.dataset === id && tags.installation === installation) return;
      throw new Error(`tags of ${tags.dataset} (${tags.installation}) offered for ${id} (${installation})`);
    },
  };
}

/**
 * Without waiting for the disk: a clone that is `filling`, which is garbage until it is ready; and, with `lazyTags`, what
 * is on its way out and a clone at the moment that it becomes ready. A power failure in the next seconds may leave such
 * a clone `filling` or foreign; snapshots, and clones that were ready before, are always written through.
 */
function durability(tags: DatasetTags, before: DatasetTags | undefined, lazyTags: boolean): 'now' | 'system' {
  const clone = tags.content.kind === 'clone';
  if (tags.state === 'filling') return clone || lazyTags ? 'system' : 'now';
  if (!lazyTags) return 'now';
  const young = clone && before?.state === 'filling';
  return tags.state === 'doomed' || young ? 'system' : 'now';
}

export function foreign({ dataPath }: Layout, id: DatasetId, problem: string): Error {
  return fail('storage_foreign', { path: dataPath(id), problem });
}

export function untagged(layout: Layout, id: DatasetId): Error {
  return foreign(layout, id, 'it carries no tag of ours');
}

/** Of a tag's file name. */
export function idOf(tagFile: string): DatasetId | undefined {
  if (!tagFile.endsWith('.json')) return undefined;
  return datasetIdSchema.safeParse(tagFile.slice(0, -'.json'.length)).data;
}
