/** Takes every block of a file system, as another program would. */
import { open } from 'node:fs/promises';

/** Writes the file until nothing more fits. */
export async function fillDisk(filler: string): Promise<void> {
  const file = await open(filler, 'w', 0o600);
  try {
    for (const size of [1 << 20, 4096])
      for (;;) {
        await file.write(Buffer.alloc(size, Math.floor(performance.now()) % 255));
        await file.sync();
      }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}
