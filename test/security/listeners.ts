/** Finds at which addresses processes listen, as the kernel tells it. Linux only. */
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Local addresses (as /proc has them) at which processes listen. */
export async function listeners(pids: readonly number[]): Promise<string[]> {
  const inodes = new Set<string>();
  for (const pid of pids)
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  const found = new Set<string>();
  for (const table of ['tcp', 'tcp6'])
    for (const line of (await readFile(`/proc/net/${table}`, 'utf8').catch(() => '')).split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === '0A' && local !== undefined && inodes.has(inode ?? '')) found.add(local);
    }
  return [...found].sort();
}
