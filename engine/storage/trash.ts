/** Frees the trees that a store has put aside: one after another, but one that takes long or hangs keeps no other. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Machine } from '../machine/machine.ts';
import type { StorageOptions } from './storage.ts';

export interface Trash {
  /** Resolves when every tree that lay there is gone, or takes long. */
  empty(options: StorageOptions): Promise<void>;
  /** Resolves when nothing is being freed. */
  close(): Promise<void>;
}

export interface TrashOptions {
  machine: Pick<Machine, 'files'>;
  folder: string;
  /** Names of what can be freed now; default: all that lies there. */
  list?: (() => Promise<readonly string[]>) | undefined;
  /** Frees a tree; nothing happens when it is gone. */
  driver: { dropTree(path: string, signal: AbortSignal | undefined): Promise<void> };
  patienceMs: number;
}

export function createTrash({ machine, folder, driver, patienceMs, ...options }: TrashOptions): Trash {
  const list = options.list ?? (async () => (await machine.files.list(folder)).map(({ name }) => name));
  /** Two at once would trip over each other's half-removed trees. */
  const underway = new Map<string, Promise<void>>();
  let turns = Promise.resolve();

  const drop = (name: string, signal: AbortSignal | undefined): Promise<void> => {
    const work = driver.dropTree(join(folder, name), signal).finally(() => underway.delete(name));
    underway.set(name, work);
    return work;
  };

  const empty: Trash['empty'] = async ({ signal, onProgress }) => {
    const entries = (await list()).filter((name) => !underway.has(name));
    for (const [index, name] of entries.entries()) {
      signal?.throwIfAborted();
      const ended = new AbortController();
      // best effort: it was ended by the removal
      const patience = delay(patienceMs, undefined, { signal: ended.signal }).catch(() => undefined);
      try {
        await Promise.race([drop(name, signal), patience]);
      } finally {
        ended.abort();
      }
      onProgress?.((index + 1) / entries.length);
    }
  };

  return {
    empty(options) {
      const turn = turns.then(() => empty(options));
      // best effort: the next turn does not depend on this one, whose error its own caller gets.
      turns = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      await turns;
      await Promise.allSettled(underway.values());
    },
  };
}
