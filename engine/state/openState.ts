/** Opens the state of a home, or an empty one in memory in place of one that can't be trusted. */
import { openStore } from './sqliteStore.ts';
import type { Store } from './store.ts';
import { StateHeld, StateUnusable } from './unusable.ts';

export interface OpenedState {
  store: Store;
  /** Why the state can't be trusted; the store is an empty one in memory then. */
  blocked: string | null;
}

/** undefined: another process has it open. */
export function openState(path: string): OpenedState | undefined {
  try {
    return { store: openStore(path), blocked: null };
  } catch (error) {
    if (error instanceof StateHeld) return undefined;
    if (!(error instanceof StateUnusable)) throw error;
    return { store: openStore(':memory:'), blocked: error.message };
  }
}
