/** A folder of the checkout's cache that database servers can reach, also those of root, which run as another user. */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const checkout = join(import.meta.dirname, '..', '..');

/** `.cache/NAME` in the checkout; for root `/var/lib/thin-clones-NAME` when a folder above it lets nobody else pass. */
export function passableFolder(name: string): string {
  const isRoot = process.getuid?.() === 0;
  return isRoot && !isPassable(checkout) ? `/var/lib/thin-clones-${name}` : join(checkout, '.cache', name);
}

function isPassable(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
