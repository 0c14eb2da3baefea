/** Decides how a server is started: its arguments, its socket folder, its environment. */
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { ServerOptions } from '../database.ts';
import { socketDirectoryIn, type SocketPlace } from '../serverSockets.ts';
import { readVersion, versionText, type Flavour } from './flavours.ts';

/** Names the server for those who get only the spec. The server itself does not read it. */
const SERVER_VARIABLE = 'THIN_CLONES_MONGODB';

export interface SpecOptions extends Omit<ServerOptions, 'version' | 'durable'> {
  flavour: Flavour;
  version: string;
  program: string;
  socketRoot: string;
  platform: NodeJS.Platform;
  /** false: nobody has to log in, so it must have no port. Default true. */
  asksForPasswords?: boolean;
}

export function buildServerSpec(options: SpecOptions): ServerSpec {
  const { flavour, version, dataset, dataDirectory, port, asksForPasswords = true } = options;
  if (!asksForPasswords && port !== null) throw new Error('a server without passwords has no port');
  const socketDirectory = socketDirectoryOf(options);
  return {
    identity: dataset,
    title: options.title,
    program: options.program,
    args: flavour.arguments({
      ...{ identity: dataset, dataDirectory, socketDirectory, port, asksForPasswords },
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

export const socketDirectoryOf = (place: SocketPlace): string =>
  socketDirectoryIn(place, 'mongodb-65535.sock');
