/** The server programs for data that is there: of the machine, remembered for each version, or of the image that made the data. */
import type { Machine } from '../../machine/machine.ts';
import type { PinnedImage } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import { serverOf, type FindPrograms } from './programs.ts';
import type { ImagePrograms } from './programs/imagePrograms.ts';
import type { ServerPrograms } from './programs/locate.ts';

interface Data {
  version: string;
  image?: PinnedImage | undefined;
}

export interface ServersOfData {
  /** Errors: `programs_missing`, `image_unusable`, `image_gone`, `docker_unavailable`. */
  of(data: Data): Promise<ServerPrograms>;
  /** As much as a server is named by when it is started, or spoken with. */
  toStart(data: Data & { title: string }): Promise<Pick<ServerPrograms, 'postgres'>>;
}

export const majorNumber = (version: string): number => Number.parseInt(version, 10);

export function createServerPrograms(options: {
  machine: Pick<Machine, 'files'>;
  programs: FindPrograms;
  ofImages: ImagePrograms;
}): ServersOfData {
  const { machine, programs, ofImages } = options;
  const known = new Map<number, ServerPrograms>();

  /** Looking through the folders of a machine takes milliseconds, so it is done once for each version. */
  const ofMachine = async (version: string, purpose?: string): Promise<ServerPrograms> => {
    const major = majorNumber(version);
    const before = known.get(major);
    if (before !== undefined && (await machine.files.stat(before.postgres)) !== undefined) return before;
    const found = await serverOf(programs, major, purpose);
    known.set(major, found);
    return found;
  };

  return {
    of: ({ version, image }) => (image === undefined ? ofMachine(version) : ofImages.examine(image)),
    async toStart({ version, image, title }) {
      if (image === undefined) return await ofMachine(version, `which ${title} needs`);
      try {
        return await ofImages.locate(image);
      } catch (error) {
        // Whoever speaks with a server that runs needs no program; a start looks for it once more, in the image.
        if (isFailure(error, 'docker_unavailable') || isFailure(error, 'image_gone'))
          return { postgres: 'postgres' };
        throw error;
      }
    },
  };
}
