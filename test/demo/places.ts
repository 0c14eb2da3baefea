/** Where the demo keeps everything that it makes. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { passableFolder } from '../support/passableFolder.ts';

export interface DemoPlaces {
  readonly root: string;
  /** THIN_CLONES_HOME of the demo's engine. */
  readonly home: string;
  readonly workspace: string;
  /** A copy of its repository, while the story of branches is told. */
  readonly branches: string;
  /** The source server: its data, log and what is known of it. */
  readonly source: string;
  readonly password: string;
}

export function demoPlaces(): DemoPlaces {
  const root = passableFolder('demo');
  return {
    root,
    home: join(root, 'home'),
    workspace: join(root, 'workspace'),
    branches: join(root, 'branches'),
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
