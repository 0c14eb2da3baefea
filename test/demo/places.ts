/** Where the demo keeps everything that it makes. */
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface DemoPlaces {
  readonly root: string;
  /** THIN_CLONES_HOME of the demo's engine. */
  readonly home: string;
  readonly workspace: string;
  /** The source server: its data, log and what is known of it. */
  readonly source: string;
  readonly password: string;
}

const checkout = join(import.meta.dirname, '..', '..');

/** In the checkout; for root elsewhere when the user that runs database servers can't pass through to it. */
export function demoPlaces(): DemoPlaces {
  const inCheckout = join(checkout, '.cache', 'demo');
  const isRoot = process.getuid?.() === 0;
  const root = isRoot && !isPassable(checkout) ? '/var/lib/thin-clones-demo' : inCheckout;
  return {
    root,
    home: join(root, 'home'),
    workspace: join(root, 'workspace'),
    source: join(root, 'source'),
    password: join(root, 'source-password'),
  };
}

export async function makePlaces(places: DemoPlaces): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  await mkdir(dirname(places.root), { recursive: true });
  for (const folder of [places.root, places.home, places.source]) {
    await mkdir(folder, { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  }
}

function isPassable(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
