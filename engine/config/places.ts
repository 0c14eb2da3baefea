/** Finds where in the text of a YAML file the parts of its value stand. */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document } from 'yaml';

export type Path = readonly (string | number)[];

/** Where a key and its value begin in the text; for what is not there, where the nearest thing around it begins. */
export function locate(document: Document, path: Path): { key: number; value: number } {
  const start = (node: unknown): number | undefined =>
    typeof node === 'object' && node !== null && 'range' in node
      ? (node as { range?: [number, number, number] | null }).range?.[0]
      : undefined;
  let node: unknown = document.contents;
  let found = { key: start(node) ?? 0, value: start(node) ?? 0 };
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!isPair(pair)) return { key: found.key, value: found.key };
      const key = start(pair.key) ?? found.key;
      found = { key, value: start(pair.value) ?? key };
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      const at = start(node) ?? found.value;
      found = { key: at, value: at };
    } else {
      return { key: found.key, value: found.key };
    }
  }
  return found;
}
