/** Keeps database servers running as detached processes of a host, and recognises them again by what they carry. */
import type { Machine, ProcessIdentity, TreeFiles } from '../../machine/machine.ts';
import { UnfitFileError } from '../../protocol/node/regularFile.ts';
import type { RunningServer, Runtime, ServerSpec, ServerTraits } from '../runtime.ts';
import { clearRemains } from './clearRemains.ts';
import { endServer, isAlive, usualPatience, type Patience } from './endServer.ts';

export interface ProcessRuntimeOptions {
  machine: Machine;
  /** Of each engine whose servers it keeps. */
  traits: readonly [ServerTraits, ...ServerTraits[]];
  /** For tests of what happens when a server does not stop. */
  patience?: Patience;
}

export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const { machine, traits, patience = usualPatience } = options;
  /** Until the server has written its pid file it is known only from here. */
  const started = new Map<string, RunningServer>();
  /** Of every server that was found or started here, by identity. */
  const kinds = new Map<string, ServerTraits>();
  const findTraits = (
    line: readonly string[],
    spec: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
  ): ServerTraits | undefined => traits.find((kind) => kind.isServer(line, spec));

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
    if (line !== undefined && findTraits(line, spec) !== undefined && (await isAlive(machine, known)))
      return known;
    started.delete(spec.identity);
    return undefined;
  };

  return {
    alive: (server) => isAlive(machine, server),
    find,

    async start(spec, signal, { isFresh = false } = {}) {
      signal?.throwIfAborted();
      const running = isFresh ? undefined : await find(spec);
      if (running !== undefined) return running;
      const kind = findTraits([spec.program, ...spec.args], spec) ?? traits[0];
      kinds.set(spec.identity, kind);
      if (!isFresh) await clearRemains(machine, spec, kind);
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
      try {
        const traitsOfIt = kinds.get(server.identity) ?? traits[0];
        await endServer(machine, traitsOfIt, server, { mode, patience, signal, told });
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
 * The process of each pid file. Where there is none by nature, or where SQL put something else in its place (a pipe, a folder, a file
 * without end), those that were started for this data.
 */
async function possiblePids(
  machine: Machine,
  traits: readonly ServerTraits[],
  { identity, dataDirectory }: Pick<ServerSpec, 'identity' | 'dataDirectory'>,
): Promise<readonly (readonly [number, ServerTraits])[]> {
  const found: (readonly [number, ServerTraits])[] = [];
  const data = machine.files.inside(dataDirectory);
  for (const kind of traits) {
    const { pidFile } = kind;
    const pid = pidFile === undefined ? 'unwritten' : await readPid(data, pidFile);
    if (typeof pid === 'number') {
      // Data is of one kind: nothing else is looked for there.
      found.push([pid, kind]);
      break;
    }
    const isToBeFound =
      pid === 'unreadable' || (pid === 'unwritten' && (await data.stat(kind.dataFile)) !== undefined);
    if (!isToBeFound) continue;
    for (const marked of await machine.processes.findMarked(identity)) found.push([marked.pid, kind]);
  }
  return found;
}

async function readPid(data: TreeFiles, pidFile: string): Promise<number | 'unreadable' | undefined> {
  try {
    const text = await data.read(pidFile, { maxBytes: PID_FILE_BYTES });
    const pid = Number.parseInt(text?.split('\n', 1)[0] ?? '', 10);
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (error instanceof UnfitFileError) return 'unreadable';
    throw error;
  }
}
