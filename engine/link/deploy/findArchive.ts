/** Finds the archive of the engine for a host's platform: one that came in the package, else one made here of what is here. */
import { join } from 'node:path';
import type { EngineArchive } from './deploy.ts';
import { makeArchive, readArchive, type ArchiveParts } from './makeArchive.ts';

export interface FindArchiveOptions {
  /** Of the bundles; a package has `hosts/PLATFORM.tar.gz` in it. */
  dist: string;
  build: string;
  /** What this machine has for hosts of its own platform, when it has everything: a Node that is not VS Code itself. */
  own?: { platform: string; into: string; parts: Omit<ArchiveParts, 'dist'> };
}

/** Asked twice at once, it is made once. */
export function createArchiveFinder({
  dist,
  build,
  own,
}: FindArchiveOptions): (platform: string) => Promise<EngineArchive | undefined> {
  let making: Promise<EngineArchive> | undefined;
  return async (platform) => {
    const packaged = await readArchive(join(dist, 'hosts', `${platform}.tar.gz`));
    if (packaged !== undefined) return packaged;
    if (own?.platform !== platform) return undefined;
    making ??= makeArchive({ ...own.parts, dist, into: own.into, name: `${platform}_${build}` }).catch(
      (error: unknown) => {
        making = undefined;
        throw error;
      },
    );
    return making;
  };
}
