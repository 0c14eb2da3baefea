/** How tests name what they look for in the workbench: a string means the whole text, a pattern means a part. */

export type TextQuery = string | RegExp;

export function matches(query: TextQuery, text: string): boolean {
  return typeof query === 'string' ? text.trim() === query : query.test(text);
}

/** A pattern for the same meaning, for Playwright's `hasText`. */
export function pattern(query: TextQuery): RegExp {
  if (query instanceof RegExp) return query;
  return new RegExp(`^\\s*${query.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}\\s*$`);
}

/** VS Code appends a keybinding to the label of an action: "Reset (Ctrl+R)". */
export function startsWith(title: string): string {
  return `[aria-label=${JSON.stringify(title)}], [aria-label^=${JSON.stringify(`${title} (`)}]`;
}
