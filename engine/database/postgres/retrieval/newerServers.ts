/** Looks for a newer PostgreSQL on this machine that has extensions which the one of the source's version lacks. */
import path from 'node:path';
import type { Machine } from '../../../machine/machine.ts';
import type { ServerPrograms } from '../programs/locate.ts';
import { unfitExtensions } from '../programs/processor.ts';
import { NEWEST_MAJOR, type FindPrograms } from '../programs.ts';

/** Of all versions above this one those that are here, the next one first. */
export async function newerServers(find: FindPrograms, major: number): Promise<readonly ServerPrograms[]> {
  const found: ServerPrograms[] = [];
  for (let candidate = major + 1; candidate <= NEWEST_MAJOR; candidate += 1) {
    const { server } = await find(candidate);
    if (server.ok && server.programs.major === candidate) found.push(server.programs);
  }
  return found;
}

/** The major version of the first one that has them all, and whose processor can run them. */
export async function majorWith(
  machine: Machine,
  servers: readonly ServerPrograms[],
  names: readonly string[],
): Promise<number | undefined> {
  for (const server of servers) {
    const unfit = await unfitExtensions(machine, server);
    const lacks = names.some((name) => unfit.has(name)) || !(await hasAll(machine, server, names));
    if (!lacks) return server.major;
  }
  return undefined;
}

async function hasAll(machine: Machine, server: ServerPrograms, names: readonly string[]): Promise<boolean> {
  const root = path.dirname(path.dirname(server.postgres));
  const shares = [
    ...['share', 'share/postgresql'].map((folder) => path.join(root, folder)),
    // Debian keeps it apart from the programs.
    `/usr/share/postgresql/${server.major}`,
  ];
  for (const name of names) {
    if (!/^[\w-]+$/.test(name)) return false;
    const files = await Promise.all(
      shares.map((share) => machine.files.stat(path.join(share, 'extension', `${name}.control`))),
    );
    if (files.every((file) => file === undefined)) return false;
  }
  return true;
}
