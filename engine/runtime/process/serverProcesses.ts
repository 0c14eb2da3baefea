/** Finds the processes of one PostgreSQL server by the title that PostgreSQL gives them, or by their parent. */
import type { Host, ProcessIdentity } from '../../host/host.ts';

/**
 * Children of a postmaster write over their environment, so marks there are lost; but their title is
 * `postgres: CLUSTER_NAME: ...` (src/backend/utils/misc/ps_status.c), also after the postmaster is gone.
 */
export async function findServerProcesses(
  host: Host,
  identity: string,
  postmaster: number | undefined,
): Promise<readonly ProcessIdentity[]> {
  const listing = await host.run({
    program: 'ps',
    args: ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'args='],
    parse: (result) => result.stdout,
  });
  const found: ProcessIdentity[] = [];
  for (const pid of parseProcessList(listing, identity, postmaster)) {
    const process = await host.processes.identify(pid);
    if (process !== undefined) found.push(process);
  }
  return found;
}

/** The pids in a `ps -o pid= -o ppid= -o args=` listing that belong to the server. */
export function parseProcessList(
  listing: string,
  identity: string,
  postmaster: number | undefined,
): readonly number[] {
  const pids: number[] = [];
  for (const line of listing.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, pid, parent, title] = match;
    const titled = title?.startsWith(`postgres: ${identity}: `) === true;
    if (titled || (postmaster !== undefined && Number(parent) === postmaster)) pids.push(Number(pid));
  }
  return pids;
}
