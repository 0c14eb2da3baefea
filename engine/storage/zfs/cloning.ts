/** Makes datasets of others: of the snapshot of a read-only one, or of one that is written meanwhile. */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { isFailure } from '../../protocol/errors.ts';
import type { DatasetTags } from '../storage.ts';
import type { ZfsCommands } from './commands.ts';
import { holdTag, keptSnapshot } from './names.ts';
import { asOptions, propertiesOf } from './properties.ts';
import type { ZfsTrash } from './zfsTrash.ts';

const chance = (): string => randomBytes(6).toString('hex');
export const labelled = (tags: DatasetTags | undefined): string[] =>
  tags === undefined ? [] : asOptions(propertiesOf(tags));

export interface Cloning {
  /** Runs `make`, which makes the dataset; what a killed engine left in its place is put aside before. */
  readonly makeAt: (dataset: string, make: () => Promise<void>) => Promise<void>;
  readonly makeReadOnly: (dataset: string) => Promise<void>;
  readonly cloneOfReadOnly: (from: string, to: string, tags: DatasetTags | undefined) => Promise<void>;
  readonly cloneOfNow: (from: string, to: string, tags: DatasetTags | undefined) => Promise<void>;
}

export function createCloning(zfs: ZfsCommands, trash: ZfsTrash): Cloning {
  /** What stands in the way of a dataset that is being made is what a killed engine left without its mount: its tag said so. */
  const makeAt = async (dataset: string, make: () => Promise<void>): Promise<void> => {
    try {
      await make();
    } catch (error) {
      if (!isFailure(error, 'storage_exists')) throw error;
      await trash.put(dataset, `${basename(dataset)}.${chance()}`);
      await make();
    }
  };

  /** What was there already is as good. */
  const once = async (dataset: string, args: readonly string[]): Promise<void> => {
    try {
      await zfs.change(dataset, args);
    } catch (error) {
      if (!isFailure(error, 'storage_exists')) throw error;
    }
  };

  const makeReadOnly = async (dataset: string): Promise<void> => {
    const snapshot = `${dataset}@${keptSnapshot}`;
    await zfs.change(dataset, ['set', 'readonly=on', dataset]);
    await once(snapshot, ['snapshot', snapshot]);
    await once(snapshot, ['hold', holdTag, snapshot]);
  };

  const cloneOfReadOnly = async (from: string, to: string, tags: DatasetTags | undefined): Promise<void> => {
    const snapshot = `${from}@${keptSnapshot}`;
    try {
      await cloneOfSnapshot(snapshot, to, tags);
    } catch (error) {
      if (!isFailure(error, 'storage_missing')) throw error;
      // A kill came between the two steps of making it read-only.
      await makeReadOnly(from);
      await cloneOfSnapshot(snapshot, to, tags);
    }
  };

  const cloneOfSnapshot = (snapshot: string, to: string, tags: DatasetTags | undefined): Promise<void> =>
    makeAt(to, () => zfs.change(to, ['clone', ...labelled(tags), snapshot, to]));

  /** Of a dataset that may be written meanwhile: its snapshot goes with the clone that was made of it. */
  const cloneOfNow = async (from: string, to: string, tags: DatasetTags | undefined): Promise<void> => {
    const snapshot = `${from}@${basename(to)}.${chance()}`;
    await zfs.change(from, ['snapshot', snapshot]);
    try {
      await cloneOfSnapshot(snapshot, to, tags);
    } finally {
      await zfs.change(snapshot, ['destroy', '-d', snapshot]);
    }
  };

  return { makeAt, makeReadOnly, cloneOfReadOnly, cloneOfNow };
}
