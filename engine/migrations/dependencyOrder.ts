/** Puts things after what they depend on, without recursion: a history may be thousands of steps long. */

/** Keeps the given order among the rest; what is not among the items is passed over, and so is the last link of a circle. */
export function dependencyOrder<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  dependenciesOf: (item: Item) => readonly string[],
): Item[] {
  const byKey = new Map(items.map((item) => [keyOf(item), item]));
  const ordered = new Set<Item>();
  const begun = new Set<Item>();
  for (const item of items) {
    const open = [item];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      if (begun.has(last)) {
        ordered.add(last);
        open.pop();
        continue;
      }
      begun.add(last);
      const before = dependenciesOf(last).flatMap((key) => byKey.get(key) ?? []);
      open.push(...before.filter((each) => !begun.has(each)).reverse());
    }
  }
  return [...ordered];
}
