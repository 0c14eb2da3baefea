/** Takes a connection apart as it is spelt: a URL, libpq's keywords, or `Name=value;` as ADO.NET, ODBC and PDO have it. */
import { keywordOf } from './parameters.ts';

export type Pair = readonly [name: string, value: string];

export type Taken =
  /** In the order in which they are written, after what stands in a URL's address: the last of a name counts. */
  | { readonly ok: true; readonly pairs: readonly Pair[] }
  /** `scheme`: that of a URL which is none of PostgreSQL; null: it is nothing that is known here. */
  | { readonly ok: false; readonly problem: string; readonly scheme?: string | null };

const refused = (problem: string): Taken => ({ ok: false, problem });

/** What drivers, frameworks and tools write for the same server, after `jdbc:` and the like and without `+driver`. */
const schemes = new Set(
  `postgresql postgres pgsql psql pg postgis ecto pgx pgx4 pgx5 timescale timescaledb timescalegis pdo-pgsql pdo_pgsql
   postgresql-psycopg2 postgresql_psycopg2 postgres-psycopg2 postgres_psycopg2 django_postgrespool libpq`.split(
    /\s+/,
  ),
);

/** Of Java: wrappers of a driver; of Celery: `db+`. */
const wrapper = /^(?:jdbc:(?:(?:aws-wrapper|p6spy|log4jdbc|otel|tracing):)?|r2dbcs?:(?:pool:)?|db\+)/i;

/** Longer than any, and short enough for every pattern here. */
const LONGEST = 4000;

export function takeApart(text: string): Taken {
  if (text.length > LONGEST) return refused('it is too long');
  if (text.includes('\0')) return refused('it holds a NUL character');
  const wrapped = wrapper.exec(text)?.[0] ?? '';
  const bare = text.slice(wrapped.length);
  const isJava = /^(?:jdbc|r2dbc)/i.test(wrapped);
  const scheme = /^([a-z][a-z0-9+._-]*):\/\//i.exec(bare)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    const problem = schemeProblem(scheme);
    if (problem !== undefined) return { ok: false, problem, scheme };
    return takeUrl(bare.slice(scheme.length + '://'.length), isJava);
  }
  // pgJDBC: without an address it is this machine.
  const local = /^(?:postgresql|pgsql):(\/?[^/?]*(?:\?.*)?)$/i.exec(bare)?.[1];
  if (isJava && local !== undefined) return takeUrl(local.startsWith('/') ? local : `/${local}`, true);
  const dsn = /^(?:pgsql|dbi:pg):(?=\s*[a-z]+\s*=)/i.exec(text)?.[0] ?? '';
  const pairs = pairsOf(text.slice(dsn.length));
  if (pairs !== undefined) return { ok: true, pairs };
  return { ok: false, problem: 'it does not begin with postgresql://', scheme: null };
}

function schemeProblem(scheme: string): string | undefined {
  const [base = '', ...drivers] = scheme.split('+');
  if (drivers.some((driver) => driver.startsWith('ssh')))
    return 'it leads through SSH: open the tunnel yourself, and name its end here';
  if (schemes.has(base)) return undefined;
  return scheme === 'prisma+postgres' || scheme === 'prisma'
    ? "it is of Prisma's own service: take the direct URL of the database"
    : `its scheme is ${scheme}`;
}

const unencoded =
  'it is not a valid URL; special characters in a password are written as %40 for "@", %2F for "/", %25 for "%"';

/** What follows `scheme://`. As libpq, "#" is a letter as any other; as all others, the last "@" ends the login. */
function takeUrl(rest: string, isJava: boolean): Taken {
  if (/[\s\p{Cc}]/u.test(rest)) return refused('a URL has no spaces or line breaks');
  const slash = rest.indexOf('/');
  const first = slash === -1 ? rest : rest.slice(0, slash);
  const query = /\?[A-Za-z_][\w.[\]-]*=/.exec(first)?.index ?? -1;
  const upTo = query === -1 ? first : first.slice(0, query);
  const at = upTo.lastIndexOf('@');
  const [, address = '', name = '', parameters = ''] =
    /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(rest.slice(at + 1)) ?? [];
  const login = at === -1 ? '' : rest.slice(0, at);
  const colon = login.indexOf(':');
  const pairs: Pair[] = [];
  try {
    const decode = (text: string): string => decodeURIComponent(isJava ? text.replaceAll('+', ' ') : text);
    const servers = serversOf(address);
    if (servers === undefined) return refused(unencoded);
    pairs.push(...servers.map(([key, value]): Pair => [key, decodeURIComponent(value)]));
    const user = decodeURIComponent(colon === -1 ? login : login.slice(0, colon));
    if (user !== '') pairs.push(['user', user]);
    if (colon !== -1 && colon < login.length - 1)
      pairs.push(['password', decodeURIComponent(login.slice(colon + 1))]);
    if (name.includes('@')) return refused(unencoded);
    if (name !== '') pairs.push(['dbname', decode(name.replace(/\/$/, ''))]);
    pairs.push(
      ...joined(
        parameters.split('&').filter((pair) => pair !== ''),
        decode,
      ),
    );
  } catch {
    // best effort: decodeURIComponent says only "malformed"
    return refused('it has a wrong percent sign: a "%" is written as %25');
  }
  return { ok: true, pairs };
}

