/** What a program or a host said, as text that may be shown: one that is not trusted may have written it. */

const shownLines = 3;
const shownCharacters = 600;

/** The lines of a text without what could move a cursor, colour a terminal or turn the writing; empty ones are left out. */
export function plainLines(text: string): string[] {
  return (
    text
      // Sequences of a terminal as a whole, so that no "[31m" is left of them.
      .replaceAll(/\u001B(\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(\u0007|\u001B\\)?|.)/gu, '')
      .split(/[\r\n]+/)
      .map((line) =>
        line
          .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu, ' ')
          .replaceAll(/ {2,}/g, ' ')
          .trim(),
      )
      .filter((line) => line !== '')
  );
}

/** The last lines as one. */
export function lastWords(text: string): string {
  const shown = plainLines(text).slice(-shownLines).join(' / ');
  return shown.length > shownCharacters ? `… ${shown.slice(-shownCharacters)}` : shown;
}
