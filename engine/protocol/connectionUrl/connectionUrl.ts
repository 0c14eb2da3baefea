/** The one reader of connections to sources, however people and frameworks write them, and the one writer of them. */
import { meaningOf, shownName, type Parameters } from './parameters.ts';
import { takeApart, type Pair } from './spellings.ts';

export interface UrlServer {
  /** A name, an address, the folder of a unix socket (it begins with "/" or "@"), or empty: this machine. */
  readonly host: string;
  /** The address of this host, where it is given apart. */
  readonly hostaddr: string | undefined;
  readonly port: number | undefined;
}

export interface ConnectionUrl {
  /** All that may be tried, in this order; none: it says nothing of them. */
  readonly servers: readonly UrlServer[];
  readonly user: string | undefined;
  readonly database: string | undefined;
  readonly password: string | undefined;
  readonly parameters: Parameters;
  /** Sentences: what was left out, and what is meant by words that are none of libpq. They never show values. */
  readonly notes: readonly string[];
}

export type ReadUrl =
  | { readonly ok: true; readonly value: ConnectionUrl }
  /** As "it names ...", without any value of it. `scheme`: as in `Taken`. */
  | { readonly ok: false; readonly problem: string; readonly scheme?: string | null };

class Unusable extends Error {}
const unusable = (problem: string): Error => new Unusable(problem);

export function readConnectionUrl(text: string): ReadUrl {
  const taken = takeApart(text);
  if (!taken.ok) return taken;
  return readPairs(taken.pairs);
}

/** The same of pairs that stand elsewhere, such as in a file of services. */
export function readPairs(pairs: readonly Pair[]): ReadUrl {
  try {
    return { ok: true, value: understand(pairs) };
  } catch (error) {
    if (error instanceof Unusable) return { ok: false, problem: error.message };
    throw error;
  }
}

function understand(pairs: readonly Pair[]): ConnectionUrl {
  const said = new Map<string, string>();
  const translations = new Map<string, string>();
  const leftOut: string[] = [];
  const notes: string[] = [];
  for (const [name, value] of pairs) {
    if (value.includes('\0')) throw unusable('it holds a NUL character');
    if (!value.isWellFormed()) throw unusable('it holds half a character');
    const meaning = meaningOf(name, value);
    switch (meaning.kind) {
      case 'kept':
        said.set(meaning.name, meaning.value);
        break;
      case 'translated':
        translations.set(meaning.name, meaning.value);
        notes.push(`${shownName(name)} is taken as ${meaning.name}=${meaning.value}.`);
        break;
      case 'left out':
        leftOut.push(name);
        break;
      case 'refused':
        throw unusable(meaning.problem);
    }
  }
  for (const [name, value] of translations) if (!said.has(name)) said.set(name, value);
  if (isOfPrisma(leftOut) && said.has('sslcert') && !said.has('sslkey') && !said.has('sslrootcert')) {
    said.set('sslrootcert', said.get('sslcert') ?? '');
    said.delete('sslcert');
    notes.push('"sslcert" without a key is taken as sslrootcert, as Prisma does.');
  }
  if (leftOut.length > 0) notes.unshift(noteOf(leftOut));
  const { host, hostaddr, port, user, dbname, password, ...parameters } = Object.fromEntries(said);
  const servers = serversOf(host, hostaddr, port);
  if (servers.length === 0 && dbname === undefined && parameters['service'] === undefined)
    throw unusable('it names neither a host nor a database');
  return {
    servers,
    user: user === '' ? undefined : user,
    database: dbname === '' ? undefined : dbname,
    password: password === '' ? undefined : password,
    parameters,
    notes,
  };
}

const isOfPrisma = (names: readonly string[]): boolean =>
  names.some((name) => /^(?:schema|connection_limit|pool_timeout|sslaccept|pgbouncer)$/.test(name));

function noteOf(names: readonly string[]): string {
  const unique = [...new Set(names)];
  const shown = unique.slice(0, 8).map(shownName);
  const all = unique.length > shown.length ? [...shown, `${unique.length - shown.length} more`] : shown;
  const last = all.at(-1) ?? '';
  const list = all.length === 1 ? last : `${all.slice(0, -1).join(', ')} and ${last}`;
  return `${list} of the connection URL ${unique.length === 1 ? 'is' : 'are'} of another program and left out.`;
}

