/** Makes of a connection URL what libpq makes of it: the servers to try, each with all that its connection takes. */
import path from 'node:path';
import { fail } from '../../../protocol/errors.ts';
import type { Machine } from '../../../machine/machine.ts';
import {
  isSocketFolder,
  pairsOf,
  readConnectionUrl,
  readPairs,
  type ConnectionUrl,
  type UrlServer,
} from '../../../protocol/connectionUrl/connectionUrl.ts';
import {
  sslModes,
  type Parameters,
  type SslMode,
  type sessionKinds,
} from '../../../protocol/connectionUrl/parameters.ts';
import { isUnfit, type OwnFiles } from './ownFiles.ts';
import { passwordFrom } from './passfile.ts';
import { readService } from './serviceFile.ts';
import { findTlsFiles } from './tls.ts';

/** One server, and how to connect to it. */
export interface SourceConnection {
  /** A host name, an address, or the folder of a unix socket: what a certificate has to name, and errors do. */
  host: string;
  /** Where it is, without asking anybody for its name. */
  hostaddr: string | undefined;
  port: number;
  user: string;
  database: string;
  password: string | undefined;
  sslMode: SslMode;
  /** The others of libpq that the URL has, by its names; files by their paths. */
  parameters: Parameters;
  /** Of the key for TLS, from a service file. */
  keyPassword: string | undefined;
  connectSeconds: number;
}

export type SessionKind = (typeof sessionKinds)[number];

export interface Candidates {
  /** In the order in which they are tried. */
  readonly servers: readonly SourceConnection[];
  readonly sessionKind: SessionKind;
  /** Sentences: what was left out of the URL. */
  readonly notes: readonly string[];
}

const CONNECT_SECONDS = 10;
const LONGEST_CONNECT_SECONDS = 600;
const PORT = 5432;
/** Where servers put their socket when nobody says otherwise: Debian and its like, and PostgreSQL itself. */
const SOCKET_FOLDERS = ['/var/run/postgresql', '/tmp'];
const FILES = ['passfile', 'servicefile', 'sslrootcert', 'sslcert', 'sslkey', 'sslcrl', 'sslcrldir'];

/** Rejects with `source_url`, `source_tls`. A password in the URL is accepted, but the one given apart wins. */
export async function findCandidates(
  machine: Pick<Machine, 'files' | 'platform'>,
  own: OwnFiles,
  text: string | undefined,
  password: string | undefined,
): Promise<Candidates> {
  if (text === undefined || text === '') throw unusable('it is missing');
  const read = readConnectionUrl(text);
  if (!read.ok) throw unusable(read.problem);
  const { url, keyPassword } = await withService(read.value, own).catch((error: unknown) => {
    throw isUnfit(error) && error instanceof Error
      ? unusable(`its service file: ${error.message}`, error)
      : error;
  });
  const parameters = placed(url.parameters, own);
  const user = url.user ?? own.user;
  const database = url.database ?? user;
  const places =
    url.servers.length === 0 ? [{ host: '', hostaddr: undefined, port: undefined }] : url.servers;
  const servers: SourceConnection[] = [];
  for (const place of places) {
    const port = place.port ?? PORT;
    const host = await hostOf(place, port, machine);
    // libpq's: a socket knows no TLS.
    const sslMode = isSocketFolder(host) ? 'disable' : modeOf(parameters);
    const wanted = {
      host: place.host === '' ? (place.hostaddr ?? 'localhost') : host,
      ...{ port, database, user },
    };
    const passfile = parameters['passfile'] ?? own.inHome('.pgpass');
    servers.push({
      ...{ host, hostaddr: place.hostaddr, port, user, database, sslMode, keyPassword },
      password: password ?? url.password ?? (await passwordFrom(passfile, wanted, own, machine)),
      parameters: await findTlsFiles(parameters, sslMode, host, own),
      connectSeconds: secondsOf(parameters),
    });
  }
  return {
    servers: parameters['load_balance_hosts'] === 'random' ? shuffled(servers) : servers,
    sessionKind: (parameters['target_session_attrs'] ?? 'any') as SessionKind,
    notes: url.notes,
  };
}

const unusable = (problem: string, cause?: unknown): Error =>
  fail('source_url', { problem }, cause === undefined ? {} : { cause });

/** What the URL itself says counts more than its service. */
async function withService(
  url: ConnectionUrl,
  own: OwnFiles,
): Promise<{ url: ConnectionUrl; keyPassword: string | undefined }> {
  const { service, servicefile, ...parameters } = url.parameters;
  if (service === undefined) return { url, keyPassword: undefined };
  const file = servicefile === undefined ? undefined : absolute('servicefile', servicefile, own);
  const pairs = await readService(service, file, own);
  const keyPassword = pairs.findLast(([name]) => name === 'sslpassword')?.[1];
  const read = readPairs([
    ...pairs.filter(([name]) => name !== 'sslpassword'),
    ...pairsOf({ ...url, parameters }),
  ]);
  if (!read.ok) throw unusable(`of the service "${service}": ${read.problem}`);
  return { url: { ...read.value, notes: [...url.notes, ...read.value.notes] }, keyPassword };
}

/** An engine has no folder that people are in: so a file is named by its whole path, or from the home. */
function absolute(name: string, file: string, own: OwnFiles): string {
  if (file.startsWith('~/')) return own.inHome(file.slice(2));
  if (path.isAbsolute(file)) return file;
  throw unusable(`the path of ${name} is not absolute`);
}

function placed(parameters: Parameters, own: OwnFiles): Parameters {
  const found: Record<string, string> = { ...parameters };
  for (const name of FILES) {
    const file = found[name];
    if (file !== undefined && !(name === 'sslrootcert' && file === 'system'))
      found[name] = absolute(name, file, own);
  }
  return found;
}

async function hostOf(
  { host, hostaddr }: UrlServer,
  port: number,
  machine: Pick<Machine, 'files' | 'platform'>,
): Promise<string> {
  if (host !== '') return host;
  if (hostaddr !== undefined) return hostaddr;
  if (machine.platform === 'win32') return 'localhost';
  for (const folder of SOCKET_FOLDERS)
    if ((await machine.files.stat(`${folder}/.s.PGSQL.${port}`)) !== undefined) return folder;
  return 'localhost';
}

function modeOf(parameters: Parameters): SslMode {
  const asked = parameters['sslmode'];
  if (asked === undefined && parameters['sslrootcert'] === 'system') return 'verify-full';
  return sslModes.find((mode) => mode === asked) ?? 'prefer';
}

/** As libpq: less than two seconds are two. What would wait for ever waits as long as without a word. */
function secondsOf(parameters: Parameters): number {
  const seconds = Number(parameters['connect_timeout'] ?? 0);
  return seconds <= 0 ? CONNECT_SECONDS : Math.min(Math.max(seconds, 2), LONGEST_CONNECT_SECONDS);
}

function shuffled<Item>(items: readonly Item[]): readonly Item[] {
  const rest = [...items];
  const mixed: Item[] = [];
  while (rest.length > 0) mixed.push(...rest.splice(Math.floor(Math.random() * rest.length), 1));
  return mixed;
}
