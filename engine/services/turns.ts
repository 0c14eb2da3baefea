/** Work on the same thing is done one after another, in the order of asking. */
export interface Turns<Key> {
  /** Resolves with what the work does, which begins when all that was asked for before has ended, however it ended. */
  take<Value>(key: Key, work: () => Promise<Value>): Promise<Value>;
  /** Work is under way that `take` would wait for. */
  isTaken(key: Key): boolean;
}

export function createTurns<Key>(): Turns<Key> {
  /** Each ends with the last work that was asked for. */
  const turns = new Map<Key, Promise<void>>();
  return {
    async take(key, work) {
      const before = turns.get(key);
      const turn = before === undefined ? work() : before.then(work);
      const over = turn.then(
        () => undefined,
        // best effort: the next turn does not depend on this one, whose error its own caller gets
        () => undefined,
      );
      turns.set(key, over);
      try {
        return await turn;
      } finally {
        if (turns.get(key) === over) turns.delete(key);
      }
    },
    isTaken: (key) => turns.has(key),
  };
}
