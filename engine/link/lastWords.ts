/** What a program said last, as one short line that may be shown: a host that is not trusted may have written it. */

const shownLines = 3;
const shownCharacters = 600;

/** The last lines of a text without what could move a cursor, colour a terminal or turn the writing. */
export function lastWords(text: string): string {
  const lines = text
    // Sequences of a terminal as a whole, so that no "[31m" is left of them.
    .replaceAll(/\u001B(\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(\u0007|\u001B\\)?|.)/gu, '')
    .split(/[\r\n]+/)
    .map((line) =>
      line
        .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu, ' ')
        .replaceAll(/ {2,}/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
  const shown = lines.slice(-shownLines).join(' / ');
  return shown.length > shownCharacters ? `… ${shown.slice(-shownCharacters)}` : shown;
}
