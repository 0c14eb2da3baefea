/** Where things stand below the root of a directory store. */
import { join } from 'node:path';
import type { MachineFiles } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { DatasetId } from '../protocol/ids.ts';
import { POOL_FILE } from './pool.ts';

export interface Layout {
  readonly root: string;
  /** A tree for each dataset. */
  readonly data: string;
  /** A file for each dataset: whose it is, and in which state. */
  readonly tags: string;
  /** Trees that were given up. */
  readonly trash: string;
  readonly dataPath: (id: DatasetId) => string;
  readonly tagPath: (id: DatasetId) => string;
}

export function layoutOf(root: string): Layout {
  const folder = { data: join(root, 'data'), tags: join(root, 'tags'), trash: join(root, 'trash') };
  return {
    root,
    ...folder,
    dataPath: (id) => join(folder.data, id),
    tagPath: (id) => join(folder.tags, `${id}.json`),
  };
}

/** Without its pool file the store is gone (unmounted, removed): that is no knowledge of being empty. */
export async function assertThere(files: MachineFiles, { root }: Layout): Promise<void> {
  const pool = await files.stat(join(root, POOL_FILE));
  if (pool) return;
  throw fail('storage_failed', {
    storage: root,
    problem: `its ${POOL_FILE} is gone; was the file system unmounted?`,
  });
}
