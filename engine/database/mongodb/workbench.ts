/** A data directory that is being prepared, and a server on it that only we reach. */
import { fullTarget } from '../fullTarget.ts';
import path from 'node:path';
import type { MongoClient } from 'mongodb';
import type { Machine } from '../../machine/machine.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Reporter } from '../database.ts';
import { withAdmin } from './admin.ts';
import type { ServerProgram } from './programs.ts';
import { waitUntilReady } from './ready.ts';
import { buildServerSpec, socketDirectoryOf } from './serverSpec.ts';

export interface Workbench {
  machine: Machine;
  runtime: Runtime;
  server: ServerProgram;
  socketRoot: string;
  /** The data directory. */
  target: string;
  dataset: DatasetId;
  mark: string;
  report: Reporter;
  signal: AbortSignal;
}

/** What takes long answers late: a copy of much data, an index over it. */
const ANSWER_MS = 24 * 3_600_000;

/** Runs a server without a port and without passwords, for as long as the work takes. Its folder and log go with it. */
export async function withPrivateServer<Value>(
  bench: Workbench,
  work: (client: MongoClient) => Promise<Value>,
): Promise<Value> {
  const { machine, runtime, signal, server } = bench;
  const socketDirectory = socketDirectoryOf({ ...bench, platform: machine.platform });
  await machine.files.makeDirectory(socketDirectory, { mode: 0o700, serverUser: true });
  const spec = buildServerSpec({
    ...{ flavour: server.flavour, version: server.version, program: server.file },
    ...{ dataset: bench.dataset, dataDirectory: bench.target, socketRoot: bench.socketRoot },
    title: `the new snapshot (${path.basename(bench.target)})`,
    platform: machine.platform,
    ...{ port: null, asksForPasswords: false },
    logFile: path.join(socketDirectory, 'server.log'),
  });
  try {
    const running = await runtime.start(spec, signal);
    try {
      await waitUntilReady({
        ...{ machine, spec, signal, login: undefined, isPrivate: true },
        isAlive: () => runtime.alive(running),
        find: () => runtime.find(spec),
        logTail: (lines) => runtime.logTail(spec, lines),
      });
      const session = { spec, flavour: server.flavour, secret: undefined, timeoutMs: ANSWER_MS, signal };
      const value = await withAdmin(session, work);
      await runtime.stop(running, 'clean');
      return value;
    } catch (error) {
      await runtime.stop(running, 'immediate');
      if (signal.aborted) throw signal.reason;
      const lines = await runtime.logTail(spec, 10);
      for (const line of lines) bench.report.line(line, 'info');
      throw await fullTarget(bench, error, lines.join('\n'));
    }
  } finally {
    await machine.files.remove(socketDirectory);
  }
}
