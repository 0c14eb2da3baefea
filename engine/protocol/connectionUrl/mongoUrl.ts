/** Reads and writes URLs of MongoDB: https://www.mongodb.com/docs/manual/reference/connection-string/ */

/** Scheme, user information, hosts, database, options. Hosts may be several, which no URL parser takes. */
const PARTS = /^(mongodb(?:\+srv)?):\/\/(?:([^@/]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/i;

export interface MongoUrl {
  readonly scheme: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly hosts: string;
  readonly database: string | undefined;
  readonly options: string | undefined;
}

/** undefined: it is none. The password and user are decoded. */
export function parseMongoUrl(url: string): MongoUrl | undefined {
  const [, scheme = '', login, hosts = '', database, options] = PARTS.exec(url.trim()) ?? [];
  if (scheme === '') return undefined;
  const [user, ...rest] = login?.split(':') ?? [];
  try {
    return {
      scheme: scheme.toLowerCase(),
      user: user === undefined || user === '' ? undefined : decodeURIComponent(user),
      password: rest.length === 0 ? undefined : decodeURIComponent(rest.join(':')),
      hosts,
      database: database === undefined || database === '' ? undefined : decodeURIComponent(database),
      options: options === '' ? undefined : options,
    };
  } catch (error) {
    // A "%" that begins no letter.
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

export function writeMongoUrl(url: MongoUrl, password: string | undefined): string {
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const login = url.user === undefined ? '' : `${encodeURIComponent(url.user)}${secret}@`;
  const database = url.database === undefined ? '' : encodeURIComponent(url.database);
  const path = database !== '' || url.options !== undefined ? `/${database}` : '';
  return `${url.scheme}://${login}${url.hosts}${path}${url.options === undefined ? '' : `?${url.options}`}`;
}
