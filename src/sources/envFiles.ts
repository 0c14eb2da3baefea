/** Finds connections to PostgreSQL in the text of .env files. */
import { parseConnectionUrl, type ConnectionUrl } from './connectionUrl.ts';

export interface FoundUrl {
  /** The variable's name, e.g. DATABASE_URL. */
  readonly variable: string;
  /** 1 for the first. */
  readonly line: number;
  readonly connection: ConnectionUrl;
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(.*)$/;

/** A value ends at its closing quote, or at a comment after a space. */
function valueOf(text: string): string {
  const quoted = /^(["'`])(.*?)\1/.exec(text);
  if (quoted?.[2] !== undefined) return quoted[2];
  return text.replace(/\s+#.*$/, '').trim();
}

/** Nothing is put in for a `$` between single quotes. */
const isLiteral = (text: string): boolean => text.startsWith("'");

/** A URL of PostgreSQL, or libpq's keywords and the like with a host: `user=anna` alone is anything. */
const namesPlace = (value: string): boolean =>
  value.includes('://') ||
  /^(?:jdbc|pgsql|dbi):/i.test(value) ||
  /\b(?:host|hostaddr|server)\s*=/i.test(value);

/** Variables that refer to others (`${HOST}`) are left out: only the program that reads the file knows their value. */
export function findUrls(text: string): FoundUrl[] {
  const found: FoundUrl[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const match = assignment.exec(line);
    const variable = match?.[1];
    const value = valueOf(match?.[2] ?? '');
    if (variable === undefined || (value.includes('$') && !isLiteral(match?.[2] ?? ''))) continue;
    const parsed = parseConnectionUrl(value);
    if (!parsed.ok || !namesPlace(value)) continue;
    if (found.some(({ connection }) => connection.url === parsed.value.url)) continue;
    found.push({ variable, line: index + 1, connection: parsed.value });
  }
  return found;
}
