/** What the parameters of connection URLs mean: those of libpq are kept, those of other programs are translated or left out. */

/** What a URL says besides servers, database, user and password; names and values as libpq has them. */
export type Parameters = Readonly<Record<string, string>>;

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

export const sessionKinds = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;

type Check = (value: string) => string | undefined;
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value.toLowerCase()) ? value.toLowerCase() : undefined;
const whole: Check = (value) => (/^-?[0-9]{1,9}$/.test(value.trim()) ? value.trim() : undefined);
const any: Check = (value) => value;
const path: Check = (value) => (value === '' || /[\0-\x1f]/.test(value) ? undefined : value);

/** https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS, and which values they may have. */
const kept: Readonly<Record<string, Check>> = {
  host: any,
  hostaddr: any,
  port: any,
  dbname: any,
  user: any,
  password: any,
  passfile: path,
  service: path,
  servicefile: path,
  options: any,
  application_name: any,
  connect_timeout: whole,
  channel_binding: oneOf('require', 'prefer', 'disable'),
  require_auth: (value) => (/^[a-z0-9!, -]+$/.test(value) ? value.replaceAll(' ', '') : undefined),
  keepalives: oneOf('0', '1'),
  keepalives_idle: whole,
  keepalives_interval: whole,
  keepalives_count: whole,
  tcp_user_timeout: whole,
  sslmode: sslModeOf,
  sslnegotiation: oneOf('postgres', 'direct'),
  sslcert: path,
  sslkey: path,
  sslcertmode: oneOf('disable', 'allow', 'require'),
  sslrootcert: path,
  sslcrl: path,
  sslcrldir: path,
  sslsni: oneOf('0', '1'),
  ssl_min_protocol_version: tlsVersionOf,
  ssl_max_protocol_version: tlsVersionOf,
  target_session_attrs: oneOf(...sessionKinds),
  load_balance_hosts: oneOf('disable', 'random'),
  gssencmode: oneOf('disable', 'prefer', 'require'),
  requirepeer: path,
};

function sslModeOf(value: string): string | undefined {
  const plain = value.toLowerCase().replace(/[_ ]/g, '-');
  const mode = { verifyca: 'verify-ca', verifyfull: 'verify-full', 'no-verify': 'require' }[plain] ?? plain;
  return sslModes.find((each) => each === mode);
}

function tlsVersionOf(value: string): string | undefined {
  return ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'].find(
    (version) => version.toLowerCase() === value.toLowerCase(),
  );
}

/** Of libpq, and without a meaning for what is done here. */
const idle = [
  ...['client_encoding', 'fallback_application_name', 'replication', 'sslcompression', 'sslkeylogfile'],
  ...['krbsrvname', 'gsslib', 'gssdelegation', 'min_protocol_version', 'max_protocol_version'],
  ...['oauth_issuer', 'oauth_client_id', 'oauth_client_secret', 'oauth_scope'],
];

/** Of libpq, and impossible here; each with what to do. */
const refused: Readonly<Record<string, string>> = {
  sslpassword:
    'it holds the password of a key ("sslpassword"), which belongs in a service file that "service" names',
  scram_client_key: '"scram_client_key" is a secret and not supported: use a password',
  scram_server_key: '"scram_server_key" is a secret and not supported: use a password',
  sslidentity: '"sslidentity" is not supported: name the certificate and its key with "sslcert" and "sslkey"',
};

/** Other names for the same: of ODBC, ADO.NET, PDO, Prisma, sqlx, SQLAlchemy and the JDBC driver. */
const synonyms: Readonly<Record<string, string>> = {
  server: 'host',
  database: 'dbname',
  db: 'dbname',
  username: 'user',
  userid: 'user',
  uid: 'user',
  pwd: 'password',
  psw: 'password',
  sslca: 'sslrootcert',
  rootcertificate: 'sslrootcert',
  sslcertificate: 'sslcert',
  sslclientcert: 'sslcert',
  targetsessionattributes: 'target_session_attrs',
  logintimeout: 'connect_timeout',
};

/** Names that differ only in case and in what stands between words are one. */
const plainName = (name: string): string => name.toLowerCase().replace(/[-_. ]/g, '');

const byPlainName = new Map<string, string>([
  ...[...Object.keys(kept), ...idle, ...Object.keys(refused)].map((name) => [plainName(name), name] as const),
  ...Object.entries(synonyms),
]);

/** The name that libpq has for it. */
export const keywordOf = (name: string): string | undefined => byPlainName.get(plainName(name));

