/** Opens the storage of an ordinary user for whom a pool file was set up, together with what still lies in the folder of before. */
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import { chooseStorage, hasDatasets, type StorageChoice } from '../choose.ts';
import { createCopyDriver } from '../copy/copyDriver.ts';
import { mountedKind, poolFileOf } from '../poolFile.ts';
import type { Storage } from '../storage.ts';
import { joinStores } from './joinedStore.ts';

/** The settings may name another place: then nothing that was set up counts. */
export const isSetUp = async (
  { files }: Pick<Machine, 'files'>,
  thinRoot: string,
  configured: StorageChoice['configured'],
): Promise<boolean> =>
  configured?.path === undefined &&
  configured?.dataset === undefined &&
  (await files.stat(poolFileOf(thinRoot))) !== undefined;

/** Errors: storage_unmounted. */
export async function assertMounted(machine: Machine, thinRoot: string): Promise<void> {
  if ((await mountedKind(machine, thinRoot)) !== undefined) return;
  throw fail('storage_unmounted', { image: poolFileOf(thinRoot), mountPoint: thinRoot });
}

export interface SetUpStorage extends Pick<StorageChoice, 'machine' | 'installation' | 'holder' | 'signal'> {
  thinRoot: string;
  /** Where datasets were kept before. */
  formerRoot: string;
}

/** Errors: storage_unmounted, and those of `chooseStorage`. */
export async function openSetUp({ thinRoot, formerRoot, ...common }: SetUpStorage): Promise<Storage> {
  const { machine } = common;
  await assertMounted(machine, thinRoot);
  const main = await chooseStorage({ ...common, root: thinRoot });
  try {
    if (!(await hasDatasets(machine, formerRoot))) return main;
    const former = await chooseStorage({ ...common, root: formerRoot });
    const copying = await createCopyDriver({ machine, root: thinRoot });
    return await joinStores({
      ...{ machine, main, former },
      copyInto: (from, to, options) => copying.copyTree(from, to, options),
    });
  } catch (error) {
    await main.close();
    throw error;
  }
}
