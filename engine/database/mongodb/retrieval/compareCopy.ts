/** Compares what came with what the source has: collections, kinds, options, indexes, numbers of documents. */
import type { Comparison, Difference } from '../../../protocol/entities.ts';
import type { Collection, Index } from '../collections.ts';
import type { Flavour } from '../flavours.ts';

const MOST = 200;

/** `leftOut`: what was said before, as "index a_1 of shop.orders". */
export function compareCopy(
  source: readonly Collection[],
  copy: readonly Collection[],
  { leftOut, flavour }: { leftOut: readonly string[]; flavour: Flavour },
): Comparison {
  const rule = (object: string): string | null =>
    leftOut.includes(object) ? `${flavour.title} refused it` : null;
  const differences: Difference[] = [];
  let objects = 0;
  const tell = (kind: string, object: string, what: string, as = `${kind} ${object}`): void => {
    differences.push({ kind, object, what, rule: rule(as) });
  };
  for (const one of source) {
    const object = `${one.database}.${one.name}`;
    objects += 1 + one.indexes.length;
    const other = copy.find(({ database, name }) => database === one.database && name === one.name);
    const kind = one.kind === 'timeseries' ? 'time series' : one.kind;
    if (other === undefined) {
      tell(kind, object, 'is missing');
      continue;
    }
    // The source goes on while it is read: more is there now than came, but never less.
    if (one.documents !== null && other.documents !== null && other.documents < one.documents)
      tell(kind, object, `documents: ${other.documents} instead of ${one.documents}`);
    for (const index of one.indexes) {
      const made = other.indexes.find(({ name }) => name === index.name);
      if (made === undefined) tell('index', `${index.name} of ${object}`, 'is missing');
      else if (textOf(made) !== textOf(index))
        tell('index', `${index.name} of ${object}`, `${textOf(made)} instead of ${textOf(index)}`);
    }
    for (const key of ['capped', 'size', 'max'])
      if (String(one.options[key] ?? '') !== String(other.options[key] ?? ''))
        tell(
          'collection',
          object,
          `${key}: ${String(other.options[key] ?? 'none')} instead of ${String(one.options[key])}`,
          `options of ${object}`,
        );
  }
  return { objects, total: differences.length, differences: differences.slice(0, MOST), problem: null };
}

const textOf = ({ keys, options }: Index): string => JSON.stringify([keys, options]);
