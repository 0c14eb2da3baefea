/** Takes every block of a file system, as another program would. */
import { open, type FileHandle } from 'node:fs/promises';

/** Writes the file until not even one more block fits. */
export async function fillDisk(filler: string): Promise<void> {
  const file = await open(filler, 'w', 0o600);
  try {
    for (const size of [1 << 20, 4096, 512]) while (await append(file, size));
  } finally {
    await file.close();
  }
}

async function append(file: FileHandle, size: number): Promise<boolean> {
  try {
    await file.write(Buffer.alloc(size, Math.floor(performance.now()) % 255));
    await file.sync();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return false;
  }
}
