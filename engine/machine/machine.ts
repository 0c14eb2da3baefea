/** The port to a machine where clones live: commands as data, files, processes and listening ports there. */
import type { HostName } from '../protocol/ids.ts';

export interface CommandResult {
  /** Exit code; null when it was ended by a signal. */
  code: number | null;
  signal: string | null;
  stdout: string;
  /** At most the last 64 KiB. */
  stderr: string;
}

/** A command is data, never a shell string; `parse` turns its result into a value or throws an error of the table. */
export interface Command<Value> {
  program: string;
  args: readonly string[];
  /** Added to the host's own environment. Passwords go here, never into `args`. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Run as the unprivileged user that owns database servers, where the engine is root; else ignored. */
  asServerUser?: boolean;
  stdin?: string;
  /** Marks the process in its environment (`THIN_CLONES_MARK`), so that a later engine can find what a killed one left. */
  mark?: string;
  parse: (result: CommandResult) => Value;
}

export interface RunOptions {
  /** Ends the process group (TERM, then KILL after 2 s) and rejects with the abort reason. */
  signal?: AbortSignal | undefined;
  onStdoutLine?: (line: string) => void;
  onStderrLine?: (line: string) => void;
}

/** A process as the operating system tells it; `startedAt` (kernel ticks or epoch ms as text) makes a pid an identity. */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

export interface DetachedCommand {
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** stdout and stderr are appended here. */
  logFile: string;
  mark: string;
}

export interface MachineProcesses {
  /** Starts a process that outlives the engine, as the server user. Resolves when it is spawned. */
  spawnDetached(command: DetachedCommand): Promise<ProcessIdentity>;
  /** The identity of a pid now, or undefined when there is none. */
  identify(pid: number): Promise<ProcessIdentity | undefined>;
  /**
   * Resolves when a process that this engine started has ended and was reaped; undefined for any other, whose end only
   * looking tells.
   */
  ended(process: ProcessIdentity): Promise<void> | undefined;
  /** The arguments of a live process, or undefined. */
  commandLine(pid: number): Promise<readonly string[] | undefined>;
  /** Sends a signal to exactly this process (and its group if asked); false when it is gone. */
  signal(
    process: ProcessIdentity,
    signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGKILL',
    group?: boolean,
  ): Promise<boolean>;
  /** All live processes whose environment carries this mark. */
  findMarked(mark: string): Promise<readonly ProcessIdentity[]>;
}

export interface FileEntry {
  name: string;
  kind: 'file' | 'directory' | 'symlink' | 'other';
}

export interface FileFacts {
  kind: FileEntry['kind'];
  bytes: number;
  mode: number;
  modifiedAt: Date;
  /** The number of the user. */
  owner: number;
}

export interface ReadOptions {
  /** A file that is larger is refused, except where only one end of it is asked for. Default 16 MB. */
  maxBytes?: number;
  /** The first or last `maxBytes` are enough. */
  part?: 'start' | 'end';
}

/**
 * What lies below a directory that the server user owns, and may be changed by it at any moment. Paths are relative, with
 * `/`. No link is followed, and where one is on the way there is nothing (ENOTDIR for what changes something).
 */
export interface TreeFiles {
  /** As `HostFiles.read`. */
  read(relative: string, options?: ReadOptions): Promise<string | undefined>;
  readBytes(relative: string, options?: ReadOptions): Promise<Buffer | undefined>;
  /** Empty when there is no such directory. */
  list(relative: string): Promise<readonly FileEntry[]>;
  stat(relative: string): Promise<FileFacts | undefined>;
  /** Atomic, of mode 0600, the server user's. */
  write(relative: string, text: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens when it is not there. */
  remove(relative: string): Promise<void>;
}

/** Held by this process until it is released, or until the process ends, however it does. */
export interface FileLock {
  release(): void;
}

export interface MachineFiles {
  /** undefined when there is no such file. Errors: UnfitFileError for a link and for all that is no file. */
  read(path: string, options?: ReadOptions): Promise<string | undefined>;
  /** Works below a directory of the server user. */
  inside(tree: string): TreeFiles;
  /**
   * Atomic: a new file beside it, fsync, rename. Default mode 0600. With durability `system` nothing waits for the disk:
   * it survives a killed engine, and a power failure once the operating system has written it (seconds).
   */
  writeAtomic(path: string, text: string, mode?: number, durability?: 'now' | 'system'): Promise<void>;
  append(path: string, text: string): Promise<void>;
  makeDirectory(path: string, options?: { mode?: number; serverUser?: boolean }): Promise<void>;
  /** Empty when there is no such directory. */
  list(path: string): Promise<readonly FileEntry[]>;
  stat(path: string): Promise<FileFacts | undefined>;
  readLink(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens when it is not there. Never follows links. */
  remove(path: string): Promise<void>;
  /** Total and free bytes of the file system that holds the path. */
  space(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
  /**
   * Locks a file that holds nothing else, made when it is missing; undefined while another process has it, or this one. The lock
   * lies on the file and not on its name.
   */
  lock(path: string): Promise<FileLock | undefined>;
  /**
   * Takes an empty directory from the server user where the engine is root, until `giveToServerUser`: what root writes
   * there nobody else can swap. Rejects when something is in it.
   */
  takeFromServerUser(directory: string): Promise<void>;
  /** Gives a file, or a directory with all that is in it, to the server user where the engine is root; nothing else. */
  giveToServerUser(path: string): Promise<void>;
}

export interface TreeSize {
  files: number;
  /** As programs see it. */
  bytes: number;
  /** Blocks on the disk, shared or not, times their size. */
  occupied: number;
}

/** What a store asks of the file system that holds a path. Errors are the operating system's own. */
export interface MachineFileSystem {
  /** Its magic number (statfs(2)). */
  type(path: string): Promise<number>;
  /** The path without links. */
  realPath(path: string): Promise<string>;
  /** A new file that shares the blocks of another; rejects where the file system can't. */
  cloneFile(from: string, to: string): Promise<void>;
  /** Copies a tree byte by byte, for machines without a cp(1) that does it well. */
  copyTree(from: string, to: string, signal?: AbortSignal): Promise<void>;
  /**
   * Makes a tree equal to another one of the same origin by writing only the blocks that differ, so that the others stay
   * shared with whatever they are shared with. Owners of new files are the engine's user.
   */
  copyDifferences(from: string, to: string, signal?: AbortSignal): Promise<void>;
  /** Adds up the files of a tree; what disappears meanwhile counts nothing. */
  measure(path: string): Promise<TreeSize>;
}

/** A port held by an open socket, so that nobody else gets it until `release`. */
export interface PortLease {
  port: number;
  release(): Promise<void>;
}

export interface Machine {
  readonly name: HostName;
  readonly kind: 'local' | 'ssh' | 'docker' | 'dblab';
  readonly platform: NodeJS.Platform;
  /** True when database servers run as another user than the engine. */
  readonly serverUser: { name: string; uid: number; gid: number } | undefined;
  /** The engine may mount there, and act for other users. */
  readonly isRoot: boolean;
  readonly files: MachineFiles;
  readonly fileSystem: MachineFileSystem;
  readonly processes: MachineProcesses;
  run<Value>(command: Command<Value>, options?: RunOptions): Promise<Value>;
  /** Leases a loopback port by binding it: the preferred one, or any. Rejects with `port_taken` when `port` is given and taken. */
  leasePort(port?: number): Promise<PortLease>;
}
