/** How names look that people type: patterns and rules without schemas, for whoever only needs to look. */

/** Ids are made by the engine: a kind prefix and 16 characters of base32, e.g. `clone-4mzq7k2n5xw3p6ta`. */
export const idPattern = (kind: string): RegExp => new RegExp(`^${kind}-[a-z2-7]{16}$`);

/**
 * Names are what people type. Letters, digits, `.`, `_`, `-` and `/` (for branch names), starting with a letter or
 * digit, at most 128 characters, no `..`, no `//`, no trailing `/` or `.`. Never used as a path: folders carry ids.
 */
export const namePattern = /^(?!.*\.\.)(?!.*\/\/)[\p{L}\p{N}](?:[\p{L}\p{N}._/-]{0,126}[\p{L}\p{N}_-])?$/u;
export const nameRule =
  'use 1 to 128 letters, digits, ".", "_", "-" or "/", starting with a letter or digit, without ".." or "//"';

/** A member's name is one that has no `/`. */
export const memberNamePattern = /^[^/]*$/;
export const memberNameRule = 'a member name has no "/"';
export const isMemberName = (text: string): boolean => namePattern.test(text) && memberNamePattern.test(text);

/** The nearest name to what somebody typed: `feature-x` for `Feature X!`; undefined when nothing is left of it. */
export function nearestName(text: string): string | undefined {
  const name = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}._/-]+/gu, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/\/{2,}/g, '/')
    .replace(/-{2,}/g, '-')
    .slice(0, 128)
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}_]+$/gu, '');
  return namePattern.test(name) ? name : undefined;
}
