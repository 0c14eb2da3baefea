/** Finds the server programs of an image, as those of the machine are found; client tools are never the image's. */
import path from 'node:path';
import type { PinnedImage } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Images } from '../../../runtime/images.ts';
import type { FindPrograms } from '../programs.ts';
import { parseVersion, type ServerPrograms } from './locate.ts';

export interface ImagePrograms {
  /** Where they are in the image. Nothing of it is run. Errors: `image_unusable`. */
  locate(image: PinnedImage): Promise<Pick<ServerPrograms, 'postgres' | 'initdb'>>;
  /** With their version. Errors: `image_unusable`. */
  examine(image: PinnedImage): Promise<ServerPrograms>;
  /** Servers of this image alone, and the client tools of `others`. */
  from(image: PinnedImage, others: FindPrograms): FindPrograms;
}

const NEEDS = ['postgres', 'initdb'] as const;

export function createImagePrograms(images: Images): ImagePrograms {
  /** By the image's id, whose content never changes. */
  const places = new Map<string, Pick<ServerPrograms, 'postgres' | 'initdb'>>();
  const examined = new Map<string, ServerPrograms>();

  const locate: ImagePrograms['locate'] = async (image) => {
    const before = places.get(image.id);
    if (before !== undefined) return before;
    const folders = await images.searchPath(image);
    const files = folders.flatMap((folder) => NEEDS.map((name) => path.posix.join(folder, name)));
    const present = await images.present(image, files);
    const [postgres, initdb] = NEEDS.map((name) =>
      folders.map((folder) => path.posix.join(folder, name)).find((file) => present.has(file)),
    );
    if (postgres === undefined || initdb === undefined) {
      const missing = NEEDS.filter((_, index) => [postgres, initdb][index] === undefined).join(' and ');
      const problem = `it has no ${missing} in ${folders.join(', ')}, so it is no image of a PostgreSQL server`;
      throw fail('image_unusable', { image: image.name, problem });
    }
    const found = { postgres, initdb };
    places.set(image.id, found);
    return found;
  };

  const examine: ImagePrograms['examine'] = async (image) => {
    const before = examined.get(image.id);
    if (before !== undefined) return before;
    const { postgres, initdb } = await locate(image);
    const version = await images.run(image, {
      ...{ program: postgres, args: ['--version'], env: { LC_ALL: 'C' } },
      parse: ({ stdout, stderr }) => parseVersion(stdout) ?? stderr.trim(),
    });
    if (typeof version === 'string') {
      const problem = `its ${postgres} does not say which version it is${version === '' ? '' : ` (${version})`}`;
      throw fail('image_unusable', { image: image.name, problem });
    }
    const { major, text } = version;
    const found: ServerPrograms = { major, version: text, origin: 'image', postgres, initdb, image };
    examined.set(image.id, found);
    return found;
  };

  return {
    locate,
    examine,
    from: (image, others) => async (major) => {
      const [programs, { client }] = await Promise.all([examine(image), others(major)]);
      if (major === undefined || major === programs.major) return { server: { ok: true, programs }, client };
      const missing = {
        what: `A server of PostgreSQL ${major}`,
        searched: [`the image ${image.name} (PostgreSQL ${programs.version})`],
        install: `Name an image of PostgreSQL ${major} for the member, or none.`,
      };
      return { server: { ok: false, missing }, client };
    },
  };
}
