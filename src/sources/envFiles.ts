/** Finds PostgreSQL connection URLs in the text of .env files. */
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

/** Variables that refer to others (`${HOST}`) are left out: only the program that reads the file knows their value. */
export function findUrls(text: string): FoundUrl[] {
  const found: FoundUrl[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const match = assignment.exec(line);
    const variable = match?.[1];
    const value = valueOf(match?.[2] ?? '');
    if (variable === undefined || !/^postgres(ql)?:\/\//i.test(value) || value.includes('$')) continue;
    const parsed = parseConnectionUrl(value);
    if (!parsed.ok) continue;
    if (found.some(({ connection }) => connection.url === parsed.value.url)) continue;
    found.push({ variable, line: index + 1, connection: parsed.value });
  }
  return found;
}
