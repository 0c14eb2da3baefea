/** Moves a state that can't be used out of the way of a new one; whoever wants to look into it finds it. */
import { rename, rm } from 'node:fs/promises';

/** Where it is kept; null when it is gone. Can be tried again after any error. */
export async function keepAside(path: string, now: Date): Promise<string | null> {
  const keptAs = `${path}.unusable-${now.toISOString().replaceAll(':', '')}`;
  const isKept = await moved(path, keptAs);
  // The log belongs to what is kept: its last commits may be nowhere else.
  await moved(`${path}-wal`, `${keptAs}-wal`);
  await rm(`${path}-shm`, { force: true });
  return isKept ? keptAs : null;
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}
