/** Wakes whoever waits for an engine that starts: its discovery file is the last thing that it makes. */
import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DiscoveryWatch {
  /** Something else has happened that is worth a look. */
  readonly wake: () => void;
  /** Resolves at the next event, or when it is time for a look. Rejects when the signal aborts. */
  readonly woken: (signal: AbortSignal | undefined) => Promise<void>;
  close(): void;
}

/**
 * Between looks where events come: only limits of time need them. To look every 5 ms took 9 % of one core while the
 * engine started.
 */
const SELDOM_MS = 50;
/** Where none come: the machine has no watch left (inotify), or its file system tells nothing. */
const OFTEN_MS = 5;

/** `path`: its folder exists. */
export function watchDiscovery(path: string, seldomMs = SELDOM_MS): DiscoveryWatch {
  /** Aborted by what has happened since the last look was begun. */
  let waking = new AbortController();
  let watcher: FSWatcher | undefined;
  const wake = (): void => waking.abort();
  const end = (): void => {
    watcher?.close();
    watcher = undefined;
    wake();
  };
  try {
    watcher = watch(dirname(path), (_, name) => {
      if (name === null || name === basename(path)) wake();
    });
    watcher.on('error', end);
  } catch {
    // best effort: it is looked more often then
  }
  return {
    wake,
    async woken(signal) {
      const either = signal === undefined ? waking.signal : AbortSignal.any([signal, waking.signal]);
      const pauseMs = watcher === undefined ? OFTEN_MS : seldomMs;
      await sleep(pauseMs, undefined, { signal: either }).catch(() => undefined); // best effort: a look follows anyway
      signal?.throwIfAborted();
      waking = new AbortController();
    },
    close: () => watcher?.close(),
  };
}
