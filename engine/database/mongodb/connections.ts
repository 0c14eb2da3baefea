/** How many clients a server has, asked of the operating system where the server itself does not count. */
import type { Machine } from '../../machine/machine.ts';

const ESTABLISHED = '01';
/** Thousands of connections have a line of 150 bytes each. */
const MAX_BYTES = 32 * 1024 * 1024;

/** undefined: nobody can tell here. */
export async function connectionsTo(machine: Machine, port: number): Promise<number | undefined> {
  if (machine.platform !== 'linux') return undefined;
  const listing = await machine.files.read('/proc/net/tcp', { maxBytes: MAX_BYTES });
  return listing === undefined ? undefined : countEstablished(listing, port);
}

/** Of the lines of /proc/net/tcp (proc_pid_net(5)): those whose own end is this port. */
export function countEstablished(listing: string, port: number): number {
  const own = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return listing.split('\n').filter((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return local.endsWith(own) && state === ESTABLISHED;
  }).length;
}
