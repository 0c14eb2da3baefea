/** Which process holds a home: for the words of those who wait, never for a decision, since a number outlives its process. */
import { readFile } from 'node:fs/promises';

/** undefined when nobody has written it, or nothing that is a number. */
export async function readHolder(path: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    // best effort: whoever waits is told of an engine without its number
    return undefined;
  }
}

/** Whether a process of this user runs. In a container whose first process reaps nobody, ended ones stay as zombies. */
export async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    // proc(5): the state follows the name, which is in parentheses and may have any character in it.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    // best effort: there is none (ESRCH, ENOENT), or it is somebody else's who got the number since (EPERM)
    return false;
  }
}
