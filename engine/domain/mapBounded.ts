/** Works on a list of any length with a bounded number of things under way, so that it needs a bounded number of descriptors. */

/**
 * The results in the order of the items. After the first error no further item is begun; it is thrown when what was
 * under way has ended, so nothing goes on behind the caller's back.
 */
export async function mapBounded<Item, Value>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item, index: number) => Promise<Value>,
): Promise<Value[]> {
  const list = [...items];
  const left = list.entries();
  const results: Value[] = [];
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failure !== undefined) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, list.length) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}
