/** How a value is written in a `.env` file so that every program that reads it finds the same. */

/**
 * A value as sh, npm's dotenv, python-dotenv and docker compose all read it alike; null where they would not. Only single
 * quotes are literal in each, with these exceptions: python-dotenv expands `${NAME}` and takes `\\` for one
 * backslash even there, and in all but sh a backslash before the quote is part of the text.
 */
export function quoted(value: string): string | null {
  if (/^[A-Za-z0-9_./:@%+,=-]+$/.test(value)) return value;
  if (/[\u0000-\u0008\u000a-\u001f\u007f\u0085\u2028\u2029]/.test(value) || !value.isWellFormed())
    return null;
  if (!/'|\$\{|\\\\|\\$/.test(value)) return `'${value}'`;
  return /["$`\\]/.test(value) ? null : `"${value}"`;
}
