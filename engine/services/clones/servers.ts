/** The database servers of clones: start them on their ports, find them again, stop them, notice when one ends. */
import { join } from 'node:path';
import type { ServerLimits } from '../../domain/serverLimits.ts';
import type { Login } from '../../database/database.ts';
import type { PortLease } from '../../machine/machine.ts';
import type { DatabaseEngine, PinnedImage } from '../../protocol/entities.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { DatasetId, MemberName } from '../../protocol/ids.ts';
import type { RunningServer, ServerSpec, StopMode } from '../../runtime/runtime.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import { createTurns } from '../turns.ts';

/** One member's server: which data it serves, and where. */
export interface MemberServer {
  name: MemberName;
  engine: DatabaseEngine;
  version: string;
  /** That its data was made in. */
  image?: PinnedImage | undefined;
  dataset: DatasetId;
  port: number;
  /** The one that people work with. */
  database: string;
}

export interface StartOptions {
  /** For people: the clone's name. */
  title: string;
  durable: boolean;
  limits?: ServerLimits | undefined;
  login: Login;
  /** A port held until the moment of the start. */
  lease?: PortLease | undefined;
  /** The job that starts it has made its data, and started no server on it before: nothing is looked for. */
  isFresh?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Work on one dataset's server is done one after another: it is never started twice, or stopped under a start. */
export interface Servers {
  /** While its data is copied: what a start needs besides. Not needed; a start on another port does it anew. */
  prepare(member: MemberServer, options: Pick<StartOptions, 'title' | 'durable' | 'limits'>): Promise<void>;
  /** Starts a member's server, or finds it running; resolves when it answers and the login works. */
  start(member: MemberServer, options: StartOptions): Promise<void>;
  /**
   * Stops a member's server if it runs, also one that an earlier engine started; ends a start that is under way.
   * `told`: as of `Runtime.stop`.
   */
  stop(
    member: Pick<MemberServer, 'engine' | 'dataset' | 'version'>,
    mode: StopMode,
    signal?: AbortSignal,
    told?: () => void,
  ): Promise<void>;
  /** A start, a stop or a look is under way, which `running` would wait for. */
  isAtWork(member: Pick<MemberServer, 'dataset'>): boolean;
  /** Waits for a start that is under way. */
  running(member: Pick<MemberServer, 'dataset'>): Promise<boolean>;
  /** Removes what the servers of destroyed data left beside it: socket folder and log. */
  clear(datasets: readonly DatasetId[]): Promise<void>;
  /** Before a live copy: what is in memory reaches the data files. */
  flush(
    member: MemberServer,
    options: Pick<StartOptions, 'title' | 'durable' | 'limits'>,
    signal?: AbortSignal,
  ): Promise<void>;
  spec(
    member: MemberServer,
    options: Pick<StartOptions, 'title' | 'durable' | 'limits'>,
  ): Promise<ServerSpec>;
}

/** One that runs answers in moments, unless it hangs: who takes something back must not wait for long. */
const runningPatienceMs = 5000;

/** A server's folder in `directories.sockets`: short, since paths of unix sockets are. */
export const socketFolder = (dataset: DatasetId): string => dataset.replace(/^data-/, '');

export function createServers(context: ServiceContext): Servers {
  const { storage, runtime } = context;
  const turns = createTurns<DatasetId>();
  const known = new Map<DatasetId, RunningServer>();
  /** Of servers that are about to be started. */
  const prepared = new Map<DatasetId, ServerSpec>();
  /** By dataset: ends the starts that were asked for. */
  const starts = new Map<DatasetId, Set<AbortController>>();

  const find = async (dataset: DatasetId): Promise<RunningServer | undefined> => {
    const remembered = known.get(dataset);
    if (remembered !== undefined && (await runtime.alive(remembered))) return remembered;
    known.delete(dataset);
    const found = await runtime.find({ identity: dataset, dataDirectory: storage.path(dataset) });
    if (found !== undefined) known.set(dataset, found);
    return found;
  };

  const start = async (
    member: MemberServer,
    { title, durable, limits, login, lease, isFresh = false, signal }: StartOptions,
  ): Promise<void> => {
    signal?.throwIfAborted();
    const database = databaseOf(context, member.engine);
    const before = prepared.get(member.dataset);
    prepared.delete(member.dataset);
    const spec =
      before?.port === member.port ? before : await specOf(context, member, { title, durable, limits });
    const found = isFresh ? undefined : await find(member.dataset);
    await lease?.release();
    const server = found ?? (await runtime.start(spec, signal, { isFresh }));
    known.set(member.dataset, server);
    try {
      const patienceMs = found === undefined ? undefined : runningPatienceMs;
      const person = { ...login, database: member.database };
      await database.ready(spec, () => runtime.alive(server), person, signal, patienceMs);
    } catch (error) {
      // One that ran before may be in use.
      if (found === undefined) {
        await runtime.stop(server, 'immediate');
        known.delete(member.dataset);
      }
      throw await explained(context, spec, error, signal);
    }
  };

  return {
    async prepare(member, options) {
      prepared.set(member.dataset, await specOf(context, member, options));
    },
    spec: (member, options) => specOf(context, member, options),
    async flush(member, options, signal) {
      const spec = await specOf(context, member, options);
      try {
        await databaseOf(context, member.engine).flush(spec, signal);
      } catch (error) {
        throw await explained(context, spec, error, signal);
      }
    },
    async start(member, options) {
      const { dataset } = member;
      const ending = new AbortController();
      const others = starts.get(dataset) ?? new Set();
      starts.set(dataset, others.add(ending));
      const signals = [ending.signal, options.signal].filter((signal) => signal !== undefined);
      try {
        await turns.take(dataset, () => start(member, { ...options, signal: AbortSignal.any(signals) }));
      } finally {
        others.delete(ending);
        if (others.size === 0 && starts.get(dataset) === others) starts.delete(dataset);
      }
    },
    async stop({ dataset }, mode, signal, told) {
      for (const ending of starts.get(dataset) ?? []) ending.abort(fail('canceled', {}));
      await turns.take(dataset, async () => {
        const server = await find(dataset);
        if (server !== undefined) await runtime.stop(server, mode, signal, told);
        known.delete(dataset);
      });
    },
    isAtWork: ({ dataset }) => turns.isTaken(dataset),
    running: ({ dataset }) => turns.take(dataset, async () => (await find(dataset)) !== undefined),
    async clear(datasets) {
      for (const dataset of datasets) {
        prepared.delete(dataset);
        await context.machine.files.remove(join(context.directories.sockets, socketFolder(dataset)));
        await context.machine.files.remove(logFileOf(context, dataset));
      }
    },
  };
}

const logFileOf = ({ directories }: ServiceContext, dataset: DatasetId): string =>
  join(directories.serverLogs, `${dataset}.log`);

async function specOf(
  context: ServiceContext,
  member: MemberServer,
  { title, durable, limits }: Pick<StartOptions, 'title' | 'durable' | 'limits'>,
): Promise<ServerSpec> {
  const { dataset, version, image, port, database } = member;
  return await databaseOf(context, member.engine).server({
    ...{ dataset, version, image, port, database, durable, limits },
    title: `${title} (${member.name})`,
    dataDirectory: context.storage.path(dataset),
    logFile: logFileOf(context, dataset),
  });
}

/** A session that broke off says nothing; why it did stands in the server's log. */
async function explained(
  { runtime }: ServiceContext,
  spec: ServerSpec,
  error: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  if (signal?.aborted === true || isFailure(error)) return error;
  const problem = (await runtime.logTail(spec, 10)).join(' ');
  if (problem === '') return error;
  return fail('server_start_failed', { server: spec.title, problem }, { cause: error });
}
