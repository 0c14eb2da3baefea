/** Reads a connection URL as people paste it, and takes the password out of it. */
import { namePattern } from '../../engine/protocol/names.ts';

export interface ConnectionUrl {
  /** The URL without its password: this is what is saved and shown. */
  readonly url: string;
  readonly password: string | undefined;
  readonly user: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly database: string;
}

export type ParsedUrl =
  { readonly ok: true; readonly value: ConnectionUrl } | { readonly ok: false; readonly problem: string };

const refused = (problem: string): ParsedUrl => ({ ok: false, problem });

/**
 * Accepts `postgres://` and `postgresql://`, quotes around it, and `NAME=` in front, as lines of an .env file have; also the other form
 * of libpq, `host=... dbname=...`.
 */
export function parseConnectionUrl(pasted: string): ParsedUrl {
  const keywords = keywordsOf(
    pasted
      .trim()
      .replace(/^psql\s+/, '')
      .replace(/^(["'])(.*)\1$/, '$2'),
  );
  if (keywords !== undefined) return urlOfKeywords(keywords);
  const text = pasted
    .trim()
    .replace(/^(export\s+)?[A-Za-z_][A-Za-z0-9_]*=(?=["']?postgres)/, '')
    .replace(/^(["'])(.*)\1$/, '$2')
    .replace(/^jdbc:(?=postgresql:)/, '')
    .trim();
  if (text === '') return refused('Paste a URL like postgresql://user@host:5432/database');
  if (/[\s\u0000-\u001f]/.test(text)) return refused('A URL has no spaces or line breaks.');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return refused('It starts with postgresql://');
  if (scheme.startsWith('mongodb')) return refused('MongoDB sources are not supported by this version.');
  if (scheme !== 'postgres' && scheme !== 'postgresql')
    return refused(`It starts with postgresql://, not ${scheme}://`);
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch {
    // best effort: the URL class says only "Invalid URL"; the usual reason is a password with special characters
    return refused(
      'This is not a valid URL. Special characters in a password are written as %40 for "@", %2F for "/".',
    );
  }
  if (parsed.hostname === '') return refused('The host is missing: postgresql://user@host:5432/database');
  const database = decoded(parsed.pathname.replace(/^\//, ''));
  const user = decoded(parsed.searchParams.get('user') ?? parsed.username);
  if (user === undefined || database === undefined) return refused('A % in a URL is written as %25.');
  if (database === '') return refused('The database is missing: it is the last part, after the "/".');
  if (user === '') return refused('The user is missing: postgresql://user@host:5432/database');
  const password = decoded(parsed.searchParams.get('password') ?? parsed.password);
  if (password === undefined) return refused('A % in a password is written as %25.');
  parsed.searchParams.delete('password');
  parsed.searchParams.delete('user');
  parsed.username = encodeURIComponent(user);
  parsed.password = '';
  return {
    ok: true,
    value: {
      url: parsed.href.replace(/^postgres:/, 'postgresql:'),
      password: password === '' ? undefined : password,
      user,
      host: parsed.hostname,
      port: parsed.port === '' ? undefined : Number(parsed.port),
      database,
    },
  };
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE; undefined: it is written otherwise. */
function keywordsOf(text: string): ReadonlyMap<string, string> | undefined {
  const pair = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)/y;
  const found = new Map<string, string>();
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (match === null) return undefined;
    const [, name = '', raw = ''] = match;
    found.set(name, raw.replace(/^'(.*)'$/s, '$1').replace(/\\(.)/g, '$1'));
  }
  return ['host', 'hostaddr', 'dbname', 'user'].some((name) => found.has(name)) ? found : undefined;
}

function urlOfKeywords(keywords: ReadonlyMap<string, string>): ParsedUrl {
  const { host, hostaddr, port, user, password, dbname, ...others } = Object.fromEntries(keywords);
  const server = host ?? hostaddr;
  if (server === undefined || server === '')
    return refused('The host is missing: host=... port=5432 user=... dbname=...');
  if (server.startsWith('/'))
    return refused('A unix socket is no source yet: name a host, such as host=localhost.');
  if (user === undefined || user === '')
    return refused('The user is missing: host=... port=5432 user=... dbname=...');
  if (dbname === undefined || dbname === '')
    return refused('The database is missing: host=... port=5432 user=... dbname=...');
  const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':');
  const where = server.includes(':') ? `[${server}]` : server;
  const query = new URLSearchParams(others).toString();
  return parseConnectionUrl(
    `postgresql://${login}@${where}${port === undefined ? '' : `:${port}`}/${encodeURIComponent(dbname)}${query === '' ? '' : `?${query}`}`,
  );
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // best effort: a stray "%"; the caller says what to do about it
    return undefined;
  }
}

/** A name that the engine accepts, made from what there is; `shop` from `/srv/dumps/shop.sql.gz`. */
export function nameFrom(text: string, taken: (name: string) => boolean, fallback: string): string {
  const base = (text.split(/[\\/]/).at(-1) ?? '')
    .replace(/\.(sql|dump|backup|pgdump|tar|gz|dir|custom)(?=\.|$)/gi, '')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}_-]+$/gu, '')
    .slice(0, 60);
  const name = namePattern.test(base) ? base : fallback;
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken(candidate)) return candidate;
  }
}
