/** The progress of a step that works on several members at once: the mean of theirs, which never falls. */
import type { Reporter } from '../database/database.ts';
import { all } from './context.ts';

/** As `all`; a member whose work is done counts as whole, also if it told nothing. */
export async function allTelling<Item, Value>(
  items: readonly Item[],
  report: Pick<Reporter, 'progress'>,
  work: (item: Item, onProgress: (fraction: number) => void) => Promise<Value>,
): Promise<Value[]> {
  const shares = new Map<Item, number>(items.map((item) => [item, 0]));
  const tell = (item: Item, fraction: number): void => {
    if (!Number.isFinite(fraction)) return;
    shares.set(item, Math.max(shares.get(item) ?? 0, Math.min(1, fraction)));
    report.progress([...shares.values()].reduce((sum, share) => sum + share, 0) / shares.size);
  };
  return all(items, async (item) => {
    const value = await work(item, (fraction) => tell(item, fraction));
    tell(item, 1);
    return value;
  });
}
