/** The port to a copy-on-write (or copying) store of datasets, each tagged as ours on the data itself. */
import * as z from 'zod';
import {
  cloneSchema,
  environmentDefinitionSchema,
  snapshotSchema,
  type StorageDriver,
} from '../protocol/entities.ts';
import {
  datasetIdSchema,
  environmentNameSchema,
  installationIdSchema,
  jobIdSchema,
  memberNameSchema,
  type DatasetId,
} from '../protocol/ids.ts';

/**
 * What stands on the data, so that the state database can be lost: whose it is, what it holds, and the whole
 * entity as it was when last tagged. `filling`: not usable yet (garbage unless a journalled job owns it);
 * `ready`: the commit point was passed; `doomed`: given up, to be destroyed.
 */
export const datasetTagsSchema = z.object({
  format: z.literal(1),
  installation: installationIdSchema,
  dataset: datasetIdSchema,
  state: z.enum(['filling', 'ready', 'doomed']),
  member: memberNameSchema,
  /** While `filling`: the job whose processes may be at work on it, by their mark. */
  job: jobIdSchema.optional(),
  environment: z.object({
    name: environmentNameSchema,
    definition: environmentDefinitionSchema,
    createdAt: z.iso.datetime(),
  }),
  content: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('snapshot'), snapshot: snapshotSchema }),
    /** `generation` rises with each reset; of two ready ones the higher counts. */
    z.object({
      kind: z.literal('clone'),
      clone: cloneSchema,
      generation: z.number().int().nonnegative(),
      /** The clone's password, encrypted with the installation's key. */
      sealedPassword: z.string(),
    }),
  ]),
});
export type DatasetTags = z.infer<typeof datasetTagsSchema>;

export interface Dataset {
  id: DatasetId;
  /** Directory with the member's data, and nothing else. */
  path: string;
  tags: DatasetTags;
}

export interface StorageCapabilities {
  /** Clones share unchanged blocks with their snapshot. */
  thin: boolean;
  /** A clone shows one moment, so a dataset may be cloned while a server writes to it. */
  live: boolean;
}

export interface StorageOptions {
  signal?: AbortSignal | undefined;
  /** 0 to 1, for stores that copy. */
  onProgress?: (fraction: number) => void;
}

export interface Space {
  totalBytes: number;
  freeBytes: number;
  /** How many times smaller the data lies there than it is; undefined where the store does not know that. */
  compression?: number | undefined;
}

export interface Storage {
  readonly driver: StorageDriver;
  /** For people: "btrfs, thin", "XFS reflink, thin", "full copy". */
  readonly label: string;
  /** The folder that holds everything of this store. */
  readonly root: string;
  readonly capabilities: StorageCapabilities;
  /** Where a dataset's data lies, or would lie. */
  path(id: DatasetId): string;
  space(): Promise<Space>;
  /** A new, empty, writable dataset owned by the server user. Idempotent for the same id while `filling`. */
  create(id: DatasetId, tags: DatasetTags, options?: StorageOptions): Promise<Dataset>;
  /** A writable copy of a dataset. Idempotent: a half-made copy of the same id is thrown away and made again. */
  clone(from: DatasetId, id: DatasetId, tags: DatasetTags, options?: StorageOptions): Promise<Dataset>;
  /** Makes a dataset read-only where the store can. Idempotent. */
  makeReadOnly(id: DatasetId): Promise<void>;
  /** Replaces the tags in one atomic step. */
  tag(id: DatasetId, tags: DatasetTags): Promise<void>;
  get(id: DatasetId): Promise<Dataset | undefined>;
  /** Every dataset that carries our tag; others, and unreadable tags, are never listed (but see `foreign`). */
  list(): Promise<readonly Dataset[]>;
  /** What lies in the store without a readable tag of ours: reported, never touched. */
  foreign(): Promise<readonly string[]>;
  /**
   * Destroys a dataset of ours: gone from `list` in milliseconds, its blocks freed by `emptyTrash`. Nothing happens
   * when it is gone already; rejects with `storage_foreign` for anything without our tag.
   */
  destroy(id: DatasetId): Promise<void>;
  /** Frees what `destroy` put aside; safe to repeat after a crash. */
  emptyTrash(options?: StorageOptions): Promise<void>;
  /** Bytes of one dataset; `unshared` null where the store can't tell cheaply. */
  usage(id: DatasetId): Promise<{ unshared: number | null; logical: number }>;
  /** Where another store came to be in use: what still lies in the one before. */
  readonly former?: FormerStore;
  /** Lets go of locks and handles; data stay. */
  close(): Promise<void>;
}

export interface FormerStore {
  list(): readonly DatasetId[];
  /**
   * Moves a dataset, on which nothing may run. Idempotent; what is cut off or fails leaves it where it was. `base`: a dataset
   * that it was cloned from, with which it shares what is the same.
   */
  move(id: DatasetId, base: DatasetId | undefined, options?: StorageOptions): Promise<void>;
}
