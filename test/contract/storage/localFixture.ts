/** The local host as the engine makes it, for storage tests. */
import { chmod } from 'node:fs/promises';
import type { Host } from '../../../engine/host/host.ts';
import { createLocalHost } from '../../../engine/host/local/localHost.ts';
import { findServerUser } from '../../../engine/host/local/serverUser.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';

export async function testHost(): Promise<Host> {
  return createLocalHost({
    name: hostNameSchema.parse('local'),
    serverUser: await findServerUser({ environment: process.env }),
    environment: process.env,
  });
}

/** A folder of mkdtemp is 0700, and the server user must pass. */
export const passable = (folder: string): Promise<void> => chmod(folder, 0o711);
