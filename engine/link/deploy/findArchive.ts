/** Finds the archive of the engine for a host's platform: the one that is kept, or one made of what is here and what is fetched. */
import type { FindArchive } from './deploy.ts';
import { makeArchive, type ArchiveParts } from './makeArchive.ts';

export interface FindArchiveOptions {
  build: string;
  /** Archives are kept here. */
  into: string;
  /** Undefined for a platform that no engine is made for; fetched where they are not here. */
  parts: (platform: string, onProgress: (text: string) => void) => Promise<ArchiveParts | undefined>;
}

/** Asked twice at once, it is made once. */
export function createArchiveFinder({ build, into, parts }: FindArchiveOptions): FindArchive {
  const making = new Map<string, ReturnType<FindArchive>>();
  return (platform, onProgress) => {
    const made =
      making.get(platform) ??
      makeArchive({ into, platform, build, parts: () => parts(platform, onProgress) }).catch(
        (error: unknown) => {
          making.delete(platform);
          throw error;
        },
      );
    making.set(platform, made);
    return made;
  };
}
