/**
 * The core that all directory stores share: data/ID holds a dataset, tags/ID.json says whose it is and in which state,
 * trash/ what was given up.
 *
 * Every operation is a row of single atomic steps in an order that leaves a kill -9 between any two of them harmless:
 * the tag comes before the data and goes after it, and only the tag's rename is a commit. A tag is written through to the
 * disk except where nothing but a moment's work would be lost: see `durability`.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { mapBounded } from '../domain/mapBounded.ts';
import type { Machine } from '../machine/machine.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import { datasetIdSchema, type DatasetId, type InstallationId } from '../protocol/ids.ts';
import { POOL_FILE, PROBE_PREFIX, readPool, temporaryPattern, writePool } from './pool.ts';
import {
  datasetTagsSchema,
  type Dataset,
  type DatasetTags,
  type Storage,
  type StorageOptions,
} from './storage.ts';
import { endLeftTools, systemCode } from './tools.ts';
import { createTrash } from './trash.ts';

/** What a file system must be able to do. Paths are absolute; errors are of the table. */
export interface TreeDriver {
  readonly driver: Storage['driver'];
  readonly label: string;
  readonly capabilities: Storage['capabilities'];
  /**
   * True where an fsync costs more than a clone (8 ms on btrfs: after a snapshot it commits the whole file system) and
   * a rename over an older file starts writing the new one anyway (btrfs_rename in the kernel's fs/btrfs/inode.c).
   */
  readonly lazyTags: boolean;
  /** Once for each start of the engine, e.g. to set hints on the folder that will hold all datasets. */
  prepare?(dataFolder: string): Promise<void>;
  /** A new empty directory of mode 0700, owned by the server user. */
  makeTree(path: string, signal: AbortSignal | undefined): Promise<void>;
  /** A writable copy at a path that does not exist. */
  copyTree(from: string, to: string, options: StorageOptions): Promise<void>;
  /** Frees a tree; nothing happens when it is gone. */
  dropTree(path: string, signal: AbortSignal | undefined): Promise<void>;
  makeReadOnly(path: string): Promise<void>;
  /** Makes a read-only tree one that can be moved again. */
  makeWritable(path: string): Promise<void>;
  usage(path: string): Promise<{ unshared: number | null; logical: number }>;
}

export interface TaggedStoreOptions {
  machine: Machine;
  root: string;
  installation: InstallationId;
  driver: TreeDriver;
  now?: () => Date;
  /** How long the removal of one tree may keep others waiting. */
  patienceMs?: number;
}

/** Each is an open file for a moment. */
const TAGS_AT_ONCE = 32;

type ReadTag = { kind: 'none' } | { kind: 'foreign'; problem: string } | { kind: 'ours'; tags: DatasetTags };

