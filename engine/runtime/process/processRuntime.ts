/** Keeps PostgreSQL servers running as detached processes of a host, and recognises them again by what they carry. */
import { setTimeout as delay } from 'node:timers/promises';
import { untilGone } from '../../host/endProcesses.ts';
import type { Host, ProcessIdentity } from '../../host/host.ts';
import { UnfitFileError } from '../../protocol/node/regularFile.ts';
import type { RunningServer, Runtime, ServerSpec } from '../runtime.ts';
import { findServerProcesses } from './serverProcesses.ts';

/** How long a server may take for an immediate stop before all its processes are killed. */
const IMMEDIATE_PATIENCE_MS = 5_000;
/** How long a server may take for a fast shutdown before it is stopped immediately. */
const CLEAN_PATIENCE_MS = 20_000;
/** An immediate stop takes 13-24 ms, so looking every 2 ms costs nothing and loses nothing. */
const POLL_MS = 2;

export interface ProcessRuntimeOptions {
  host: Host;
  /** For tests of what happens when a server does not stop. */
  patience?: { immediateMs: number; cleanMs: number };
}

export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const { host } = options;
  const patience = options.patience ?? {
    immediateMs: IMMEDIATE_PATIENCE_MS,
    cleanMs: CLEAN_PATIENCE_MS,
  };
  /** Until the server has written its pid file it is known only from here. */
  const started = new Map<string, RunningServer>();

  const alive = async (server: RunningServer): Promise<boolean> =>
    (await host.processes.identify(server.pid))?.startedAt === server.startedAt;

  const find: Runtime['find'] = async (spec) => {
    for (const pid of await possiblePids(host, spec)) {
      const process = await host.processes.identify(pid);
      const line = process === undefined ? undefined : await host.processes.commandLine(pid);
      if (process !== undefined && line !== undefined && isServerOf(line, spec)) {
        return { identity: spec.identity, pid, startedAt: process.startedAt };
      }
    }
    const known = started.get(spec.identity);
    if (known === undefined) return undefined;
    const line = await host.processes.commandLine(known.pid);
    if (line !== undefined && isServerOf(line, spec) && (await alive(known))) return known;
    started.delete(spec.identity);
    return undefined;
  };

  /** Resolves to false when the time is over and the process is still there. */
  const waitUntilGone = async (
    server: RunningServer,
    patienceMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> => {
    const end = performance.now() + patienceMs;
    while (await alive(server)) {
      signal?.throwIfAborted();
      if (performance.now() > end) return false;
      await delay(POLL_MS);
    }
    return true;
  };

  /**
   * A postmaster that does not end takes its children with it only if it is asked nicely: each of them has a process
   * group of its own, and one that computes does not notice that its parent is gone.
   */
  const killAll = async (server: RunningServer): Promise<void> => {
    const children = await findServerProcesses(host, server.identity, server.pid);
    await host.processes.signal(server, 'SIGKILL', true);
    for (const child of children) await host.processes.signal(child, 'SIGKILL');
    for (const gone of [server, ...children]) await untilGone(host.processes, gone);
  };

  /** What a killed postmaster or a power failure left: children that still hold the data, stale pid and socket files. */
  const clearRemains = async (spec: ServerSpec): Promise<void> => {
    const data = host.files.inside(spec.dataDirectory);
    if ((await data.stat(PID_FILE)) !== undefined) {
      const orphans = await findServerProcesses(host, spec.identity, undefined);
      for (const orphan of orphans) await host.processes.signal(orphan, 'SIGKILL');
      for (const orphan of orphans) await waitUntilGone({ ...orphan, identity: '' }, 2_000, undefined);
      await data.remove(PID_FILE);
    }
    const sockets = host.files.inside(spec.socketDirectory);
    for (const { name } of await sockets.list('.')) {
      if (name.startsWith('.s.PGSQL.')) await sockets.remove(name);
    }
  };

  return {
    alive,
    find,

    async start(spec, signal) {
      signal?.throwIfAborted();
      const running = await find(spec);
      if (running !== undefined) return running;
      await clearRemains(spec);
      signal?.throwIfAborted();
      const process: ProcessIdentity = await host.processes.spawnDetached({
        program: spec.program,
        args: spec.args,
        env: spec.env,
        cwd: spec.dataDirectory,
        logFile: spec.logFile,
        mark: spec.identity,
      });
      const server = { identity: spec.identity, pid: process.pid, startedAt: process.startedAt };
      started.set(spec.identity, server);
      return server;
    },

    async stop(server, mode, signal) {
      signal?.throwIfAborted();
      try {
        if (mode === 'clean') {
          await host.processes.signal(server, 'SIGINT');
          if (await waitUntilGone(server, patience.cleanMs, signal)) return;
        }
        await host.processes.signal(server, 'SIGQUIT');
        if (await waitUntilGone(server, patience.immediateMs, signal)) return;
        await killAll(server);
      } finally {
        if (started.get(server.identity)?.pid === server.pid) started.delete(server.identity);
      }
    },

    async logTail(spec, lines) {
      const text = await host.files
        .read(spec.logFile, { maxBytes: LOG_TAIL_BYTES, part: 'end' })
        .catch((error: unknown) => {
          // What stands in the log's place is the answer to why there is none.
          if (error instanceof UnfitFileError) return error.message;
          throw error;
        });
      return (text ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .slice(-lines);
    },
  };
}

const PID_FILE = 'postmaster.pid';
/** It has a few lines. */
const PID_FILE_BYTES = 64 * 1024;
const LOG_TAIL_BYTES = 256 * 1024;

/**
 * The process of the pid file. Where SQL put something else in its place (a pipe, a folder, a file without end), those
 * that were started for this data.
 */
async function possiblePids(
  host: Host,
  { identity, dataDirectory }: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
): Promise<readonly number[]> {
  try {
    const text = await host.files.inside(dataDirectory).read(PID_FILE, { maxBytes: PID_FILE_BYTES });
    const pid = Number.parseInt(text?.split('\n', 1)[0] ?? '', 10);
    return Number.isInteger(pid) && pid > 0 ? [pid] : [];
  } catch (error) {
    if (!(error instanceof UnfitFileError)) throw error;
    return (await host.processes.findMarked(identity)).map(({ pid }) => pid);
  }
}

/** A pid file outlives its process, and its pid gets used again: only the arguments tell whose server it is. */
function isServerOf(
  commandLine: readonly string[],
  spec: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
): boolean {
  return commandLine.includes(spec.dataDirectory) && commandLine.includes(`cluster_name=${spec.identity}`);
}
