/** Who hears what is told of other hosts, as it is called here. */
import type { EventBody } from '../protocol/events.ts';

export interface Listeners {
  readonly tell: (event: EventBody) => void;
  /** Returns how to stop. */
  readonly subscribe: (listener: (event: EventBody) => void) => () => void;
}

/** `first` hears it before all others. */
export function createListeners(first: (event: EventBody) => void): Listeners {
  const listeners = new Set([first]);
  return {
    tell(event) {
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
