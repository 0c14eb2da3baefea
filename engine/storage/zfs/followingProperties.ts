/** Has the properties of datasets follow their tags, off everybody's path: of several changes of one only the last is made. */
import type { ZfsCommands } from './commands.ts';

export interface FollowingProperties {
  /** `values`: NAME=VALUE each. */
  set(dataset: string, values: readonly string[]): void;
  /** Resolves when nothing is being set on this dataset, and forgets what was to be. */
  settled(dataset: string): Promise<void>;
  close(): Promise<void>;
}

export function createFollowingProperties(zfs: Pick<ZfsCommands, 'change'>): FollowingProperties {
  const waiting = new Map<string, readonly string[]>();
  let current: { dataset: string; work: Promise<void> } | undefined;
  let turns: Promise<void> = Promise.resolve();

  const next = async (dataset: string): Promise<void> => {
    const values = waiting.get(dataset);
    if (values === undefined) return;
    waiting.delete(dataset);
    // best effort: people read them; what counts is the tag's file
    const work = zfs.change(dataset, ['set', ...values, dataset]).catch(() => undefined);
    current = { dataset, work };
    await work;
    current = undefined;
  };

  return {
    set(dataset, values) {
      const isQueued = waiting.has(dataset);
      waiting.set(dataset, values);
      if (!isQueued) turns = turns.then(() => next(dataset));
    },
    async settled(dataset) {
      waiting.delete(dataset);
      if (current?.dataset === dataset) await current.work;
    },
    close: () => turns,
  };
}
