/** A list of listeners for modules that must also run without VS Code. */

export interface Subscription {
  dispose(): void;
}
export type Subscribe<T> = (listener: (value: T) => void) => Subscription;

export interface Emitter<T> {
  readonly subscribe: Subscribe<T>;
  emit(value: T): void;
}

export function createEmitter<T>(): Emitter<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const entry = (value: T): void => listener(value);
      listeners.add(entry);
      return { dispose: () => void listeners.delete(entry) };
    },
    emit(value) {
      for (const listener of [...listeners]) listener(value);
    },
  };
}