/** Of frameworks, poolers, drivers and clients: for their own side of a connection, or how they show it. */
const others = new Set(
  `schema connection_limit pool_timeout pgbouncer socket_timeout statement_cache_size single_use_connections sslaccept
   pool pool_size poolsize max_overflow reaping_frequency checkout_timeout idle_timeout prepared_statements encoding
   schema_search_path search_path statement_limit advisory_locks min_messages timeout adapter wait_timeout retries
   conn_max_age conn_health_checks disable_server_side_cursors atomic_requests engine test_name charset serverVersion
   server_version driver dialect unicode async_fallback prepared_statement_cache_size prepared_statement_name_func
   executemany_mode executemany_batch_page_size use_native_hstore use_native_unicode native_datetime
   command_timeout max_cached_statement_lifetime max_cacheable_statement_size direct_tls server_settings
   prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB reWriteBatchedInserts
   defaultRowFetchSize stringtype binaryTransfer tcpKeepAlive connectTimeout socketTimeout cancelSignalTimeout
   currentSchema readOnly autosave assumeMinServerVersion logUnclosedConnections loggerLevel loggerFile protocolVersion
   ApplicationName hostRecheckSeconds receiveBufferSize sendBufferSize unknownLength compatible
   disableColumnSanitiser allowEncodingChanges escapeSyntaxCallMode jaasLogin jaasApplicationName sspiServiceClass
   useSpnego gssResponseTimeout sslResponseTimeout sslhostnameverifier sslfactoryarg sslpasswordcallback
   authenticationPluginClassName wrapperPlugins wrapperDialect quoteReturningIdentifiers maxResultBuffer adaptiveFetch
   minimumIdle maximumPoolSize maxPoolSize minPoolSize pooling connectionIdleLifetime connectionLifetime
   connectionPruningInterval keepalive tcpkeepalivetime tcpkeepaliveinterval noresetonclose multiplexing
   maxAutoPrepare autoPrepareMinUsages includeErrorDetail includeErrorDetails includeFailedBatchedCommand
   persistSecurityInfo trustServerCertificate checkCertificateRevocation integratedSecurity kerberosServiceName
   includeRealm internalCommandTimeout cancellationTimeout readBufferSize writeBufferSize socketReceiveBufferSize
   socketSendBufferSize loadTableComposites serverCompatibilityMode arrayNullabilityMode logParameters timezone
   enlist convertInfinityDateTime minimumPoolSize connectionTimeout
   binary_parameters disable_prepared_binary_result sslinline prefer_simple_protocol default_query_exec_mode
   statement_cache_capacity description_cache_capacity statement_cache_mode pool_max_conns pool_min_conns
   pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter pool_max_conn_idle_time
   pool_health_check_period max_conns max_idle_conns max_connections min_connections acquire_timeout
   statement_timeout lock_timeout idle_in_transaction_session_timeout query_timeout work_mem datestyle
   extra_float_digits role geqo intervalstyle default_transaction_isolation default_transaction_read_only
   max idle_timeout_millis connectionTimeoutMillis uselibpqcompat fallback supa workaround
   statusColor env name tLSMode usePrivateKey safeModeLevel advancedSafeModeLevel driverVersion lazyload
   socket_options prepare queue_target queue_interval sslcertbase64 sslkeybase64 persistent
   migrations_table migrations_path multi_statement tls_session_cache loadBalanceStrategy`
    .split(/\s+/)
    .map(plainName),
);

