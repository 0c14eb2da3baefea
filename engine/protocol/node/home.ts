/** Where the engine keeps everything it owns, on this machine, for this user. */
import { createHash } from 'node:crypto';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

export interface HomeEnvironment {
  platform: NodeJS.Platform;
  /** undefined on Windows. */
  uid: number | undefined;
  variables: Readonly<Record<string, string | undefined>>;
}

/** The surroundings of this process. */
export const processEnvironment = (): HomeEnvironment => ({
  platform: process.platform,
  uid: process.getuid?.(),
  variables: process.env,
});

/**
 * `THIN_CLONES_HOME`, else the platform's place for a user's data. Root gets `/var/lib/thin-clones`: database servers
 * run as another user there, who can't enter `/root`.
 */
export function homeDirectory({ platform, uid, variables }: HomeEnvironment): string {
  const named = variables.THIN_CLONES_HOME;
  if (named !== undefined && named !== '') return resolve(named);
  if (platform === 'win32')
    return join(variables.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'thin-clones');
  if (uid === 0) return '/var/lib/thin-clones';
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'thin-clones');
  return join(variables.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'thin-clones');
}

export interface HomePaths {
  home: string;
  /** Mode 0700. */
  engineDirectory: string;
  /** Unix socket, or a named pipe on Windows. A unix socket's path has room for 103 bytes on macOS. */
  socket: string;
  discovery: string;
  lock: string;
  /** The process that holds the lock, for people. */
  holder: string;
  /** Compiled code of the command line and the engine: one folder for each build. */
  code: string;
  log: string;
  state: string;
  secrets: string;
  installation: string;
  /** Which storage was chosen. */
  keptStorage: string;
  /** Other hosts that a person added. */
  hosts: string;
  /** What is known of each of them. */
  hostsFolder: string;
  /** The engine as it is brought to hosts, one file for each platform and build. */
  archives: string;
  settings: string;
  pool: string;
  /** Where the pool file is mounted that was set up for an ordinary user; it lies beside it (`thin.img`). */
  thinPool: string;
  programs: string;
  /** What servers and clients need for TLS. */
  tls: string;
  serverLogs: string;
  scratch: string;
  /** Short, since unix socket paths are: one folder for each server is made inside. May be in the temporary directory. */
  socketRoot: string;
}

/** A unix socket's path has room for 103 bytes (macOS); a server's needs 41 below the root: `/ID/.s.PGSQL.65535.lock`. */
const socketRootRoom = 62;

/** Every path of one home. The socket falls back to a short folder in the temporary directory when it would be too long. */
export function homePaths(environment: HomeEnvironment): HomePaths {
  const home = homeDirectory(environment);
  const engineDirectory = join(home, 'engine');
  // Only where they are needed: to load Node's cryptography takes a third of Node's own start.
  const key = () => createHash('sha256').update(home).digest('hex').slice(0, 12);
  const short = () => {
    const owner = environment.uid ?? userInfo().username;
    return join(environment.platform === 'win32' ? tmpdir() : '/tmp', `thin-clones-${owner}-${key()}`);
  };
  const near = join(engineDirectory, 'engine.sock');
  const run = join(home, 'run');
  const socket =
    environment.platform === 'win32'
      ? `\\\\.\\pipe\\thin-clones-${key()}`
      : near.length <= 100
        ? near
        : join(short(), 'engine.sock');
  return {
    home,
    engineDirectory,
    socket,
    discovery: join(engineDirectory, 'engine.json'),
    lock: join(engineDirectory, 'engine.lock'),
    holder: join(engineDirectory, 'engine.pid'),
    code: join(engineDirectory, 'code'),
    log: join(engineDirectory, 'engine.log'),
    state: join(engineDirectory, 'state.db'),
    secrets: join(engineDirectory, 'secrets'),
    installation: join(engineDirectory, 'installation.json'),
    keptStorage: join(engineDirectory, 'storage.json'),
    hosts: join(engineDirectory, 'hosts.json'),
    hostsFolder: join(engineDirectory, 'hosts'),
    archives: join(engineDirectory, 'archives'),
    settings: join(home, 'settings.json'),
    pool: join(home, 'pool'),
    thinPool: join(home, 'thin'),
    programs: join(home, 'programs'),
    tls: join(home, 'tls'),
    serverLogs: join(home, 'logs'),
    scratch: join(home, 'scratch'),
    socketRoot: run.length <= socketRootRoom ? run : short(),
  };
}
