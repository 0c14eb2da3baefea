/** Which collections of a source come along: `include` and `exclude` name them as "database.collection" or "collection", with `*`. */
import type { MemberDefinition } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Collection } from '../collections.ts';

/** Rejects with `source_selection` where a name meets nothing: it is a mistake. */
export function select(
  all: readonly Collection[],
  { include, exclude }: Pick<MemberDefinition, 'include' | 'exclude'>,
): readonly Collection[] {
  const included = include?.collections;
  const excluded = exclude?.collections ?? [];
  const chosen =
    included === undefined ? all : all.filter(({ database, name }) => isNamed(included, database, name));
  for (const pattern of [...(included ?? []), ...excluded])
    if (!all.some(({ database, name }) => matches(pattern, database, name)))
      throw fail('source_selection', { pattern, kind: 'collection' });
  return chosen.filter(({ database, name }) => !isNamed(excluded, database, name));
}

const isNamed = (patterns: readonly string[], database: string, name: string): boolean =>
  patterns.some((pattern) => matches(pattern, database, name));

/** A collection's name may have dots itself, so both readings count. */
function matches(pattern: string, database: string, name: string): boolean {
  const expression = new RegExp(`^${pattern.split('*').map(escapeForRegExp).join('.*')}$`, 'u');
  return expression.test(name) || expression.test(`${database}.${name}`);
}

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}/-]/g, '\\$&');
