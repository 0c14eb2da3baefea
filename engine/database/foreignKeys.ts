/** Finds the keys of a member's definition that mean nothing for its engine. */
import type { MemberDefinition } from '../protocol/entities.ts';
import type { ForeignKey } from './database.ts';

/** Why, by key: "user", or "include.schemas" of what is inside of another one. */
export type ForeignKeys = Readonly<Record<string, string>>;

export function foreignKeys(
  member: Partial<Record<keyof MemberDefinition, unknown>>,
  keys: ForeignKeys,
): ForeignKey[] {
  const found: ForeignKey[] = [];
  for (const [key, reason] of Object.entries(keys)) {
    const [first = '', second] = key.split('.');
    const outer: unknown = member[first as keyof typeof member];
    const value = second === undefined ? outer : isRecord(outer) ? outer[second] : undefined;
    if (value !== undefined) found.push({ key, reason });
  }
  return found;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
