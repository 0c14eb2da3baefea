/** Keeps database servers running as detached processes of a host, and recognises them again by what they carry. */
import { setTimeout as delay } from 'node:timers/promises';
import { untilGone } from '../../machine/endProcesses.ts';
import type { Machine, ProcessIdentity } from '../../machine/machine.ts';
import { UnfitFileError } from '../../protocol/node/regularFile.ts';
import type { RunningServer, Runtime, ServerSpec, ServerTraits } from '../runtime.ts';
import { findServerProcesses } from './serverProcesses.ts';

/** How long a server may take for an immediate stop before all its processes are killed. */
const IMMEDIATE_PATIENCE_MS = 5_000;
/** How long a server may take for a fast shutdown before it is stopped immediately. */
const CLEAN_PATIENCE_MS = 20_000;
/**
 * Between two looks at a server that an earlier engine started, whose end nobody is told: an immediate stop takes 13-24 ms,
 * and each look 0.2 ms.
 */
const POLL_MS = 2;
/** The same where its end is told: only the time limit and a cancel need a look. */
const SLOW_POLL_MS = 25;

export interface ProcessRuntimeOptions {
  machine: Machine;
  /** Of each engine whose servers it keeps. */
  traits: readonly [ServerTraits, ...ServerTraits[]];
  /** For tests of what happens when a server does not stop. */
  patience?: { immediateMs: number; cleanMs: number };
}

export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const { machine, traits } = options;
  const patience = options.patience ?? {
    immediateMs: IMMEDIATE_PATIENCE_MS,
    cleanMs: CLEAN_PATIENCE_MS,
  };
  /** Until the server has written its pid file it is known only from here. */
  const started = new Map<string, RunningServer>();
  /** Of every server that was found or started here, by identity. */
  const kinds = new Map<string, ServerTraits>();
  const traitsOf = (identity: string): ServerTraits => kinds.get(identity) ?? traits[0];
  const findTraits = (
    line: readonly string[],
    spec: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
  ): ServerTraits | undefined => traits.find((kind) => kind.isServer(line, spec));

  const alive = async (server: RunningServer): Promise<boolean> =>
    (await machine.processes.identify(server.pid))?.startedAt === server.startedAt;

  const find: Runtime['find'] = async (spec) => {
    for (const [pid, kind] of await possiblePids(machine, traits, spec)) {
      const process = await machine.processes.identify(pid);
      const line = process === undefined ? undefined : await machine.processes.commandLine(pid);
      if (process !== undefined && line !== undefined && kind.isServer(line, spec)) {
        kinds.set(spec.identity, kind);
        return { identity: spec.identity, pid, startedAt: process.startedAt };
      }
    }
    const known = started.get(spec.identity);
    if (known === undefined) return undefined;
    const line = await machine.processes.commandLine(known.pid);
    if (line !== undefined && findTraits(line, spec) !== undefined && (await alive(known))) return known;
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
    const ended = machine.processes.ended(server);
    while (await alive(server)) {
      signal?.throwIfAborted();
      if (performance.now() > end) return false;
      if (ended === undefined) await delay(POLL_MS);
      else await Promise.race([ended, delay(SLOW_POLL_MS)]);
    }
    return true;
  };

  /**
   * A server that does not end takes its children with it only if it is asked nicely: each of them may have a process
   * group of its own, and one that computes does not notice that its parent is gone.
   */
  const killAll = async (server: RunningServer): Promise<void> => {
    const children = await findServerProcesses(
      machine,
      traitsOf(server.identity),
      server.identity,
      server.pid,
    );
    await machine.processes.signal(server, 'SIGKILL', true);
    for (const child of children) await machine.processes.signal(child, 'SIGKILL');
    for (const gone of [server, ...children]) await untilGone(machine.processes, gone);
  };

  /** What a killed server or a power failure left: children that still hold the data, stale pid and socket files. */
  const clearRemains = async (spec: ServerSpec, kind: ServerTraits): Promise<void> => {
    const data = machine.files.inside(spec.dataDirectory);
    if ((await data.stat(kind.pidFile)) !== undefined) {
      const orphans = await findServerProcesses(machine, kind, spec.identity, undefined);
      for (const orphan of orphans) await machine.processes.signal(orphan, 'SIGKILL');
      for (const orphan of orphans) await waitUntilGone({ ...orphan, identity: '' }, 2_000, undefined);
      await data.remove(kind.pidFile);
    }
    const sockets = machine.files.inside(spec.socketDirectory);
    for (const { name } of await sockets.list('.')) {
      if (kind.isSocketFile(name)) await sockets.remove(name);
    }
  };

  return {
    alive,
    find,

    async start(spec, signal, { isFresh = false } = {}) {
      signal?.throwIfAborted();
      const running = isFresh ? undefined : await find(spec);
      if (running !== undefined) return running;
      const kind = findTraits([spec.program, ...spec.args], spec) ?? traits[0];
      kinds.set(spec.identity, kind);
      if (!isFresh) await clearRemains(spec, kind);
      signal?.throwIfAborted();
      const process: ProcessIdentity = await machine.processes.spawnDetached({
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

    async stop(server, mode, signal, told) {
      signal?.throwIfAborted();
      const { stopSignals } = traitsOf(server.identity);
      try {
        if (mode === 'clean') {
          await machine.processes.signal(server, stopSignals.clean);
          told?.();
          if (await waitUntilGone(server, patience.cleanMs, signal)) return;
        }
        await machine.processes.signal(server, stopSignals.immediate);
        told?.();
        if (await waitUntilGone(server, patience.immediateMs, signal)) return;
        await killAll(server);
      } finally {
        if (started.get(server.identity)?.pid === server.pid) started.delete(server.identity);
      }
    },

    async logTail(spec, lines) {
      const text = await machine.files
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

/** It has a few lines. */
const PID_FILE_BYTES = 64 * 1024;
const LOG_TAIL_BYTES = 256 * 1024;

/**
 * The process of each pid file. Where SQL put something else in its place (a pipe, a folder, a file without end), those
 * that were started for this data.
 */
async function possiblePids(
  machine: Machine,
  traits: readonly ServerTraits[],
  { identity, dataDirectory }: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
): Promise<readonly (readonly [number, ServerTraits])[]> {
  const found: (readonly [number, ServerTraits])[] = [];
  for (const kind of traits) {
    try {
      const text = await machine.files.inside(dataDirectory).read(kind.pidFile, { maxBytes: PID_FILE_BYTES });
      const pid = Number.parseInt(text?.split('\n', 1)[0] ?? '', 10);
      if (Number.isInteger(pid) && pid > 0) found.push([pid, kind]);
    } catch (error) {
      if (!(error instanceof UnfitFileError)) throw error;
      for (const { pid } of await machine.processes.findMarked(identity)) found.push([pid, kind]);
    }
  }
  return found;
}
