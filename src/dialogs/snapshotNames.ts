/** Proposes names of snapshots that tell what they are: no two alike, and none like those of refreshes. */
import { snapshotNameSchema, type SnapshotName } from '../../engine/protocol/ids.ts';

const longestWords = 60;

/** What a name may hold of a text: "Orders: new schema!" becomes "orders-new-schema". */
const wordsOf = (text: string): string =>
  Array.from(text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-'))
    .slice(0, longestWords)
    .join('')
    .replace(/^-+|-+$/g, '');

function free(base: string, taken: readonly string[]): SnapshotName {
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.includes(name)) return snapshotNameSchema.parse(name);
  }
}

/** Of a commit: what its message says, else the clone. */
export function committedName(message: string, clone: string, taken: readonly string[]): SnapshotName {
  const words = wordsOf(message);
  return free(words === '' ? `${wordsOf(clone) || 'clone'}-commit` : words, taken);
}

/** Of the state that a reset puts away: `feature-a-before-reset`. */
export const keptName = (clone: string, taken: readonly string[]): SnapshotName =>
  free(`${wordsOf(clone) || 'clone'}-before-reset`, taken);
