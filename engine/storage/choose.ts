/** PLACEHOLDER by the lead until the real choose.ts lands: overwrite it. */
import type { Host } from '../host/host.ts';
import type { DoctorCheck, StorageDriver } from '../protocol/entities.ts';
import type { InstallationId } from '../protocol/ids.ts';
import { createBtrfsDriver } from './btrfs/btrfsDriver.ts';
import type { Storage } from './storage.ts';
import { openTaggedStore } from './taggedStore.ts';
interface Options {
  host: Host;
  root: string;
  configured?: { driver?: StorageDriver | undefined; path?: string | undefined };
  installation: InstallationId;
  signal?: AbortSignal;
}
export async function chooseStorage({ host, root, configured, installation }: Options): Promise<Storage> {
  const where = configured?.path ?? root;
  return openTaggedStore({
    host,
    root: where,
    installation,
    driver: createBtrfsDriver({ host, root: where }),
  });
}
export async function explainStorage(_: Omit<Options, 'installation'>): Promise<readonly DoctorCheck[]> {
  return [];
}
