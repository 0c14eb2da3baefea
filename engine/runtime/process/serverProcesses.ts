/** Finds the processes of one database server by the title that it gives them, or by their parent. */
import type { Machine, ProcessIdentity } from '../../machine/machine.ts';
import type { ServerTraits } from '../runtime.ts';

export async function findServerProcesses(
  machine: Machine,
  traits: ServerTraits,
  identity: string,
  parentPid: number | undefined,
): Promise<readonly ProcessIdentity[]> {
  const listing = await machine.run({
    program: 'ps',
    args: ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'args='],
    parse: (result) => result.stdout,
  });
  const found: ProcessIdentity[] = [];
  for (const pid of parseProcessList(listing, traits, identity, parentPid)) {
    const process = await machine.processes.identify(pid);
    if (process !== undefined) found.push(process);
  }
  return found;
}

/** The pids in a `ps -o pid= -o ppid= -o args=` listing that belong to the server. */
export function parseProcessList(
  listing: string,
  traits: Pick<ServerTraits, 'isProcessTitle'>,
  identity: string,
  parentPid: number | undefined,
): readonly number[] {
  const pids: number[] = [];
  for (const line of listing.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, pid, parent, title] = match;
    const titled = title !== undefined && traits.isProcessTitle(title, identity);
    if (titled || (parentPid !== undefined && Number(parent) === parentPid)) pids.push(Number(pid));
  }
  return pids;
}
