/** The use cases over the state that is open now, and over a fresh one in place of a state that can't be trusted. */
import type { Running } from './http/handlers/access.ts';
import { keepAside } from './process/keepAside.ts';
import type { OwnFiles } from './process/ownFiles.ts';
import { toFailure } from './protocol/errors.ts';
import { startServices, type Surroundings } from './startServices.ts';
import type { OpenedState } from './state/openState.ts';
import { openStore } from './state/sqliteStore.ts';

export interface Life {
  /** Rejects with the reason why the engine can not run here. */
  running(): Promise<Running>;
  /** What runs at this moment; undefined before, and where it can't. */
  present(): Running | undefined;
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
  /** Why it can not run here, as far as that is known already. */
  problems: readonly unknown[];
  signal: AbortSignal;
  stop: () => void;
}

export function createLife({ surroundings, opened, ownFiles, problems, signal, stop }: LifeOptions): Life {
  const { paths, log } = surroundings;
  let state: OpenedState = { store: opened.store, blocked: opened.blocked };
  const bringUp = async (): Promise<Running> => {
    for (const problem of problems) if (problem !== undefined) throw toFailure(problem);
    return startServices(surroundings, state, signal);
  };
  let running = bringUp();
  running.catch((error: unknown) => {
    const failure = toFailure(error);
    log.error('the engine can not run here', { problem: failure.message, stack: failure.stack });
  });
  let label: string | null = null;
  let present: Running | undefined;
  // best effort: why it does not run is told above, and to who asks
  const note = (): void => void running.then((now) => (present = now)).catch(() => undefined);
  note();
  void running.then(({ context }) => (label = context.storage.label)).catch(() => undefined);

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
    const before = await running;
    ownFiles.forget(paths.state);
    // The unusable state is in no use: what fails here leaves everything as it was, to be tried again.
    const keptAs = await keepAside(paths.state, new Date());
    state = { store: openStore(paths.state), blocked: null };
    keepState();
    running = (async () => {
      await before.services.close();
      await before.context.storage.close();
      before.context.store.close();
      return bringUp();
    })();
    note();
    // Whoever listens reads everything again, from the feed of the new state.
    before.context.feed.publish({ kind: 'resync' });
    before.context.feed.end();
    return keptAs;
  };

  let rebuilding: Promise<unknown> = Promise.resolve();
  return {
    running: () => running,
    present: () => present,
    state: () => state,
    storageLabel: () => label,
    rebuild() {
      const turn = rebuilding.then(async () => {
        const keptAs = state.blocked === null ? null : await setAside();
        const { store } = (await running).context;
        return { snapshots: store.snapshots.list().length, clones: store.clones.list().length, keptAs };
      });
      // best effort: the next turn does not depend on this one, whose error its own caller gets
      rebuilding = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      await running
        .then(async ({ services, context }) => {
          await services.close();
          await context.storage.close();
          context.store.close();
        })
        .catch((error: unknown) => log.error('while stopping', { problem: toFailure(error).message }));
    },
  };
}
