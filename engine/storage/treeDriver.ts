/** What a file system must be able to do, so that a directory store can keep its datasets there. */
import type { DatasetTags, Storage, StorageOptions, Space } from './storage.ts';

/** Paths are absolute; errors are of the table. */
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
  /** Makes one of the store's own folders, data or trash, where a plain directory does not do. Idempotent. */
  makeFolder?(path: string, mode: number): Promise<void>;
  /** A new empty directory of mode 0700, owned by the server user. `tags`: for drivers that show people whose it is. */
  makeTree(path: string, signal: AbortSignal | undefined, tags?: DatasetTags): Promise<void>;
  /** A writable copy at a path that does not exist. */
  copyTree(from: string, to: string, options: StorageOptions, tags?: DatasetTags): Promise<void>;
  /** Frees a tree; nothing happens when it is gone. */
  dropTree(path: string, signal: AbortSignal | undefined): Promise<void>;
  makeReadOnly(path: string): Promise<void>;
  /** Makes a read-only tree one that can be moved again. */
  makeWritable(path: string): Promise<void>;
  usage(path: string): Promise<{ unshared: number | null; logical: number }>;
  /** Where a rename of directories does not put a tree aside, because it is a mount. */
  readonly aside?: {
    /** False when there is none. */
    put(from: string, to: string): Promise<boolean>;
    /** Names in the trash that can be freed now, in the order to do so; what others still need stays. */
    list(): Promise<readonly string[]>;
  };
  /** Shows people what a dataset has become, and is not waited for. */
  tagged?(path: string, tags: DatasetTags): void;
  /** Where a statfs(2) of the root tells another thing. */
  space?(): Promise<Space>;
  close?(): Promise<void>;
}
