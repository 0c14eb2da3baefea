/** A store on a dataset as the engine opens it, for tests inside the machine. */
import { execFileSync } from 'node:child_process';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import type { Machine } from '../../../engine/machine/machine.ts';
import { hostNameSchema, type DatasetId, type InstallationId } from '../../../engine/protocol/ids.ts';
import { chooseStorage } from '../../../engine/storage/choose.ts';
import type { Storage } from '../../../engine/storage/storage.ts';
import { mountParent } from '../../../engine/storage/zfs/parent.ts';
import { testHolder } from '../../contract/storage/localFixture.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../contract/storage/tags.ts';

export const command = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

export const ownMachine = async (): Promise<Machine> =>
  createLocalMachine({
    name: hostNameSchema.parse('local'),
    serverUser: await findServerUser({ environment: process.env, uid: process.getuid?.() }),
    environment: process.env,
  });

export interface OpenedStore {
  machine: Machine;
  storage: Storage;
  installation: InstallationId;
  /** A snapshot that is ready and read-only, with one file. */
  snapshot(): Promise<DatasetId>;
  clone(from: DatasetId): Promise<DatasetId>;
}

export async function openStore(dataset: string, installation = newInstallationId()): Promise<OpenedStore> {
  const machine = await ownMachine();
  const path = await mountParent(machine, dataset);
  const configured = { dataset, path };
  const storage = await chooseStorage({
    machine,
    root: '/nowhere',
    configured,
    installation,
    holder: testHolder,
  });
  return {
    ...{ machine, storage, installation },
    async snapshot() {
      const id = newDatasetId();
      const { path: tree } = await storage.create(id, tagsOf(installation, id, 'filling', 'snapshot'));
      await machine.files.writeAtomic(`${tree}/PG_VERSION`, '18\n');
      await storage.makeReadOnly(id);
      await storage.tag(id, tagsOf(installation, id, 'ready', 'snapshot'));
      return id;
    },
    async clone(from) {
      const id = newDatasetId();
      await storage.clone(from, id, tagsOf(installation, id, 'filling'));
      await storage.tag(id, tagsOf(installation, id, 'ready'));
      return id;
    },
  };
}
