/** Looks at many things at once: one whose look takes long is left to itself, and nobody else waits for it. */
import { waitAtMost, type Clock } from '../../ports/clock.ts';
import { some } from '../context.ts';

export interface Looks {
  /** Looks at each whose last look has ended, at most `width` at once. Resolves when each has ended or is left to itself. */
  at<Item extends { id: string }>(
    items: readonly Item[],
    width: number,
    look: (item: Item) => Promise<void>,
  ): Promise<void>;
}

/** `patienceMs`: how long a look holds one of the few places. Looks must say themselves what failed. */
export function createLooks(clock: Clock, patienceMs: number): Looks {
  const underway = new Set<string>();
  return {
    async at(items, width, look) {
      await some(
        items.filter(({ id }) => !underway.has(id)),
        width,
        async (item) => {
          underway.add(item.id);
          const looked = look(item).finally(() => underway.delete(item.id));
          await waitAtMost(clock, patienceMs, looked);
        },
      );
    },
  };
}
