/** Asks what was changed in a clone, and says it in a sentence: for who is about to lose it. */
import type { Client } from './client.ts';
import type { CloneChanges } from './entities.ts';
import type { CloneId } from './ids.ts';

/** The question before a loss is not to wait longer for what it only tells. */
const patienceMs = 3000;
const tablesNamed = 3;
export const nothingChanged = 'Nothing was changed in it.';

/** Undefined where nobody knows, also when the engine does not answer in time. */
export async function changesOf(client: Client, clone: CloneId): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(patienceMs);
    return describeChanges(await client.call('cloneChanges', { params: { clone } }, { signal }));
  } catch {
    return undefined; // best effort: then the question says so, and is asked all the same
  }
}

/** "Nothing was changed in it.", "Changed in it: 3 rows of orders, 1 row of users."; undefined where nobody knows. */
export function describeChanges({ counted, tables, schema }: CloneChanges): string | undefined {
  if (counted === 'no') return undefined;
  const rows = tables.slice(0, tablesNamed).map(({ inserted, updated, deleted, ...table }) => {
    const count = inserted + updated + deleted;
    return `${count} ${count === 1 ? 'row' : 'rows'} of ${nameOf(table)}`;
  });
  const more = tables.length - rows.length;
  const parts = [
    ...rows,
    ...(more > 0 ? [`${more} more ${more === 1 ? 'table' : 'tables'}`] : []),
    ...(schema ? ['definitions of tables or other objects'] : []),
  ];
  if (parts.length === 0) return counted === 'all' ? nothingChanged : undefined;
  return `Changed in it: ${counted === 'some' ? 'at least ' : ''}${parts.join(', ')}.`;
}

const nameOf = ({ schema, name }: { schema: string; name: string }): string =>
  schema === 'public' ? name : `${schema}.${name}`;