/** libpq's rule: as many ports as hosts, or one for all; as many addresses as hosts. */
function serversOf(
  host: string | undefined,
  hostaddr: string | undefined,
  port: string | undefined,
): readonly UrlServer[] {
  const list = (text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : text.split(',').map((each) => each.trim());
  const hosts = list(host);
  const addresses = list(hostaddr);
  const ports = list(port);
  if (hosts.length > 0 && addresses.length > 0 && hosts.length !== addresses.length)
    throw unusable('it names another number of hosts than of addresses (hostaddr)');
  const count = Math.max(hosts.length, addresses.length);
  if (ports.length > 1 && ports.length !== count)
    throw unusable('it names another number of ports than of hosts');
  if (count === 0 && ports.length === 0) return [];
  return Array.from({ length: Math.max(count, 1) }, (_, index) => {
    // Npgsql and SQLAlchemy: a port behind the host; an IPv6 address has more colons.
    const [, name = hosts[index] ?? '', own] =
      /^([^:/[\]]+|\[[^\]]+\]):(\d{1,6})$/.exec(hosts[index] ?? '') ?? [];
    if (/[\p{Cc}]/u.test(name)) throw unusable('a host has no line breaks or other control characters');
    return {
      host: name.replace(/^\[(.*)\]$/, '$1'),
      hostaddr: addresses[index] === '' ? undefined : addresses[index],
      port: portOf(own ?? (ports.length > 1 ? ports[index] : ports[0]) ?? ''),
    };
  });
}

function portOf(text: string): number | undefined {
  if (text === '') return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535)
    throw unusable('its port is not a number from 1 to 65535');
  return port;
}

export const isSocketFolder = (host: string): boolean => host.startsWith('/') || host.startsWith('@');

/** Without its password and in the form that libpq's own programs take; what is read of it is the same. */
export function writeConnectionUrl(url: Omit<ConnectionUrl, 'password' | 'notes'>): string {
  const { servers, user, database, parameters } = url;
  const inAddress = servers.every(
    ({ host, hostaddr }) => hostaddr === undefined && host !== '' && /^[\w.:~-]+$/.test(host),
  );
  const address = servers
    .map(
      ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`,
    )
    .join(',');
  const query = Object.entries({
    ...(inAddress ? {} : Object.fromEntries(pairsOf({ ...nothing, servers }))),
    ...parameters,
  })
    .map(
      ([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%2F', '/').replaceAll('%2C', ',')}`,
    )
    .join('&');
  const login = user === undefined ? '' : `${encodeURIComponent(user)}@`;
  const path = database === undefined ? '' : encodeURIComponent(database);
  return `postgresql://${login}${inAddress ? address : ''}${path === '' && address !== '' && inAddress ? '' : '/'}${path}${query === '' ? '' : `?${query}`}`;
}

const nothing: ConnectionUrl = {
  servers: [],
  user: undefined,
  database: undefined,
  password: undefined,
  parameters: {},
  notes: [],
};

/** What `readPairs` reads as the same. */
export function pairsOf(url: ConnectionUrl): readonly Pair[] {
  const { servers, user, database, password, parameters } = url;
  const said: readonly (readonly [string, string | undefined])[] = [
    ['host', listed(servers.map(hostInList))],
    ['hostaddr', listed(servers.map(({ hostaddr }) => hostaddr))],
    ['port', listed(servers.map(({ port }) => port))],
    ['user', user],
    ['dbname', database],
    ['password', password],
    ...Object.entries(parameters),
  ];
  return said.filter((pair): pair is Pair => pair[1] !== undefined);
}

const listed = (values: readonly (string | number | undefined)[]): string | undefined =>
  values.every((value) => value === undefined || value === '') ? undefined : values.join(',');

const hostInList = ({ host }: UrlServer): string => (host.includes(':') ? `[${host}]` : host);

/** For people: where it leads. */
export const shownServers = ({ servers }: Pick<ConnectionUrl, 'servers'>): string =>
  servers
    .map(({ host, hostaddr }) => host || (hostaddr ?? 'localhost'))
    .map((host) => (host.includes(':') ? `[${host}]` : host))
    .join(', ') || 'localhost';
