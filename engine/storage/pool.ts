/** The pool file: says which installation owns a storage folder, so that nothing of anybody else is ever changed. */
import { join } from 'node:path';
import * as z from 'zod';
import type { Machine } from '../machine/machine.ts';
import { storageDriverSchema } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { mountsIn } from './mounts.ts';
import { installationIdSchema, type InstallationId } from '../protocol/ids.ts';

export const POOL_FILE = 'thin-clones-pool.json';

/** Held by the engine that works on the storage. */
export const POOL_LOCK = 'thin-clones-pool.lock';
/** Says who that is, for people. */
export const POOL_HOLDER = 'thin-clones-pool.holder';

/** Folders in which file systems are tried. */
export const PROBE_PREFIX = '.thin-clones-probe-';

/** Temporary files that a killed `writeAtomic` leaves. */
export const temporaryPattern = /^\..+\.[0-9]+-[0-9]+\.tmp$/;

/** Names that an otherwise empty folder may hold: what mkfs makes, and what a killed engine of ours left before the pool file. */
const harmless = (name: string): boolean =>
  ['lost+found', POOL_LOCK, POOL_HOLDER].includes(name) ||
  name.startsWith(PROBE_PREFIX) ||
  temporaryPattern.test(name);

export const poolSchema = z.object({
  format: z.literal(1),
  installation: installationIdSchema,
  createdAt: z.iso.datetime(),
  /** The driver that the datasets here were made by. */
  driver: storageDriverSchema,
});
export type Pool = z.infer<typeof poolSchema>;

/** undefined when the folder is missing or empty; rejects with `storage_foreign` when it is anybody else's. */
export async function readPool(
  machine: Machine,
  root: string,
  installation: InstallationId,
): Promise<Pool | undefined> {
  const text = await machine.files.read(join(root, POOL_FILE));
  if (text === undefined) {
    const found = await machine.files.stat(root);
    if (!found) return undefined;
    if (found.kind === 'file') throw fail('storage_foreign', { path: root, problem: 'it is a file' });
    const strange = (await machine.files.list(root))
      .map(({ name }) => name)
      .filter((name) => !harmless(name));
    if (strange.length === 0) return undefined;
    // What others have mounted below, such as datasets beside ours, is no file in it.
    const mounts = await mountsIn(machine, root);
    const others = strange.filter((name) => !mounts.has(join(root, name)));
    if (others.length === 0) return undefined;
    throw fail('storage_foreign', {
      path: root,
      problem: `it has files already (${others.sort().slice(0, 3).join(', ')}) and no ${POOL_FILE}`,
    });
  }
  const pool = parsePool(text);
  if (!pool) throw fail('storage_foreign', { path: root, problem: `its ${POOL_FILE} can't be read` });
  if (pool.installation !== installation) {
    throw fail('storage_foreign', {
      path: root,
      problem: `it belongs to the installation ${pool.installation}, this one is ${installation}`,
    });
  }
  return pool;
}

export async function writePool(machine: Machine, root: string, pool: Pool): Promise<void> {
  await machine.files.writeAtomic(join(root, POOL_FILE), `${JSON.stringify(pool, null, 2)}\n`);
}

function parsePool(text: string): Pool | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // best effort: an unreadable file is an answer; the caller refuses the folder and changes nothing.
    return undefined;
  }
  return poolSchema.safeParse(value).data;
}
