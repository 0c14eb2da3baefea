/** Datasets as plain directories, cloned by copying every byte: works everywhere and is never called thin. */
import { isFullDisk } from '../../domain/fullDisk.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import type { StorageOptions } from '../storage.ts';
import type { TreeDriver } from '../treeDriver.ts';
import { runTool } from '../tools.ts';

export interface CopyDriverOptions {
  machine: Machine;
  root: string;
}

const PROGRESS_MS = 200;
/** Looking at a large tree may take at most this part of the time. */
const PROGRESS_SHARE = 0.05;

export async function createCopyDriver({ machine, root }: CopyDriverOptions): Promise<TreeDriver> {
  const args = await copyArguments(machine);
  return {
    driver: 'copy',
    label: 'full copy',
    capabilities: { thin: false, live: false },
    ...plainTrees(machine),

    async copyTree(from, to, options) {
      await machine.files.makeDirectory(to, { mode: 0o700, serverUser: true });
      await withProgress(machine, from, to, options, async () => {
        if (args) {
          // As the server user: a copy made by root would follow what that user puts in its way.
          const tool = { program: 'cp', args: [...args, '--', `${from}/.`, to], asServerUser: true };
          await runTool(machine, root, tool, { signal: options.signal });
        } else await copyByNode(machine, root, from, to, options.signal);
      });
    },

    async usage(path) {
      const { bytes, occupied } = await machine.fileSystem.measure(path);
      return { logical: bytes, unshared: occupied };
    },
  };
}

/** What stores of plain directories have in common. */
export function plainTrees(
  machine: Machine,
): Pick<TreeDriver, 'lazyTags' | 'makeTree' | 'dropTree' | 'makeReadOnly' | 'makeWritable'> {
  return {
    lazyTags: false,
    makeTree: (path) => machine.files.makeDirectory(path, { mode: 0o700, serverUser: true }),
    dropTree: (path) => machine.files.remove(path),
    // A plain directory has no read-only state that its owner could not undo by accident.
    makeReadOnly: async () => undefined,
    makeWritable: async () => undefined,
  };
}

/** GNU cp keeps holes and can be told not to share blocks; BSD and BusyBox know neither option. undefined: no cp. */
async function copyArguments(machine: Machine): Promise<readonly string[] | undefined> {
  if (machine.platform === 'win32') return undefined;
  const gnu = await machine.run({
    program: 'cp',
    args: ['--version'],
    parse: ({ stdout }) => stdout.includes('GNU coreutils'),
  });
  if (gnu) return ['-a', '--sparse=auto', '--reflink=never'];
  return machine.platform === 'darwin' ? ['-Rp'] : ['-a'];
}

async function copyByNode(
  machine: Machine,
  root: string,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await machine.fileSystem.copyTree(from, to, signal);
  } catch (error) {
    if (!isFullDisk(error)) throw error;
    throw fail('storage_full', { storage: root, freeBytes: null }, { cause: error });
  }
}

/** Progress from the blocks that the copy occupies, as it grows. */
async function withProgress(
  machine: Machine,
  from: string,
  to: string,
  { onProgress }: StorageOptions,
  work: () => Promise<void>,
): Promise<void> {
  if (!onProgress) return work();
  const { occupied: total } = await machine.fileSystem.measure(from);
  const ended = new AbortController();
  let last = 0;
  const watch = async (): Promise<void> => {
    let pause = PROGRESS_MS;
    for (;;) {
      await delay(pause, undefined, { signal: ended.signal });
      const started = performance.now();
      const { occupied } = await machine.fileSystem.measure(to);
      pause = Math.max(PROGRESS_MS, (performance.now() - started) / PROGRESS_SHARE);
      const fraction = total === 0 ? 0 : Math.min(0.99, occupied / total);
      ended.signal.throwIfAborted();
      if (fraction > last) onProgress((last = fraction));
    }
  };
  // best effort: progress that can't be read (the copy is being undone) must not end the copy.
  const watching = watch().catch(() => undefined);
  try {
    await work();
  } finally {
    ended.abort();
    await watching;
  }
  onProgress(1);
}
