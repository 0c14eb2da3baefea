/** Joins texts for people into one line: what happened, then what to do. */

/** The first text may end in another program's words, without a full stop. */
export function sentences(...texts: readonly string[]): string {
  return texts
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => (/[.!?:…]$/.test(text) ? text : `${text}.`))
    .join(' ');
}
