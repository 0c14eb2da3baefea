/** The use cases over the state that is open now, and over a fresh one in place of a state that can't be trusted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { bringUp, type BroughtUp } from './bringUp.ts';
import type { Running } from './http/handlers/access.ts';
import type { Feed } from './jobs/feed.ts';
import { keepAside } from './process/keepAside.ts';
import { storageFolders } from './process/keptStorage.ts';
import type { OwnFiles } from './process/ownFiles.ts';
import type { Settings } from './process/settings.ts';
import { toFailure } from './protocol/errors.ts';
import { startServices, type Surroundings } from './startServices.ts';
import type { OpenedState } from './state/openState.ts';
import { openStore } from './state/sqliteStore.ts';
import { createFileSystemAnswers } from './storage/fileSystemAnswers.ts';

export interface Life {
  /** Rejects with the reason why the engine can not run here. */
  running(): Promise<Running>;
  /** What runs at this moment; undefined before, and where it can't. */
  present(): Running | undefined;
  /** Of the state that is open now; another one after a rebuild, and where it can't run. */
  feed(): Promise<Feed>;
  /** Errors: `storage_unanswered`. To be asked for by whoever touches the storage outside what runs. */
  demandAnswer(): Promise<void>;
  state(): OpenedState;
  /** Null until it is known. */
  storageLabel(): string | null;
  rebuild(): Promise<{ snapshots: number; clones: number; keptAs: string | null }>;
  close(): Promise<void>;
}

export interface LifeOptions {
  surroundings: Surroundings;
  opened: OpenedState;
  ownFiles: OwnFiles;
  /** As it is configured. */
  storage: Settings['storage'];
  /** Why it can not run here, as far as that is known already. */
  problems: readonly unknown[];
  signal: AbortSignal;
  stop: () => void;
}

async function closeAll({ services, context }: Running): Promise<void> {
  await services.close();
  await context.storage.close();
  context.store.close();
}

export function createLife(options: LifeOptions): Life {
  const { surroundings, opened, ownFiles, storage, problems, signal, stop } = options;
  const { paths, log } = surroundings;
  let state: OpenedState = { store: opened.store, blocked: opened.blocked };
  const answers = createFileSystemAnswers({ machine: surroundings.machine });
  const demandAnswer = async (): Promise<void> => {
    await Promise.all(storageFolders(paths, storage).map((folder) => answers.demand(folder)));
  };
  let label: string | null = null;
  const begin = (before: () => Promise<void>): BroughtUp => {
    let prepared = false;
    return bringUp({
      async start() {
        for (const problem of problems) if (problem !== undefined) throw toFailure(problem);
        if (!prepared) await before();
        prepared = true;
        await demandAnswer();
        return startServices({ ...surroundings, answers }, state, signal);
      },
      demandAnswer,
      onProblem: ({ message, stack }) =>
        log.error('the engine can not run here', { problem: message, stack }),
      onRunning: ({ context }) => (label = context.storage.label),
      // A timer that keeps no process alive.
      pause: (ms, ended) => sleep(ms, undefined, { signal: ended, ref: false }),
      signal,
    });
  };
  let up = begin(async () => undefined);

  const keepState = (): void =>
    ownFiles.keep({
      path: paths.state,
      restore() {
        // What is written from now on would be found by nobody; the next engine finds everything in the tags.
        log.error('the state was removed or replaced while the engine ran: it ends', { path: paths.state });
        ownFiles.forget(paths.state);
        stop();
      },
    });
  if (state.blocked === null) keepState();

  const setAside = async (): Promise<string | null> => {
    const before = await up.running();
    ownFiles.forget(paths.state);
    // The unusable state is in no use: what fails here leaves everything as it was, to be tried again.
    const keptAs = await keepAside(paths.state, new Date());
    state = { store: openStore(paths.state), blocked: null };
    keepState();
    up = begin(() => closeAll(before));
    // Whoever listens reads everything again, from the feed of the new state.
    before.context.feed.publish({ kind: 'resync' });
    before.context.feed.end();
    return keptAs;
  };

  let rebuilding: Promise<unknown> = Promise.resolve();
  return {
    running: () => up.running(),
    present: () => up.present(),
    feed: () => up.feed(),
    demandAnswer,
    state: () => state,
    storageLabel: () => label,
    rebuild() {
      const turn = rebuilding.then(async () => {
        const keptAs = state.blocked === null ? null : await setAside();
        const { store } = (await up.running()).context;
        return { snapshots: store.snapshots.list().length, clones: store.clones.list().length, keptAs };
      });
      // best effort: the next turn does not depend on this one, whose error its own caller gets
      rebuilding = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      await up
        .running()
        .then(closeAll)
        .catch((error: unknown) => log.error('while stopping', { problem: toFailure(error).message }));
    },
  };
}
