/** The kinds of server that speak MongoDB's protocol: how each is started, how it shows itself, and what it can't do. */
import path from 'node:path';
import type { ServerTraits } from '../../runtime/runtime.ts';
import { socketFolderName } from '../serverSockets.ts';

export type FlavourName = 'ferretdb' | 'mongod';

/** What a server can hold. What is missing is left out of a copy by name, with a warning. */
export interface Abilities {
  readonly views: boolean;
  readonly timeSeries: boolean;
  readonly validators: boolean;
  /** `createUser` takes roles. Where there are none, every user may do everything. */
  readonly roles: boolean;
  /** `fsync` writes out what is in memory. Where there is none, every write is in the files at once. */
  readonly fsync: boolean;
}

export interface StartOptions {
  readonly identity: string;
  readonly dataDirectory: string;
  readonly socketDirectory: string;
  readonly port: number | null;
  /** Without it nobody has to log in: for a server that is reachable by its socket alone, in a folder that only we enter. */
  readonly asksForPasswords: boolean;
}

export interface Flavour {
  readonly name: FlavourName;
  /** For people. */
  readonly title: string;
  readonly abilities: Abilities;
  readonly traits: ServerTraits;
  arguments(options: StartOptions): readonly string[];
  socketFile(options: Pick<StartOptions, 'socketDirectory' | 'port'>): string;
}

/** https://docs.ferretdb.io/v1.24/configuration/flags/ */
const ferretdb: Flavour = {
  name: 'ferretdb',
  title: 'FerretDB',
  abilities: {
    ...{ views: false, timeSeries: false, validators: false },
    ...{ roles: false, fsync: false },
  },
  traits: {
    pidFile: undefined,
    dataFile: 'admin.sqlite',
    isSocketFile: (name) => name === 'mongodb.sock',
    isServer: (line, { identity, dataDirectory }) =>
      line.includes(`--sqlite-url=${directoryUrl(dataDirectory)}`) &&
      line.some((argument) => argument.startsWith('--listen-unix=') && argument.includes(folderOf(identity))),
    // It is one process.
    isProcessTitle: () => false,
    // SIGQUIT has a Go program write out what all its threads do, and end.
    stopSignals: { clean: 'SIGTERM', immediate: 'SIGKILL' },
  },
  arguments: (options) => [
    '--handler=sqlite',
    `--sqlite-url=${directoryUrl(options.dataDirectory)}`,
    `--state-dir=${options.socketDirectory}`,
    `--listen-unix=${ferretdb.socketFile(options)}`,
    `--listen-addr=${options.port === null ? '' : `127.0.0.1:${options.port}`}`,
    `--test-enable-new-auth=${options.asksForPasswords}`,
    ...['--debug-addr=-', '--telemetry=disable', '--log-level=warn', '--log-format=console'],
  ],
  socketFile: ({ socketDirectory }) => path.join(socketDirectory, 'mongodb.sock'),
};

/** https://www.mongodb.com/docs/manual/reference/program/mongod/ */
const mongod: Flavour = {
  name: 'mongod',
  title: 'MongoDB',
  abilities: {
    ...{ views: true, timeSeries: true, validators: true },
    ...{ roles: true, fsync: true },
  },
  traits: {
    pidFile: 'mongod.lock',
    dataFile: 'WiredTiger',
    isSocketFile: (name) => /^mongodb-\d+\.sock$/.test(name),
    isServer: (line, { identity, dataDirectory }) =>
      line.includes(dataDirectory) &&
      line.some(
        (argument, index) =>
          line[index - 1] === '--unixSocketPrefix' && `${argument}/`.includes(folderOf(identity)),
      ),
    isProcessTitle: () => false,
    stopSignals: { clean: 'SIGTERM', immediate: 'SIGKILL' },
  },
  arguments: (options) => [
    ...['--dbpath', options.dataDirectory],
    ...['--unixSocketPrefix', options.socketDirectory, '--filePermissions', '0700'],
    ...(options.port === null
      ? // It always listens somewhere: nobody reaches an address of the socket alone.
        ['--bind_ip', mongod.socketFile(options), '--port', String(PORT_OF_SOCKET)]
      : ['--bind_ip', `127.0.0.1,${mongod.socketFile(options)}`, '--port', String(options.port)]),
    ...(options.asksForPasswords ? ['--auth'] : ['--noauth']),
    ...['--quiet', '--setParameter', 'diagnosticDataCollectionEnabled=false'],
    ...['--setParameter', 'disableLogicalSessionCacheRefresh=true'],
    ...['--wiredTigerCacheSizeGB', '0.25'],
  ],
  socketFile: ({ socketDirectory, port }) =>
    path.join(socketDirectory, `mongodb-${port ?? PORT_OF_SOCKET}.sock`),
};

/** The name of a socket has a port's number in it, also where there is no port. */
const PORT_OF_SOCKET = 27017;

export const flavours = [ferretdb, mongod] as const;

const folderOf = (identity: string): string => `/${socketFolderName(identity)}/`;

/** A URI whose path is a directory: https://www.sqlite.org/uri.html, which ends at "?" and "#". */
const directoryUrl = (directory: string): string =>
  `file:${encodeURI(directory).replaceAll('?', '%3f').replaceAll('#', '%23')}/`;

/** "ferretdb 1.24": which server a copy's data needs. */
export const versionText = (flavour: Flavour, version: string): string => `${flavour.name} ${version}`;

export function readVersion(text: string): { flavour: Flavour; version: string } | undefined {
  const [name, version] = text.split(' ');
  const flavour = flavours.find((each) => each.name === name);
  return flavour === undefined || version === undefined ? undefined : { flavour, version };
}