/** SQLAlchemy names each of several hosts by a parameter of its own. */
function joined(parameters: readonly string[], decode: (text: string) => string): readonly Pair[] {
  const found: Pair[] = [];
  for (const text of parameters) {
    const equals = text.indexOf('=');
    const name = decode(equals === -1 ? text : text.slice(0, equals));
    const value = equals === -1 ? '' : decode(text.slice(equals + 1));
    const before = found.findIndex(([each]) => each === name && (name === 'host' || name === 'port'));
    if (before === -1) found.push([name, value]);
    else found[before] = [name, `${found[before]?.[1] ?? ''},${value}`];
  }
  return found;
}

/** `a:1,[::1],c`; undefined: it can't be one. A port that is missing is empty in the list. */
function serversOf(address: string): readonly Pair[] | undefined {
  if (address === '') return [];
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const server of address.split(',')) {
    const match = /^(\[[0-9A-Fa-f:.]+(?:%[\w.%-]+)?\]|[^:[\]]*)(?::(\d*))?$/.exec(server);
    if (match === null) return undefined;
    hosts.push((match[1] ?? '').replace(/^\[|\]$/g, ''));
    ports.push(match[2] ?? '');
  }
  return [
    ...(hosts.every((host) => host === '') ? [] : [['host', hosts.join(',')] as const]),
    ...(ports.every((port) => port === '') ? [] : [['port', ports.join(',')] as const]),
  ];
}

/** A value of libpq's keywords may have a ";" in it: what stands behind it then is no name. */
function pairsOf(text: string): readonly Pair[] | undefined {
  const named = namedValues(text);
  if (named?.every(([name]) => keywordOf(name) !== undefined) === true) return named;
  return keywords(text) ?? named;
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE; undefined: it is written otherwise. */
function keywords(text: string): readonly Pair[] | undefined {
  const pair = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)/suy;
  const found: Pair[] = [];
  const body = text.trim();
  while (pair.lastIndex < body.length) {
    const match = pair.exec(body);
    if (match === null) return undefined;
    const [, name = '', raw = ''] = match;
    found.push([name, raw.replace(/^'(.*)'$/s, '$1').replace(/\\(.)/gs, '$1')]);
  }
  return namesServer(found) ? found : undefined;
}

/** `Host=h;Database=d;...`, each value perhaps in quotes that stand twice inside. undefined: it is written otherwise. */
function namedValues(text: string): readonly Pair[] | undefined {
  if (!text.includes(';')) return undefined;
  const pair = /\s*([A-Za-z][\w .-]*?)\s*=\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|\{[^}]*\}|[^;]*?)\s*(?:;|$)/suy;
  const found: Pair[] = [];
  const body = text.trim().replace(/[;\s]+$/, '');
  while (pair.lastIndex < body.length) {
    const match = pair.exec(body);
    if (match === null) return undefined;
    const [, name = '', raw = ''] = match;
    const quote = raw[0] ?? '';
    const value =
      raw.length > 1 && (quote === '"' || quote === "'")
        ? raw.slice(1, -1).replaceAll(`${quote}${quote}`, quote)
        : quote === '{'
          ? raw.slice(1, -1)
          : raw;
    found.push([name, value]);
  }
  return found.length > 1 && namesServer(found) ? found : undefined;
}

const namesServer = (pairs: readonly Pair[]): boolean =>
  pairs.some(([name]) => {
    const keyword = keywordOf(name);
    return (
      keyword !== undefined &&
      ['host', 'hostaddr', 'dbname', 'user', 'service', 'servicefile'].includes(keyword)
    );
  });
