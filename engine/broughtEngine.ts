/** The engine that is brought to other hosts: the bundles beside this one, with this machine's Node and programs. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { engines } from './database/engines.ts';
import { createDeployment } from './link/deploy/deploy.ts';
import { createArchiveFinder } from './link/deploy/findArchive.ts';
import type { FarWork } from './link/ssh/sshLink.ts';
import { bundledPlaces } from './protocol/node/bundledPlaces.ts';
import { readRegularText } from './protocol/node/regularFile.ts';

export interface BroughtEngineOptions {
  /** Where the code of this engine lies: `dist`, or `engine` of a checkout. */
  engineDirectory: string;
  /** Archives are kept here. */
  into: string;
}

/** Undefined in a checkout whose bundles were not built. */
export async function broughtEngine({
  engineDirectory,
  into,
}: BroughtEngineOptions): Promise<FarWork | undefined> {
  const file = [engineDirectory, dirname(engineDirectory), join(engineDirectory, '..', 'dist')]
    .map((folder) => join(folder, 'build.json'))
    .find((path) => existsSync(path));
  if (file === undefined) return undefined;
  const text = await readRegularText(file, { links: 'followed', maxBytes: 10_000 });
  const { version, build } = JSON.parse(text) as { version: string; build: string };
  const machine = { platform: process.platform, arch: process.arch };
  const programs = await travellingPrograms(bundledPlaces(engineDirectory, machine));
  // VS Code's own program is Node for us alone, by a variable: on a host it is none.
  const isNode = process.versions.electron === undefined;
  const own = {
    platform: `${machine.platform}-${machine.arch}`,
    into,
    parts: { node: process.execPath, programs },
  };
  return createDeployment({
    ...{ version, build },
    archive: createArchiveFinder({
      ...{ dist: dirname(file), build },
      ...(isNode && programs.length > 0 && { own }),
    }),
    now: () => Date.now() / 1000,
  });
}

/** Of the first place that has any. */
async function travellingPrograms(places: readonly string[]): Promise<string[]> {
  for (const place of places) {
    if (!existsSync(place)) continue;
    const folders = await readdir(place);
    const chosen = engines.flatMap((engine) => engine.travelling(folders));
    if (chosen.length > 0) return chosen.map((name) => join(place, name));
  }
  return [];
}
