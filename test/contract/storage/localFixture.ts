/** The local host as the engine makes it, for storage tests. */
import { chmod } from 'node:fs/promises';
import type { Machine } from '../../../engine/machine/machine.ts';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';

export async function testHost(): Promise<Machine> {
  return createLocalMachine({
    name: hostNameSchema.parse('local'),
    serverUser: await findServerUser({ environment: process.env }),
    environment: process.env,
  });
}

/** A folder of mkdtemp is 0700, and the server user must pass. */
export const passable = (folder: string): Promise<void> => chmod(folder, 0o711);

/** The engine that works on the storage: these tests. */
export const testHolder = { pid: process.pid, user: 'tester', home: '/of/tests', machine: 'here' };
