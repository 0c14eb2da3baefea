/** The engine that is brought to other hosts: the bundles beside this one, with Node and programs for their platform. */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { engines } from './database/engines.ts';
import { createDeployment } from './link/deploy/deploy.ts';
import { createArchiveFinder } from './link/deploy/findArchive.ts';
import { fetchNode, nodeFolder, pinnedNode } from './link/deploy/hostNode.ts';
import type { ArchiveParts } from './link/deploy/makeArchive.ts';
import type { FarWork } from './link/ssh/sshLink.ts';
import { CannotFetch, type PinnedPackage } from './packages/packages.ts';
import { fail } from './protocol/errors.ts';
import { bundledPlaces } from './protocol/node/bundledPlaces.ts';
import { readRegularText } from './protocol/node/regularFile.ts';

export interface BroughtEngineOptions {
  /** Where the code of this engine lies: `dist`, or `engine` of a checkout. */
  engineDirectory: string;
  /** Archives are kept here, and what is fetched for them. */
  into: string;
}

interface Here extends BroughtEngineOptions {
  /** The folder of the bundles. */
  dist: string;
}

/** `variables`: what the engine of a host is started with. */
export type BroughtEngine = (variables: Readonly<Record<string, string>>) => FarWork;

/** Undefined in a checkout whose bundles were not built. */
export async function broughtEngine(options: BroughtEngineOptions): Promise<BroughtEngine | undefined> {
  const { engineDirectory, into } = options;
  const file = [engineDirectory, dirname(engineDirectory), join(engineDirectory, '..', 'dist')]
    .map((folder) => join(folder, 'build.json'))
    .find((path) => existsSync(path));
  if (file === undefined) return undefined;
  const text = await readRegularText(file, { links: 'followed', maxBytes: 10_000 });
  const { version, build } = JSON.parse(text) as { version: string; build: string };
  const here = { ...options, dist: dirname(file) };
  // One for all hosts: an archive is made once.
  const archive = createArchiveFinder({
    ...{ build, into },
    parts: (platform, onProgress) => partsFor(platform, here, onProgress),
  });
  return (variables) =>
    createDeployment({ ...{ version, build, archive, variables }, now: () => Date.now() / 1000 });
}

/** Errors: `engine_parts`. */
async function partsFor(
  platform: string,
  { engineDirectory, dist, into }: Here,
  onProgress: (text: string) => void,
): Promise<ArchiveParts | undefined> {
  const pin = pinnedNode(platform);
  if (pin === undefined) return undefined;
  const [system = '', processor = ''] = platform.split('-');
  const ofPlatform = bundledPlaces(engineDirectory, { platform: system, arch: processor });
  // What came along with a package is for its own platform; a checkout may have those of others.
  const places = ofPlatform.filter((place) => platform === ownPlatform() || basename(place) === platform);
  try {
    const node = await nodeFor(platform, { pin, dist, into, onProgress });
    let programs = await travellingPrograms(places);
    if (programs.length === 0) {
      const fetched = join(into, 'programs', platform);
      for (const engine of engines) await engine.fetchTravelling({ platform, into: fetched, onProgress });
      programs = await travellingPrograms([fetched]);
    }
    onProgress('Packing the engine for it');
    return { ...node, dist, programs };
  } catch (error) {
    if (!(error instanceof CannotFetch)) throw error;
    throw fail('engine_parts', { platform, problem: error.message }, { cause: error });
  }
}

const ownPlatform = (): string => `${process.platform}-${process.arch}`;

/** One that came along, this very one, or one that was fetched. */
async function nodeFor(
  platform: string,
  options: { pin: PinnedPackage; dist: string; into: string; onProgress: (text: string) => void },
): Promise<Pick<ArchiveParts, 'node' | 'licence'>> {
  const { pin, dist, into, onProgress } = options;
  const whole = (folder: string) => ({ node: join(folder, 'node'), licence: join(folder, 'LICENSE') });
  const packaged = join(dist, 'hosts', platform);
  if (existsSync(join(packaged, 'node'))) return whole(packaged);
  if (platform === ownPlatform() && runsElsewhere()) return { node: process.execPath };
  const fetched = join(into, nodeFolder(platform));
  if (!existsSync(fetched)) {
    await fetchNode(pin, fetched, { work: into, onProgress });
    for (const other of await readdir(into))
      if (other.startsWith('node-') && other.endsWith(`-${platform}`) && other !== nodeFolder(platform))
        await rm(join(into, other), { recursive: true });
  }
  return whole(fetched);
}

/** VS Code's own program is Node for us alone, by a variable; a system's Node may need libraries of that system. */
function runsElsewhere(): boolean {
  const shared = Object.entries(process.config.variables).filter(([name]) => /^node_shared/.test(name));
  return process.versions.electron === undefined && shared.every(([, value]) => String(value) === 'false');
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
