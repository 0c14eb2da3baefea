/** The port to images that servers run from: which are here, how to get one, what is in it, and its programs run once. */
import type { Command, CommandResult, RunOptions } from '../machine/machine.ts';
import type { PinnedImage } from '../protocol/entities.ts';

export interface PullReporter {
  line(text: string): void;
  /** 0 to 1. */
  progress(fraction: number): void;
}

/** Like a command of the machine; it sees the image, and of the machine only these folders. */
export interface ImageCommand<Value> extends Pick<
  Command<Value>,
  'program' | 'args' | 'env' | 'stdin' | 'mark'
> {
  /** Folders that it may write to, at the same paths. */
  folders?: readonly string[];
  parse: (result: CommandResult) => Value;
}

export interface Images {
  /** The image that this name means now; undefined: it is not here. Errors: `docker_unavailable`. */
  find(name: string): Promise<PinnedImage | undefined>;
  /** The image that this name means now, got where it is not here. Errors: `docker_unavailable`, `image_pull_failed`. */
  pin(name: string, report: PullReporter, signal?: AbortSignal): Promise<PinnedImage>;
  /** Makes sure that exactly this image is here. Errors: `docker_unavailable`, `image_gone`, `image_pull_failed`. */
  require(image: PinnedImage, report: PullReporter, signal?: AbortSignal): Promise<void>;
  /** Where the image looks for programs. */
  searchPath(image: PinnedImage): Promise<readonly string[]>;
  /** Those of these paths that are in the image. Nothing of it is run. */
  present(image: PinnedImage, paths: readonly string[]): Promise<ReadonlySet<string>>;
  /** Runs a program of the image once, as the owner of data. Aborted: it is killed. */
  run<Value>(
    image: PinnedImage,
    command: ImageCommand<Value>,
    options?: Pick<RunOptions, 'signal' | 'onStderrLine'>,
  ): Promise<Value>;
}

/** Stands for images that are only made when one is needed. */
export function imagesOnDemand(open: () => Promise<Images>): Images {
  return {
    find: async (name) => (await open()).find(name),
    pin: async (...given) => (await open()).pin(...given),
    require: async (...given) => (await open()).require(...given),
    searchPath: async (image) => (await open()).searchPath(image),
    present: async (...given) => (await open()).present(...given),
    run: async (...given) => (await open()).run(...given),
  };
}
