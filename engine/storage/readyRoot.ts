/** Makes the root of a directory store ready at an engine's start: its pool file, its folders, and nothing that a killed engine left. */
import { join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { InstallationId } from '../protocol/ids.ts';
import type { Layout } from './layout.ts';
import { PROBE_PREFIX, readPool, temporaryPattern, writePool } from './pool.ts';
import { endLeftTools } from './tools.ts';
import type { TreeDriver } from './treeDriver.ts';

export interface RootOptions {
  machine: Machine;
  layout: Layout;
  installation: InstallationId;
  driver: Pick<TreeDriver, 'driver' | 'makeFolder'>;
  now: () => Date;
}

/** The server user passes through, and reads nothing but its own datasets. */
const passableMode = ({ serverUser }: Pick<Machine, 'serverUser'>): number => (serverUser ? 0o711 : 0o700);

/** Leaves one that is there as it is. */
export async function makeRoot(machine: Machine, root: string): Promise<void> {
  if (await machine.files.stat(root)) return;
  await machine.files.makeDirectory(root, { mode: passableMode(machine) });
}

/** Errors: storage_foreign, storage_failed. */
export async function makeRootReady(options: RootOptions): Promise<void> {
  const { machine, layout, installation, driver, now } = options;
  const kind = driver.driver;
  const { root, data, tags, trash } = layout;
  const { files } = machine;
  const passable = passableMode(machine);
  const known = await readPool(machine, root, installation);
  if (!known) {
    await makeRoot(machine, root);
    await writePool(machine, root, { format: 1, installation, createdAt: now().toISOString(), driver: kind });
  } else if (known.driver !== kind) {
    await writePool(machine, root, { ...known, driver: kind });
  }
  await endLeftTools(machine, root);
  await files.makeDirectory(tags, { mode: 0o700 });
  const makeFolder = driver.makeFolder ?? ((path, mode) => files.makeDirectory(path, { mode }));
  await makeFolder(trash, 0o700);
  await makeFolder(data, passable);
  for (const path of [root, tags]) {
    for (const { name } of await files.list(path)) {
      const left = temporaryPattern.test(name) || (path === root && name.startsWith(PROBE_PREFIX));
      if (left) await files.remove(join(path, name));
    }
  }
  await assertReachable(machine, layout);
}

/** A database server that can't reach its data says so in a way nobody understands; say it here. */
async function assertReachable(machine: Machine, { root, data }: Layout): Promise<void> {
  const user = machine.serverUser;
  if (!user) return;
  const reached = await machine.run({
    program: 'test',
    args: ['-x', data],
    asServerUser: true,
    parse: ({ code }) => code === 0,
  });
  if (reached) return;
  throw fail('storage_failed', {
    storage: root,
    problem: `the user ${user.name}, whom database servers run as, can't reach it; give every folder above it the right to pass through (chmod o+x), or choose another folder`,
  });
}
