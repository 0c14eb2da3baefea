/** A machine in memory for deterministic tests: files in a map, programs and processes that are scripted. */
import { posix } from 'node:path';
import type { HostName } from '../../protocol/ids.ts';
import { fail } from '../../protocol/errors.ts';
import type {
  Command,
  CommandResult,
  DetachedCommand,
  FileEntry,
  Machine,
  MachineFiles,
  MachineFileSystem,
  MachineProcesses,
  ProcessIdentity,
  RunOptions,
  TreeFiles,
} from '../machine.ts';

export type FakeProgram = (
  command: Command<unknown>,
  signal: AbortSignal | undefined,
) => Partial<CommandResult> | Promise<Partial<CommandResult>>;

export interface FakeProcess extends ProcessIdentity {
  command: DetachedCommand;
  /** Signals that it got; every one but those in `ignores` ends it. */
  signals: NodeJS.Signals[];
  ignores: NodeJS.Signals[];
}

interface Node {
  kind: FileEntry['kind'];
  text: string;
  mode: number;
  modifiedAt: Date;
}

export interface FakeMachineOptions {
  name: HostName;
  /** What `run` does, by program name; others are missing. */
  programs?: Readonly<Record<string, FakeProgram>>;
  /** Called after a detached process is there, e.g. to let it listen, or to end it. */
  onSpawn?: (process: FakeProcess) => void;
  serverUser?: Machine['serverUser'];
  totalBytes?: number;
  now?: () => Date;
}

export interface FakeMachine extends Machine {
  readonly programs: Map<string, FakeProgram>;
  /** Live detached processes by pid. */
  readonly live: Map<number, FakeProcess>;
  /** Every path with its text, for assertions. */
  paths(): readonly string[];
  /** Ends a process as if it crashed. */
  end(pid: number): void;
  /** As after a reboot: no process is left. */
  reboot(): void;
  /** Ports that somebody else holds. */
  readonly takenPorts: Set<number>;
}

export function createFakeMachine(options: FakeMachineOptions): FakeMachine {
  const { totalBytes = 1e12, now = () => new Date(0), onSpawn } = options;
  const nodes = new Map<string, Node>([
    ['/', { kind: 'directory', text: '', mode: 0o755, modifiedAt: now() }],
  ]);
  const live = new Map<number, FakeProcess>();
  const programs = new Map(Object.entries(options.programs ?? {}));
  const takenPorts = new Set<number>();
  let boot = 1;
  let lastPid = 100;
  let nextPort = 20000;

  const files = createFakeFiles(nodes, totalBytes, now);
  const identify = (pid: number): ProcessIdentity | undefined => {
    const found = live.get(pid);
    return found && { pid, startedAt: found.startedAt };
  };

  const processes: MachineProcesses = {
    async spawnDetached(command) {
      lastPid += 1;
      const process: FakeProcess = {
        pid: lastPid,
        startedAt: `${lastPid}@${boot}`,
        command,
        signals: [],
        ignores: [],
      };
      live.set(process.pid, process);
      await files.append(command.logFile, '');
      onSpawn?.(process);
      return { pid: process.pid, startedAt: process.startedAt };
    },
    identify: async (pid) => identify(pid),
    ended: () => undefined,
    async commandLine(pid) {
      const found = live.get(pid);
      return found && [found.command.program, ...found.command.args];
    },
    async signal(target, signal) {
      const found = live.get(target.pid);
      if (found?.startedAt !== target.startedAt) return false;
      found.signals.push(signal);
      if (!found.ignores.includes(signal)) live.delete(target.pid);
      return true;
    },
    async findMarked(mark) {
      return [...live.values()]
        .filter(({ command }) => command.mark === mark)
        .map(({ pid, startedAt }) => ({ pid, startedAt }));
    },
  };

  return {
    name: options.name,
    kind: 'local',
    platform: 'linux',
    serverUser: options.serverUser,
    isRoot: options.serverUser !== undefined,
    files,
    fileSystem: createFakeFileSystem(nodes),
    processes,
    programs,
    live,
    takenPorts,
    paths: () => [...nodes.keys()].sort(),
    end: (pid) => void live.delete(pid),
    reboot() {
      boot += 1;
      live.clear();
    },

    async run<Value>(command: Command<Value>, { signal, onStdoutLine, onStderrLine }: RunOptions = {}) {
      signal?.throwIfAborted();
      const program = programs.get(command.program);
      if (!program) {
        throw fail('programs_missing', {
          what: command.program,
          searched: ['the scripted programs'],
          install: `Script ${command.program}.`,
        });
      }
      const aborted = new Promise<never>((_, reject) => {
        // `throwIfAborted` keeps the reason what it is, as the local host does.
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      const partial = await Promise.race([Promise.resolve(program(command, signal)), aborted]);
      const result: CommandResult = { code: 0, signal: null, stdout: '', stderr: '', ...partial };
      for (const line of linesOf(result.stdout)) onStdoutLine?.(line);
      for (const line of linesOf(result.stderr)) onStderrLine?.(line);
      return command.parse(result);
    },

    async leasePort(port) {
      let leased = port;
      if (leased === undefined || leased === 0) {
        while (takenPorts.has(nextPort)) nextPort += 1;
        leased = nextPort;
        nextPort += 1;
      } else if (takenPorts.has(leased)) throw fail('port_taken', { port: leased });
      takenPorts.add(leased);
      const held = leased;
      return { port: held, release: async () => void takenPorts.delete(held) };
    },
  };
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code, path });
}

