/** What a file system must be able to do, so that a directory store can keep its datasets there. */
import type { Storage, StorageOptions } from './storage.ts';

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
