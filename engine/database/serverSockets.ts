/** The folders of servers' unix sockets, and whether anything listens there. */
import { connect } from 'node:net';
import path from 'node:path';
import { fail } from '../protocol/errors.ts';
import type { DatasetId } from '../protocol/ids.ts';

/** sizeof(sockaddr_un.sun_path) is 108 on Linux and 104 on macOS, with the final NUL. */
const LONGEST_SOCKET_PATH = { linux: 107, other: 103 };

export interface SocketPlace {
  socketRoot: string;
  dataset: DatasetId;
  platform: NodeJS.Platform;
}

/** The name leaves the kind prefix of the id out. */
export const socketFolderName = (identity: string): string => identity.replace(/^data-/, '');

/** One short folder for each server. `longestName`: of a socket in it. */
export function socketDirectoryIn(
  { socketRoot, dataset, platform }: SocketPlace,
  longestName: string,
): string {
  const directory = path.join(socketRoot, socketFolderName(dataset));
  const longest = Buffer.byteLength(path.join(directory, longestName));
  const limit = platform === 'linux' ? LONGEST_SOCKET_PATH.linux : LONGEST_SOCKET_PATH.other;
  if (longest > limit) {
    throw fail('server_start_failed', {
      server: dataset,
      problem: `the folder for unix sockets, ${socketRoot}, is ${longest - limit} characters too long. Set THIN_CLONES_HOME to a shorter path.`,
    });
  }
  return directory;
}

/** True when something listens there: it is connected to, and hung up on. */
export function accepts(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    // Any error means "not yet": who waits looks whether the server lives.
    socket.once('error', () => finish(false));
  });
}
