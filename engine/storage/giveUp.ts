/** Gives up datasets of a directory store: one rename puts a tree into the trash, and its tag goes after it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { MachineFiles } from '../machine/machine.ts';
import { isFailure } from '../protocol/errors.ts';
import type { DatasetId } from '../protocol/ids.ts';
import { assertThere, type Layout } from './layout.ts';
import { foreign, untagged, type TagFiles } from './tagFiles.ts';
import { systemCode } from './tools.ts';
import type { TreeDriver } from './treeDriver.ts';

export interface GivingUp {
  /** Moves a tree out of the way in one rename; undefined when there is none. */
  putAside(id: DatasetId): Promise<string | undefined>;
  /** Nothing happens when it is gone. Errors: storage_foreign, storage_failed. */
  destroy(id: DatasetId): Promise<void>;
  /** After a failure: nothing of a half-made dataset stays, as its blocks may be what filled the disk. Never rejects. */
  undo(id: DatasetId): Promise<void>;
}

export interface GivingUpOptions {
  files: MachineFiles;
  layout: Layout;
  tagFiles: TagFiles;
  driver: TreeDriver;
}

export function createGivingUp({ files, layout, tagFiles, driver }: GivingUpOptions): GivingUp {
  const { dataPath, trash } = layout;

  const putAside = async (id: DatasetId): Promise<string | undefined> => {
    const from = dataPath(id);
    const to = join(trash, `${id}.${randomBytes(6).toString('hex')}`);
    if (driver.aside) return (await driver.aside.put(from, to)) ? to : undefined;
    if (!(await files.stat(from))) return undefined;
    try {
      await files.rename(from, to);
    } catch (error) {
      // Moving a folder writes its "..", which a read-only btrfs subvolume refuses (EROFS).
      if (systemCode(error) !== 'EROFS') throw error;
      await driver.makeWritable(from);
      await files.rename(from, to);
    }
    return to;
  };

  return {
    putAside,
    async destroy(id) {
      const tag = await tagFiles.read(id);
      if (tag.kind === 'foreign') throw foreign(layout, id, tag.problem);
      if (tag.kind === 'none') {
        await assertThere(files, layout);
        if (await files.stat(dataPath(id))) throw untagged(layout, id);
        return;
      }
      try {
        if (tag.tags.state !== 'doomed') await tagFiles.write({ ...tag.tags, state: 'doomed' }, tag.tags);
      } catch (error) {
        // On a full disk destroying is the way out: the rename below needs no new blocks and commits as well.
        if (!isFailure(error, 'storage_full')) throw error;
      }
      await putAside(id);
      await tagFiles.remove(id);
    },
    async undo(id) {
      try {
        const aside = await putAside(id);
        await tagFiles.remove(id);
        if (aside !== undefined) await driver.dropTree(aside, undefined);
      } catch {
        // best effort: the first error is what people need; what is left is `filling` or in the trash, so recovery finds it.
      }
    },
  };
}
