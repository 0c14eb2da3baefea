/** Images of the Docker Engine of this machine, behind the port. */
import { Readable } from 'node:stream';
import type { PinnedImage } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { Images, PullReporter } from '../images.ts';
import { containerSettings, type DataOwner } from './containerSettings.ts';
import { dockerRefusal, type DockerConnection, type DockerEngine } from './dockerEngine.ts';
import { createPullProgress, type PullMessage } from './pullProgress.ts';
import { runOnce } from './runOnce.ts';

export interface DockerImagesOptions {
  connection: DockerConnection;
  owner: DataOwner;
  /** The file with the owner in it, which is made when it is not there. */
  passwd: () => Promise<string>;
  labels: Readonly<Record<string, string>>;
}

/** What an image says of itself, as far as it counts here. */
export interface ImageFacts {
  searchPath: readonly string[];
  volumes: readonly string[];
}

export function createDockerImages(options: DockerImagesOptions): Images & {
  facts(image: PinnedImage): Promise<ImageFacts>;
} {
  const { connection, owner, labels } = options;
  /** An image of one id never changes. */
  const known = new Map<string, ImageFacts>();

  const facts = async (image: PinnedImage): Promise<ImageFacts> => {
    const before = known.get(image.id);
    if (before !== undefined) return before;
    const found = await connection.use(async ({ client }) => {
      const { Config } = await unlessGone<ImageConfiguration>(image, client.getImage(image.id).inspect());
      const path = (Config.Env ?? []).findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length);
      return {
        searchPath: (path ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
          .split(':')
          .filter((folder) => folder.startsWith('/')),
        volumes: Object.keys(Config.Volumes ?? {}),
      };
    });
    known.set(image.id, found);
    return found;
  };

  return {
    facts,

    find: (name) =>
      connection.use(async (engine) => {
        const here = await inspect(engine, name);
        return here && pinned(name, here);
      }),

    pin: (name, report, signal) =>
      connection.use(async (engine) => {
        const here = await inspect(engine, name);
        if (here !== undefined) return pinned(name, here);
        await pull(engine, name, report, signal);
        const got = await inspect(engine, name);
        if (got === undefined)
          throw fail('image_pull_failed', { image: name, problem: 'it is not there after all' });
        return pinned(name, got);
      }),

    require: (image, report, signal) =>
      connection.use(async (engine) => {
        if ((await inspect(engine, image.id)) !== undefined) return;
        const { name, id, digest } = image;
        if (digest === null) throw fail('image_gone', { image: name, id });
        report.line(`The image ${name} that the data was made in is not here any more: it is got again.`);
        await pull(engine, digest, report, signal);
        if ((await inspect(engine, id)) === undefined) throw fail('image_gone', { image: name, id });
      }),

    async searchPath(image) {
      return (await facts(image)).searchPath;
    },

    present: (image, paths) =>
      connection.use(async ({ client }) => {
        const made = client.createContainer({
          ...{ Image: image.id, Entrypoint: ['/none'], Labels: { ...labels } },
          HostConfig: { NetworkMode: 'none' },
        });
        const container = await unlessGone(image, made);
        try {
          const found = new Set<string>();
          for (const path of paths) {
            try {
              await container.infoArchive({ path });
              found.add(path);
            } catch (error) {
              if (dockerRefusal(error)?.status !== 404) throw error;
            }
          }
          return found;
        } finally {
          await container.remove({ force: true, v: true });
        }
      }),

    run: async (image, command, { signal, onStderrLine } = {}) => {
      const { volumes } = await facts(image);
      const passwd = await options.passwd();
      return await connection.use(async (engine) => {
        const settings = containerSettings(engine, {
          ...{ image, owner, passwd, volumes, program: command.program, args: command.args },
          env: {
            ...command.env,
            ...(command.mark === undefined ? {} : { THIN_CLONES_MARK: command.mark }),
          },
          mounts: (command.folders ?? []).map((path) => ({ path })),
          labels,
        });
        const result = await runOnce(engine, settings, { stdin: command.stdin, signal, onStderrLine });
        return command.parse(result);
      });
    },
  };
}

/** Rejects with `image_gone`. */
async function unlessGone<Value>({ name, id }: PinnedImage, asked: Promise<Value>): Promise<Value> {
  try {
    return await asked;
  } catch (error) {
    if (dockerRefusal(error)?.status !== 404) throw error;
    throw fail('image_gone', { image: name, id }, { cause: error });
  }
}

/** Each is null where the image says nothing, which the types do not know. */
interface ImageConfiguration {
  Config: { Env?: readonly string[] | null; Volumes?: Readonly<Record<string, unknown>> | null };
}

interface FoundImage {
  Id: string;
  RepoDigests?: string[] | null;
}

async function inspect({ client }: DockerEngine, name: string): Promise<FoundImage | undefined> {
  try {
    return await client.getImage(name).inspect();
  } catch (error) {
    if (dockerRefusal(error)?.status === 404) return undefined;
    throw error;
  }
}

/** One content may have come by several names: that by which it is called now counts. */
function pinned(name: string, { Id, RepoDigests }: FoundImage): PinnedImage {
  const digests = RepoDigests ?? [];
  const repository = name.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
  return {
    name,
    id: Id,
    digest: digests.find((each) => each.startsWith(`${repository}@`)) ?? digests[0] ?? null,
  };
}

/** Errors: `image_pull_failed`, with what the registry or the daemon says. */
async function pull(
  { client }: DockerEngine,
  name: string,
  report: PullReporter,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  report.line(`Getting the image ${name}.`);
  const tagged = /[@:][^/]*$/.test(name) ? name : `${name}:latest`;
  const progress = createPullProgress((fraction) => report.progress(fraction));
  try {
    const stream = await client.pull(tagged, { abortSignal: signal });
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        if (stream instanceof Readable) stream.destroy();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', stop, { once: true });
      client.modem.followProgress(
        stream,
        (error: Error | null | undefined) => {
          signal?.removeEventListener('abort', stop);
          if (error === null || error === undefined) resolve();
          else reject(error);
        },
        (message: PullMessage) => progress(message),
      );
    });
  } catch (error) {
    signal?.throwIfAborted();
    const problem = dockerRefusal(error)?.problem ?? (error instanceof Error ? error.message : String(error));
    throw fail('image_pull_failed', { image: name, problem }, { cause: error });
  }
}
