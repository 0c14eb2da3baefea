/** The port that keeps a database server running apart from the engine and finds it again by identity. */
import type { ServerLimits } from '../domain/serverLimits.ts';
import type { PinnedImage } from '../protocol/entities.ts';

export interface ServerSpec {
  /** Carried by the server itself, so that readiness and recovery know *this* server: a dataset id. */
  identity: string;
  /** For people, in errors: "feature/a (orders)". */
  title: string;
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  dataDirectory: string;
  /** A folder of mode 0700 of the server user; the server's unix socket is inside. */
  socketDirectory: string;
  /** Loopback TCP port, or null for a server that is reachable by its unix socket alone. */
  port: number | null;
  logFile: string;
  /** The image that has the program; without one it is the machine's. */
  image?: PinnedImage | undefined;
  /** Folders that the server reads beside its own, such as that of its certificate. */
  reads?: readonly string[] | undefined;
  /** What it may take of the machine; only a server of an image is held to it. */
  limits?: ServerLimits | undefined;
}

/** How the servers of one database engine show themselves on a machine. */
export interface ServerTraits {
  /** In the data directory; its first line is the pid. undefined: it writes none, and is found by the mark that it was started with. */
  readonly pidFile: string | undefined;
  /** A file that only data of its kind has: where it is not, nobody looks for a mark, which takes a look at every process. */
  readonly dataFile: string;
  /** A file in the socket folder that a killed server leaves. */
  isSocketFile(name: string): boolean;
  /** A pid file outlives its process, and its pid gets used again: only the arguments tell whose server it is. */
  isServer(commandLine: readonly string[], spec: Pick<ServerSpec, 'identity' | 'dataDirectory'>): boolean;
  /** The title of a process of the server, also of one that has lost its parent. */
  isProcessTitle(title: string, identity: string): boolean;
  readonly stopSignals: Readonly<Record<StopMode, 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGKILL'>>;
}

export interface RunningServer {
  identity: string;
  /** Of this machine, also where the server has other numbers inside of a container. */
  pid: number;
  startedAt: string;
  /** The id of the container that it is in; without one it is in none. */
  container?: string;
}

export type StopMode = 'clean' | 'immediate';

export interface StartOptions {
  /** No server was ever started on this data, so there is none to be found, and no remains of one. */
  isFresh?: boolean;
}

export interface Runtime {
  /** Spawns the server detached; it is not ready yet. One that runs already is found instead, except on fresh data. */
  start(spec: ServerSpec, signal?: AbortSignal, options?: StartOptions): Promise<RunningServer>;
  /** The live server of this identity on this data directory, or undefined. A pid alone is never enough. */
  find(spec: Pick<ServerSpec, 'identity' | 'dataDirectory'>): Promise<RunningServer | undefined>;
  /** Still the same process, running? */
  alive(server: RunningServer): Promise<boolean>;
  /**
   * Resolves when all processes of the server are gone; `clean` becomes `immediate` after a timeout. Idempotent.
   * `told`: called when it was told to end.
   */
  stop(server: RunningServer, mode: StopMode, signal?: AbortSignal, told?: () => void): Promise<void>;
  /** The last lines of a server's log, for errors. */
  logTail(spec: Pick<ServerSpec, 'logFile'>, lines: number): Promise<readonly string[]>;
}