/** Runtime parameters as some write them, of frameworks (`variables[...]`), and of golang-migrate. */
const otherPattern = /^(?:options|variables|server_settings)\[|^x-/i;

/** What a URL's own words for TLS come to; undefined: nothing is said. */
function tlsOf(value: string): SslMode | undefined {
  const plain = value.trim().toLowerCase();
  if (['', 'true', '1', 'yes', 'on', 'strict'].includes(plain)) return 'verify-full';
  if (['false', '0', 'no', 'off'].includes(plain)) return 'disable';
  // JSON, as some pass it to node-postgres.
  if (plain.startsWith('{'))
    return /"rejectunauthorized"\s*:\s*false/.test(plain) ? 'require' : 'verify-full';
  return sslModes.find((mode) => mode === sslModeOf(plain));
}

/** pgJDBC's `targetServerType` and Npgsql's words. */
const serverKinds: Readonly<Record<string, string>> = {
  any: 'any',
  primary: 'primary',
  master: 'primary',
  secondary: 'standby',
  slave: 'standby',
  standby: 'standby',
  readwrite: 'read-write',
  readonly: 'read-only',
  prefersecondary: 'prefer-standby',
  preferslave: 'prefer-standby',
  preferstandby: 'prefer-standby',
  // No such thing in libpq: the first that answers.
  preferprimary: 'any',
};

type Translation = (value: string) => { name: string; value: string } | undefined;
const translated: Readonly<Record<string, Translation>> = {
  ssl: (value) => {
    const mode = tlsOf(value);
    return mode === undefined ? undefined : { name: 'sslmode', value: mode };
  },
  sslrequire: (value) => (/^(?:true|1)$/i.test(value) ? { name: 'sslmode', value: 'require' } : undefined),
  requiressl: (value) => ({ name: 'sslmode', value: value === '1' ? 'require' : 'prefer' }),
  sslfactory: (value) =>
    value.endsWith('.NonValidatingFactory') ? { name: 'sslmode', value: 'require' } : undefined,
  sslaccept: (value) => (value === 'strict' ? { name: 'sslmode', value: 'verify-full' } : undefined),
  targetservertype: (value) => {
    const kind = serverKinds[plainName(value)];
    return kind === undefined ? undefined : { name: 'target_session_attrs', value: kind };
  },
  loadbalancehosts: (value) => ({
    name: 'load_balance_hosts',
    value: /^(?:true|random)$/i.test(value) ? 'random' : 'disable',
  }),
};

/** A name that may be of security must not be lost for a slip of the pen. */
const guarded = /ssl|tls|cert|encrypt|verify|auth|secur|crypt|krb|gss|peer/i;

export type Meaning =
  | { readonly kind: 'kept'; readonly name: string; readonly value: string }
  /** The same in libpq's words, which an own word of libpq in the URL overrides. */
  | { readonly kind: 'translated'; readonly name: string; readonly value: string }
  | { readonly kind: 'left out' }
  | { readonly kind: 'refused'; readonly problem: string };

/** Names of parameters are shown in problems only when they look like names: a password may stand where one is expected. */
export const shownName = (name: string): string =>
  /^[A-Za-z][\w.[\] -]{0,40}$/.test(name) ? `"${name}"` : 'one of its parameters';

export function meaningOf(name: string, value: string): Meaning {
  const plain = plainName(name);
  const keyword = keywordOf(name);
  const translate = Object.hasOwn(translated, plain) ? translated[plain] : undefined;
  if (keyword !== undefined && Object.hasOwn(refused, keyword))
    return { kind: 'refused', problem: refused[keyword] ?? '' };
  if (keyword === 'gssencmode' && value.toLowerCase() === 'require')
    return {
      kind: 'refused',
      problem: 'it asks for Kerberos ("gssencmode=require"), which is not supported',
    };
  const check = keyword !== undefined && Object.hasOwn(kept, keyword) ? kept[keyword] : undefined;
  const checked = check?.(value);
  if (keyword !== undefined && checked !== undefined) return { kind: 'kept', name: keyword, value: checked };
  const other =
    translate?.(value) ??
    (keyword === 'target_session_attrs' ? translated['targetservertype']?.(value) : undefined) ??
    (keyword === 'sslmode' ? translated['ssl']?.(value) : undefined);
  if (other !== undefined) return { kind: 'translated', ...other };
  if (check !== undefined)
    return { kind: 'refused', problem: `its value of ${shownName(name)} is not known` };
  if (keyword !== undefined || others.has(plain) || otherPattern.test(name)) return { kind: 'left out' };
  const meant = closest(plain);
  if (meant !== undefined)
    return { kind: 'refused', problem: `it has ${shownName(name)}, which is not known: is "${meant}" meant` };
  if (translate === undefined && !guarded.test(name)) return { kind: 'left out' };
  return translate === undefined
    ? { kind: 'refused', problem: `the parameter ${shownName(name)} is not known` }
    : { kind: 'refused', problem: `its value of ${shownName(name)} is not known` };
}

/** A keyword of libpq that differs by one letter. */
function closest(plain: string): string | undefined {
  if (plain.length < 4) return undefined;
  return Object.keys(kept).find((name) => isOneOff(plain, plainName(name)));
}

function isOneOff(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  if (long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  if (short.length < long.length) return short.slice(at) === long.slice(at + 1);
  const swapped = `${short[at + 1] ?? ''}${short[at] ?? ''}${short.slice(at + 2)}`;
  return short.slice(at + 1) === long.slice(at + 1) || swapped === long.slice(at);
}