/** Opens the store at `root`, making it when the folder is missing or empty. Errors: storage_foreign, storage_failed. */
export async function openTaggedStore(options: TaggedStoreOptions): Promise<Storage> {
  const { machine, root, installation, driver, now = () => new Date(), patienceMs = 10_000 } = options;
  const { files } = machine;
  const folder = { data: join(root, 'data'), tags: join(root, 'tags'), trash: join(root, 'trash') };
  const dataPath = (id: DatasetId): string => join(folder.data, id);
  const tagPath = (id: DatasetId): string => join(folder.tags, `${id}.json`);
  /**
   * What this store wrote itself a moment ago onto data that it made: nobody else writes tags of a dataset that is being
   * filled, so it need not be read again for the tag that follows.
   */
  const filling = new Map<DatasetId, DatasetTags>();

  await open();

  async function open(): Promise<void> {
    // The server user passes through, and reads nothing but its own datasets.
    const passable = machine.serverUser ? 0o711 : 0o700;
    const known = await readPool(machine, root, installation);
    if (!known) {
      if (!(await files.stat(root))) await files.makeDirectory(root, { mode: passable });
      const createdAt = now().toISOString();
      await writePool(machine, root, { format: 1, installation, createdAt, driver: driver.driver });
    } else if (known.driver !== driver.driver) {
      await writePool(machine, root, { ...known, driver: driver.driver });
    }
    await endLeftTools(machine, root);
    await files.makeDirectory(folder.tags, { mode: 0o700 });
    await files.makeDirectory(folder.trash, { mode: 0o700 });
    await files.makeDirectory(folder.data, { mode: passable });
    for (const path of [root, folder.tags]) {
      for (const { name } of await files.list(path)) {
        const left = temporaryPattern.test(name) || (path === root && name.startsWith(PROBE_PREFIX));
        if (left) await files.remove(join(path, name));
      }
    }
    await assertReachable();
    await driver.prepare?.(folder.data);
  }

  /** A database server that can't reach its data says so in a way nobody understands; say it here. */
  async function assertReachable(): Promise<void> {
    const user = machine.serverUser;
    if (!user) return;
    const reached = await machine.run({
      program: 'test',
      args: ['-x', folder.data],
      asServerUser: true,
      parse: ({ code }) => code === 0,
    });
    if (reached) return;
    throw fail('storage_failed', {
      storage: root,
      problem: `the user ${user.name}, whom database servers run as, can't reach it; give every folder above it the right to pass through (chmod o+x), or choose another folder`,
    });
  }

  /** Without its pool file the store is gone (unmounted, removed): that is no knowledge of being empty. */
  async function assertThere(): Promise<void> {
    const pool = await files.stat(join(root, POOL_FILE));
    if (pool) return;
    throw fail('storage_failed', {
      storage: root,
      problem: `its ${POOL_FILE} is gone; was the file system unmounted?`,
    });
  }

  async function readTag(id: DatasetId): Promise<ReadTag> {
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
  }

  async function ours(id: DatasetId): Promise<DatasetTags> {
    const tag = await readTag(id);
    if (tag.kind === 'ours') return tag.tags;
    await assertThere();
    if (tag.kind === 'foreign') throw fail('storage_foreign', { path: dataPath(id), problem: tag.problem });
    if (await files.stat(dataPath(id))) throw untagged(id);
    throw fail('storage_failed', { storage: root, problem: `it has no dataset ${id}` });
  }

  async function assertCloneable(id: DatasetId): Promise<void> {
    const { state } = await ours(id);
    if (state === 'ready') return;
    throw fail('storage_failed', {
      storage: root,
      problem: `the dataset ${id} is ${state}, so it can't be cloned`,
    });
  }

  function untagged(id: DatasetId): Error {
    return fail('storage_foreign', { path: dataPath(id), problem: 'it carries no tag of ours' });
  }

  /**
   * Without waiting for the disk: a clone that is `filling`, which is garbage until it is ready; and, with `lazyTags`, what
   * is on its way out and a clone at the moment that it becomes ready. A power failure in the next seconds may leave such
   * a clone `filling` or foreign; snapshots, and clones that were ready before, are always written through.
   */
  function durability(tags: DatasetTags, before: DatasetTags | undefined): 'now' | 'system' {
    const clone = tags.content.kind === 'clone';
    if (tags.state === 'filling') return clone || driver.lazyTags ? 'system' : 'now';
    if (!driver.lazyTags) return 'now';
    const young = clone && before?.state === 'filling';
    return tags.state === 'doomed' || young ? 'system' : 'now';
  }

  async function writeTag(tags: DatasetTags, before: DatasetTags | undefined): Promise<void> {
    const text = `${JSON.stringify(datasetTagsSchema.parse(tags))}\n`;
    await files.writeAtomic(tagPath(tags.dataset), text, 0o600, durability(tags, before));
  }

  function assertMatches(id: DatasetId, tags: DatasetTags): void {
    if (tags.dataset === id && tags.installation === installation) return;
    throw new Error(`tags of ${tags.dataset} (${tags.installation}) offered for ${id} (${installation})`);
  }

  /** Moves a tree out of the way in one rename; undefined when there is none. */
  async function putAside(id: DatasetId): Promise<string | undefined> {
    const from = dataPath(id);
    if (!(await files.stat(from))) return undefined;
    const to = join(folder.trash, `${id}.${randomBytes(6).toString('hex')}`);
    try {
      await files.rename(from, to);
    } catch (error) {
      // Moving a folder writes its "..", which a read-only btrfs subvolume refuses (EROFS).
      if (systemCode(error) !== 'EROFS') throw error;
      await driver.makeWritable(from);
      await files.rename(from, to);
    }
    return to;
  }

  /** Tag, tree, tag: the frame of `create` and `clone`. */
  async function make(
    id: DatasetId,
    tags: DatasetTags,
    options: StorageOptions,
    fill: () => Promise<void>,
    assertSource: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Dataset> {
    assertMatches(id, tags);
    options.signal?.throwIfAborted();
    // Looks are taken together: each takes several trips to the thread pool. That at the source, which takes the most, is
    // over before anything is copied.
    const source = assertSource();
    source.catch(() => undefined); // best effort: awaited below, unless something else is wrong
    const looks = [readTag(id), files.stat(dataPath(id)), assertThere()] as const;
    await Promise.allSettled(looks);
    const [before, occupied] = await Promise.all(looks);
    if (before.kind === 'foreign') {
      throw fail('storage_foreign', { path: dataPath(id), problem: before.problem });
    }
    if (before.kind === 'ours' && before.tags.state !== 'filling') {
      throw fail('storage_failed', {
        storage: root,
        problem: `the dataset ${id} exists already and is ${before.tags.state}`,
      });
    }
    if (before.kind === 'none' && occupied) throw untagged(id);
    const unfinished: DatasetTags = { ...tags, state: 'filling' };
    try {
      if (before.kind === 'ours') await putAside(id);
      await writeTag(unfinished, undefined);
      await source;
      await fill();
      if (tags.state === 'filling') filling.set(id, unfinished);
      else await writeTag(tags, unfinished);
    } catch (error) {
      await undo(id);
      throw error;
    }
    return { id, path: dataPath(id), tags };
  }

  /** After a failure: nothing of a half-made dataset stays, as its blocks may be what filled the disk. */
  async function undo(id: DatasetId): Promise<void> {
    try {
      const aside = await putAside(id);
      await files.remove(tagPath(id));
      if (aside !== undefined) await driver.dropTree(aside, undefined);
    } catch {
      // best effort: the first error is what people need; what is left is `filling` or in the trash, so recovery finds it.
    }
  }

  async function list(): Promise<Dataset[]> {
    await assertThere();
    const entries = await files.list(folder.tags);
    const found = await mapBounded(entries, TAGS_AT_ONCE, async ({ name }) => {
      const id = idOf(name);
      const tag = id && (await readTag(id));
      return id && tag?.kind === 'ours' ? { id, path: dataPath(id), tags: tag.tags } : undefined;
    });
    return found.filter((dataset) => dataset !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  const trash = createTrash({ machine, folder: folder.trash, driver, patienceMs });

  return {
    driver: driver.driver,
    label: driver.label,
    root,
    capabilities: driver.capabilities,
    path: dataPath,
    space: () => files.space(root),

    create: (id, tags, options = {}) =>
      make(id, tags, options, () => driver.makeTree(dataPath(id), options.signal)),

    clone(from, id, tags, options = {}) {
      return make(
        id,
        tags,
        options,
        () => driver.copyTree(dataPath(from), dataPath(id), options),
        () => assertCloneable(from),
      );
    },

    async makeReadOnly(id) {
      await ours(id);
      await driver.makeReadOnly(dataPath(id));
    },

    async tag(id, tags) {
      assertMatches(id, tags);
      const before = filling.get(id) ?? (await ours(id));
      filling.delete(id);
      if (before.state === 'doomed' && tags.state !== 'doomed') {
        throw fail('storage_failed', {
          storage: root,
          problem: `the dataset ${id} is doomed and can't become ${tags.state}`,
        });
      }
      await writeTag(tags, before);
    },

    async get(id) {
      const tag = await readTag(id);
      if (tag.kind === 'ours') return { id, path: dataPath(id), tags: tag.tags };
      await assertThere();
      return undefined;
    },

    list,

    async foreign() {
      const known = new Set<string>((await list()).map(({ id }) => id));
      const strange: string[] = [];
      for (const { name } of await files.list(root)) {
        const expected = [POOL_FILE, 'data', 'tags', 'trash', 'lost+found'];
        const passing = temporaryPattern.test(name) || name.startsWith(PROBE_PREFIX);
        if (!expected.includes(name) && !passing) strange.push(join(root, name));
      }
      for (const { name } of await files.list(folder.data)) {
        if (!known.has(name)) strange.push(join(folder.data, name));
      }
      for (const { name } of await files.list(folder.tags)) {
        const id = idOf(name);
        if (!(id && known.has(id)) && !temporaryPattern.test(name)) strange.push(join(folder.tags, name));
      }
      return strange.sort();
    },

    async destroy(id) {
      filling.delete(id);
      const tag = await readTag(id);
      if (tag.kind === 'foreign') {
        throw fail('storage_foreign', { path: dataPath(id), problem: tag.problem });
      }
      if (tag.kind === 'none') {
        await assertThere();
        if (await files.stat(dataPath(id))) throw untagged(id);
        return;
      }
      try {
        if (tag.tags.state !== 'doomed') await writeTag({ ...tag.tags, state: 'doomed' }, tag.tags);
      } catch (error) {
        // On a full disk destroying is the way out: the rename below needs no new blocks and commits as well.
        if (!isFailure(error, 'storage_full')) throw error;
      }
      await putAside(id);
      await files.remove(tagPath(id));
    },

    async emptyTrash(options = {}) {
      await assertThere();
      await trash.empty(options);
    },

    async usage(id) {
      await ours(id);
      return driver.usage(dataPath(id));
    },

    close: () => trash.close(),
  };
}

function idOf(tagFile: string): DatasetId | undefined {
  if (!tagFile.endsWith('.json')) return undefined;
  return datasetIdSchema.safeParse(tagFile.slice(0, -'.json'.length)).data;
}
