/** A data directory that is being prepared: what every step needs, and servers on it that only we use. */
import { fullTarget } from '../fullTarget.ts';
import path from 'node:path';
import type { Client } from 'pg';
import type { Machine } from '../../machine/machine.ts';
import type { ServerPrograms } from './programs/locate.ts';
import { fail } from '../../protocol/errors.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { Runtime, ServerSpec } from '../../runtime/runtime.ts';
import type { Reporter } from '../database.ts';
import { withAdmin } from './admin.ts';
import { waitUntilReady } from './ready.ts';
import { buildServerSpec, socketDirectoryOf } from './serverSpec.ts';
import type { Command, RunOptions } from '../../machine/machine.ts';
import type { Images } from '../../runtime/images.ts';

export interface Workbench {
  machine: Machine;
  runtime: Runtime;
  server: ServerPrograms;
  /** What else could have been taken, the next version first. */
  newerServers: () => Promise<readonly ServerPrograms[]>;
  /** For a server that is an image's. */
  images: Images;
  socketRoot: string;
  /** The data directory. */
  target: string;
  dataset: DatasetId;
  mark: string;
  report: Reporter;
  signal: AbortSignal;
}

/** A running server on the data directory, reachable by its unix socket alone. */
export interface TemporaryServer {
  spec: ServerSpec;
  query: <Value>(database: string, work: (client: Client) => Promise<Value>) => Promise<Value>;
}

/** No subscription calls production, no vacuum in the middle. fsync is off as well, since `syncToDisk` follows. */
const QUIET: Readonly<Record<string, string>> = {
  // Its log is shown in the job: statements of a dump may hold passwords.
  log_statement: 'none',
  log_min_error_statement: 'panic',
  log_min_duration_statement: '-1',
  autovacuum: 'off',
  max_logical_replication_workers: '0',
};

/** For the first start on data from elsewhere: its modules may act, and its prepared transactions need room. */
export const FIRST_START: Readonly<Record<string, string>> = {
  shared_preload_libraries: '',
  // Enough for whatever prepared transactions recovery finds; the lasting setting is counted afterwards.
  max_prepared_transactions: '200',
};

/** What counts in its log, how it began, stands at the start. */
const LOG_BYTES = 1024 * 1024;

/** Runs a program of the server on the data, where the server itself would run: as the server user, or in its image. */
export async function runServerProgram<Value>(
  { machine, images, server, target }: Pick<Workbench, 'machine' | 'images' | 'server' | 'target'>,
  command: Omit<Command<Value>, 'cwd' | 'asServerUser'>,
  options: Pick<RunOptions, 'signal' | 'onStderrLine'>,
): Promise<Value> {
  if (server.image === undefined)
    return await machine.run({ ...command, cwd: target, asServerUser: true }, options);
  return await images.run(server.image, { ...command, folders: [target] }, options);
}

/** The socket folder of a server that only we use also holds its log; both go when the server is stopped, or did not start. */
export async function withTemporaryServer<Value>(
  bench: Workbench,
  extra: Readonly<Record<string, string>>,
  work: (server: TemporaryServer) => Promise<Value>,
): Promise<{ value: Value; log: string }> {
  const { machine } = bench;
  const socketDirectory = await makeSocketDirectory(machine, bench.socketRoot, bench.dataset);
  try {
    return await serve(bench, socketDirectory, extra, work);
  } finally {
    await machine.files.remove(socketDirectory);
  }
}

async function serve<Value>(
  bench: Workbench,
  socketDirectory: string,
  extra: Readonly<Record<string, string>>,
  work: (server: TemporaryServer) => Promise<Value>,
): Promise<{ value: Value; log: string }> {
  const { machine, runtime, signal } = bench;
  const spec = buildServerSpec({
    dataset: bench.dataset,
    title: `the new snapshot (${path.basename(bench.target)})`,
    dataDirectory: bench.target,
    major: bench.server.major,
    program: bench.server.postgres,
    image: bench.server.image,
    platform: machine.platform,
    socketRoot: bench.socketRoot,
    port: null,
    durable: false,
    logFile: path.join(socketDirectory, 'server.log'),
    extra: { ...QUIET, ...extra },
  });
  const running = await runtime.start(spec, signal);
  try {
    await waitUntilReady({
      spec,
      login: undefined,
      signal,
      isAlive: () => runtime.alive(running),
      logTail: (lines) => runtime.logTail(spec, lines),
    });
    const value = await work({
      spec,
      query: (database, ask) => withAdmin({ spec, major: bench.server.major, database, signal }, ask),
    });
    signal.throwIfAborted();
    // Written out here, where it may take its time: the stop that follows has a time limit.
    await withAdmin({ spec, major: bench.server.major, signal }, (client) => client.query('CHECKPOINT'));
    await runtime.stop(running, 'clean');
    const log = await machine.files.read(spec.logFile, { maxBytes: LOG_BYTES, part: 'start' });
    return { value, log: log ?? '' };
  } catch (error) {
    await runtime.stop(running, 'immediate');
    throw await withServerLog(error, bench, spec);
  }
}

/** Aborts stay aborts, a full disk becomes `storage_full`; the log's last lines go to the report. */
async function withServerLog(error: unknown, bench: Workbench, spec: ServerSpec): Promise<unknown> {
  if (bench.signal.aborted) return bench.signal.reason;
  const lines = await bench.runtime.logTail(spec, 10);
  // Most of what a server says is no error, and need not be the cause.
  for (const line of lines)
    bench.report.line(line, /\b(?:ERROR|FATAL|PANIC): /.test(line) ? 'error' : 'info');
  return await fullTarget(bench, error, lines.join('\n'));
}

export async function makeSocketDirectory(
  machine: Machine,
  socketRoot: string,
  dataset: DatasetId,
): Promise<string> {
  const directory = socketDirectoryOf(socketRoot, dataset, machine.platform);
  await machine.files.makeDirectory(directory, { mode: 0o700, serverUser: true });
  return directory;
}

/** fsync of the whole data directory, for what was written with fsync off. */
export async function syncToDisk(bench: Workbench): Promise<void> {
  await runServerProgram(
    bench,
    {
      program: bench.server.initdb,
      args: ['--sync-only', '-D', bench.target],
      env: { LC_ALL: 'C' },
      mark: bench.mark,
      parse: (result) => {
        if (result.code !== 0) {
          throw fail('verification_failed', { problem: `writing to disk failed: ${result.stderr.trim()}` });
        }
      },
    },
    { signal: bench.signal },
  );
}