function createFakeFileSystem(nodes: ReadonlyMap<string, Node>): MachineFileSystem {
  return {
    type: async () => 0,
    realPath: async (path) => posix.resolve('/', path),
    cloneFile: async (from) => {
      throw errno('ENOTSUP', from);
    },
    copyTree: async (from) => {
      throw errno('ENOSYS', from);
    },
    copyDifferences: async (from) => {
      throw errno('ENOSYS', from);
    },
    async measure(path) {
      const full = posix.resolve('/', path);
      const files = [...nodes].filter(
        ([other, { kind }]) => kind !== 'directory' && other.startsWith(`${full}/`),
      );
      const bytes = files.reduce((sum, [, { text }]) => sum + Buffer.byteLength(text), 0);
      return { files: files.length, bytes, occupied: bytes };
    },
  };
}

function createFakeFiles(nodes: Map<string, Node>, totalBytes: number, now: () => Date): MachineFiles {
  const locked = new Set<string>();
  const at = (path: string): string => posix.resolve('/', path);
  const below = (path: string): string[] =>
    [...nodes.keys()].filter((other) => other.startsWith(path === '/' ? '/' : `${path}/`) && other !== path);
  const parent = (path: string): void => {
    if (nodes.get(posix.dirname(path))?.kind !== 'directory') throw errno('ENOENT', path);
  };
  const put = (path: string, text: string, mode: number): void => {
    parent(path);
    if (nodes.get(path)?.kind === 'directory') throw errno('EISDIR', path);
    nodes.set(path, { kind: 'file', text, mode, modifiedAt: now() });
  };

  const files: MachineFiles = {
    async read(path, { maxBytes = 16 * 1024 * 1024, part } = {}) {
      const node = nodes.get(at(path));
      if (node === undefined) return undefined;
      if (node.kind === 'directory') throw errno('EISDIR', path);
      if (node.kind !== 'file') throw errno('NOT_REGULAR', path);
      const bytes = Buffer.from(node.text);
      if (part === undefined && bytes.length > maxBytes) throw errno('TOO_LARGE', path);
      return bytes.subarray(...(part === 'end' ? [-maxBytes] : [0, maxBytes])).toString('utf8');
    },
    inside: (tree) => {
      const path = (relative: string): string => {
        if (relative.split('/').includes('..')) throw new Error(`${relative} leads out of ${tree}`);
        return posix.join(tree, relative);
      };
      const read: TreeFiles['read'] = async (relative, options) => files.read(path(relative), options);
      return {
        read,
        readBytes: async (relative, options) => {
          const text = await read(relative, options);
          return text === undefined ? undefined : Buffer.from(text);
        },
        list: async (relative) => files.list(path(relative)),
        stat: async (relative) => files.stat(path(relative)),
        write: async (relative, text) => files.writeAtomic(path(relative), text),
        remove: async (relative) => files.remove(path(relative)),
      };
    },
    async writeAtomic(path, text, mode = 0o600) {
      put(at(path), text, mode);
    },
    async append(path, text) {
      const old = nodes.get(at(path));
      put(at(path), (old?.text ?? '') + text, old?.mode ?? 0o600);
    },
    async makeDirectory(path, { mode } = {}) {
      const full = at(path);
      const parts = full.split('/').slice(1);
      let current = '';
      for (const part of parts) {
        current += `/${part}`;
        const node = nodes.get(current);
        if (!node)
          nodes.set(current, { kind: 'directory', text: '', mode: mode ?? 0o700, modifiedAt: now() });
        else if (node.kind !== 'directory') throw errno('EEXIST', current);
      }
      const node = nodes.get(full);
      if (node && mode !== undefined) node.mode = mode;
    },
    async list(path) {
      const full = at(path);
      const node = nodes.get(full);
      if (!node) return [];
      if (node.kind !== 'directory') throw errno('ENOTDIR', path);
      return below(full)
        .filter((other) => posix.dirname(other) === full)
        .map((other) => ({ name: posix.basename(other), kind: nodes.get(other)?.kind ?? 'other' }));
    },
    async stat(path) {
      const node = nodes.get(at(path));
      return (
        node && {
          kind: node.kind,
          bytes: Buffer.byteLength(node.text),
          mode: node.mode,
          modifiedAt: node.modifiedAt,
          owner: 0,
        }
      );
    },
    async readLink(path) {
      const node = nodes.get(at(path));
      if (node?.kind !== 'symlink') throw errno('EINVAL', path);
      return node.text;
    },
    async rename(from, to) {
      const [source, target] = [at(from), at(to)];
      const node = nodes.get(source);
      if (!node) throw errno('ENOENT', from);
      parent(target);
      if (nodes.has(target) && (nodes.get(target)?.kind === 'directory' ? below(target).length > 0 : false)) {
        throw errno('ENOTEMPTY', to);
      }
      for (const path of [source, ...below(source)]) {
        const moved = nodes.get(path);
        nodes.delete(path);
        if (moved) nodes.set(target + path.slice(source.length), moved);
      }
    },
    async remove(path) {
      const full = at(path);
      if (full === '/') throw new Error('refusing to remove /');
      for (const other of [...below(full), full]) nodes.delete(other);
    },
    async space() {
      let used = 0;
      for (const node of nodes.values()) used += Buffer.byteLength(node.text);
      return { totalBytes, freeBytes: Math.max(0, totalBytes - used) };
    },
    async lock(path) {
      const full = at(path);
      if (locked.has(full)) return undefined;
      if (!nodes.has(full)) put(full, '', 0o600);
      locked.add(full);
      return { release: () => void locked.delete(full) };
    },
    async takeFromServerUser(path) {
      // Files in memory have no owner.
      const [left] = await files.list(path);
      if (left !== undefined) throw new Error(`${path} is not empty`);
    },
    async giveToServerUser() {
      // Files in memory have no owner.
    },
  };
  return files;
}
