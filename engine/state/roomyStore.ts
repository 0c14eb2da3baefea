/** A store that makes room on its full disk for what must be written, and says `state_full` when there is none. */
import { isFullState } from '../domain/fullDisk.ts';
import { fail } from '../protocol/errors.ts';
import type { Store } from './store.ts';

export interface RoomOptions {
  /** For people: the file of the state. */
  path: string;
  /** Frees space on the disk of the state; false: there is none to free. */
  makeRoom: () => boolean;
}

const writes: ReadonlySet<string> = new Set(['put', 'remove', 'addLine', 'keepKey', 'prune']);

export function roomyStore(store: Store, { path, makeRoom }: RoomOptions): Store {
  let isInside = false;
  const withRoom = <Value>(write: () => Value): Value => {
    try {
      return write();
    } catch (error) {
      if (!isFullState(error)) throw error;
      if (!makeRoom()) throw fail('state_full', { path }, { cause: error });
    }
    try {
      return write();
    } catch (error) {
      throw isFullState(error) ? fail('state_full', { path }, { cause: error }) : error;
    }
  };
  /** Outside of a transaction each write is one. */
  const roomy = <Part extends object>(part: Part): Part =>
    Object.fromEntries(
      Object.entries(part).map(([name, value]: [string, unknown]) => {
        if (typeof value !== 'function' || !writes.has(name)) return [name, value];
        const write = value as (...args: unknown[]) => unknown;
        return [name, (...args: unknown[]) => (isInside ? write(...args) : withRoom(() => write(...args)))];
      }),
    ) as Part;
  return {
    transaction(change) {
      if (isInside) return store.transaction(change);
      return withRoom(() => {
        isInside = true;
        try {
          return store.transaction(change);
        } finally {
          isInside = false;
        }
      });
    },
    environments: roomy(store.environments),
    snapshots: roomy(store.snapshots),
    clones: roomy(store.clones),
    checkouts: roomy(store.checkouts),
    jobs: roomy(store.jobs),
    close: () => store.close(),
  };
}
