/** Decides how a server is started: its arguments, its socket folder, its environment. */
import path from 'node:path';
import { fail } from '../../protocol/errors.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { ServerOptions } from '../database.ts';
import { folderOf, readVersion, versionText, type Flavour } from './flavours.ts';

/** sizeof(sockaddr_un.sun_path) is 108 on Linux and 104 on macOS, with the final NUL. */
const LONGEST_SOCKET_PATH = { linux: 107, other: 103 };
/** Names the server for those who get only the spec. The server itself does not read it. */
const SERVER_VARIABLE = 'THIN_CLONES_MONGODB';

export interface SpecOptions extends Omit<ServerOptions, 'version'> {
  flavour: Flavour;
  version: string;
  program: string;
  socketRoot: string;
  platform: NodeJS.Platform;
  /** false: nobody has to log in, so it must have no port. Default true. */
  asksForPasswords?: boolean;
}

export function buildServerSpec(options: SpecOptions): ServerSpec {
  const { flavour, version, dataset, dataDirectory, port, durable, asksForPasswords = true } = options;
  if (!asksForPasswords && port !== null) throw new Error('a server without passwords has no port');
  const socketDirectory = socketDirectoryOf(options);
  return {
    identity: dataset,
    title: options.title,
    program: options.program,
    args: flavour.arguments({
      ...{ identity: dataset, dataDirectory, socketDirectory, port, asksForPasswords, durable },
    }),
    env: { [SERVER_VARIABLE]: versionText(flavour, version) },
    dataDirectory,
    socketDirectory,
    port,
    logFile: options.logFile,
  };
}

export function flavourOf(spec: Pick<ServerSpec, 'env' | 'title'>): Flavour {
  const read = readVersion(spec.env[SERVER_VARIABLE] ?? '');
  if (read === undefined) throw new Error(`${spec.title} is no server of MongoDB's protocol`);
  return read.flavour;
}

/** One short folder for each server. */
export function socketDirectoryOf(
  options: Pick<SpecOptions, 'socketRoot' | 'platform'> & { dataset: DatasetId },
): string {
  const { socketRoot, dataset, platform } = options;
  const directory = path.join(socketRoot, folderOf(dataset));
  const longest = Buffer.byteLength(path.join(directory, 'mongodb-65535.sock'));
  const limit = platform === 'linux' ? LONGEST_SOCKET_PATH.linux : LONGEST_SOCKET_PATH.other;
  if (longest > limit) {
    throw fail('server_start_failed', {
      server: dataset,
      problem: `the folder for unix sockets, ${socketRoot}, is ${longest - limit} characters too long. Set THIN_CLONES_HOME to a shorter path.`,
    });
  }
  return directory.replace(/\/$/, '');
}
