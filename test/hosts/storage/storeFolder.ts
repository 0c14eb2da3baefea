/** A folder for the stores of a suite: on a pool of its own, or a plain one where any file system does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context } from 'mocha';
import { passable } from '../../contract/storage/localFixture.ts';
import { makePool, poolObstacle, type PoolKind } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';

export interface StoreFolder {
  path: string;
  dispose(): Promise<void>;
}

/** Skips the suite where there can be no such pool. Other users can pass to it. */
export async function makeStoreFolder(
  suite: Context,
  kind: PoolKind | undefined,
  megabytes: number,
  options?: string,
): Promise<StoreFolder> {
  if (kind === undefined) {
    const path = await mkdtemp(join(tmpdir(), 'thin-clones-stores-'));
    await passable(path);
    return { path, dispose: () => rm(path, { recursive: true }) };
  }
  const obstacle = await poolObstacle(kind);
  if (obstacle !== undefined) skipSuite(suite, obstacle);
  const pool = await makePool(kind, megabytes, options);
  await passable(dirname(pool.path));
  return { path: pool.path, dispose: () => pool.dispose() };
}
