/** What a normal run leaves to `npm test -- --long`: more of the same. It is noted, so that the test command can say what. */
import { appendFileSync } from 'node:fs';

export const thorough = process.env['THIN_CLONES_THOROUGH'] === '1';

function leave(what: string): void {
  const file = process.env['THIN_CLONES_LEFT'];
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(what)}\n`);
}

/** Those of a row that a normal run takes, or all of them: `what` names the others, such as "logical retrieval: " before "14, 15". */
export function unlessLong<Item>(
  all: readonly Item[],
  isTaken: (item: Item, index: number) => boolean,
  what: string,
): readonly Item[] {
  if (thorough) return all;
  const left = all.filter((item, index) => !isTaken(item, index));
  if (left.length > 0) leave(`${what}${left.map(String).join(', ')}`);
  return all.filter(isTaken);
}

/** The oldest and the newest version; a long run takes those between, too. */
export const oldestAndNewest = (majors: readonly number[], what: string): readonly number[] =>
  unlessLong(majors, (_, index) => index === 0 || index === majors.length - 1, `${what} of PostgreSQL `);
