/** Keeps database servers running in containers of the Docker Engine of this machine, and finds them again by their labels. */
import path from 'node:path';
import type Docker from 'dockerode';
import type { Machine } from '../../machine/machine.ts';
import type { PinnedImage } from '../../protocol/entities.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { Images } from '../images.ts';
import { clearRemains } from '../process/clearRemains.ts';
import { endServer, isAlive, usualPatience, type Patience } from '../process/endServer.ts';
import type { RunningServer, Runtime, ServerSpec, ServerTraits } from '../runtime.ts';
import { containerSettings, LABELS, type DataOwner } from './containerSettings.ts';
import { dockerRefusal, type DockerConnection, type DockerEngine } from './dockerEngine.ts';
import type { ImageFacts } from './dockerImages.ts';
import { logsOf, ownLog, SHELL } from './serverLog.ts';
import { removeContainer } from './runOnce.ts';

export interface ContainerRuntimeOptions {
  machine: Machine;
  traits: readonly [ServerTraits, ...ServerTraits[]];
  connection: DockerConnection;
  images: Pick<Images, 'present' | 'require'> & {
    facts(image: PinnedImage): Promise<ImageFacts>;
  };
  owner: DataOwner;
  passwd: () => Promise<string>;
  /** Of everything that is ours. */
  labels: Readonly<Record<string, string>>;
  patience?: Patience;
}

type Wanted = Pick<ServerSpec, 'identity' | 'dataDirectory'>;

export function createContainerRuntime(options: ContainerRuntimeOptions): Runtime {
  const { machine, traits, connection, patience = usualPatience } = options;
  /** Of images, by id. */
  const shells = new Map<string, boolean>();
  /** Where a server's log is with the daemon, by its log file. */
  const logs = new Map<string, string>();

  const hasShell = async (image: PinnedImage): Promise<boolean> => {
    const known = shells.get(image.id) ?? (await options.images.present(image, [SHELL])).has(SHELL);
    shells.set(image.id, known);
    return known;
  };

  /** As the kernel tells it: so it is seen to live or end without asking the daemon. */
  const serverOf = async (spec: Wanted, id: string, pid: number): Promise<RunningServer | undefined> => {
    const process = pid === 0 ? undefined : await machine.processes.identify(pid);
    return process && { identity: spec.identity, pid, startedAt: process.startedAt, container: id };
  };

  const find: Runtime['find'] = async (spec) => {
    try {
      return await connection.use(async (engine) => {
        for (const { Id } of await ownContainers(engine, options, spec.identity)) {
          const { State, Config } = await engine.client.getContainer(Id).inspect();
          if (!State.Running || Config.Labels[LABELS.data] !== spec.dataDirectory) continue;
          const server = await serverOf(spec, Id, State.Pid);
          if (server !== undefined) return server;
        }
        return undefined;
      });
    } catch (error) {
      if (!isFailure(error, 'docker_unavailable')) throw error;
      // Containers go on without their daemon.
      return await findWithout(machine, traits, spec);
    }
  };

  return {
    find,
    alive: (server) => isAlive(machine, server),

    async start(spec, signal, { isFresh = false } = {}) {
      signal?.throwIfAborted();
      const { image } = spec;
      if (image === undefined) throw new Error(`${spec.title} has no image`);
      const running = isFresh ? undefined : await find(spec);
      if (running !== undefined) {
        await goOn(connection, running);
        return running;
      }
      const kind = traits.find((each) => each.isServer([spec.program, ...spec.args], spec)) ?? traits[0];
      if (!isFresh) await clearRemains(machine, spec, kind);
      await options.images.require(image, { line: () => undefined, progress: () => undefined }, signal);
      const shell = await hasShell(image);
      if (shell) await makeLog(machine, spec);
      const { volumes } = await options.images.facts(image);
      const passwd = await options.passwd();
      signal?.throwIfAborted();
      return await connection.use(async (engine) => {
        if (!isFresh) await removeEnded(engine, options, spec);
        const log = shell ? ownLog(spec) : { program: spec.program, args: spec.args };
        const settings = containerSettings(engine, {
          ...{ image, passwd, volumes, owner: options.owner, ...log },
          env: { ...spec.env, THIN_CLONES_MARK: spec.identity },
          mounts: mountsOf(spec, shell),
          labels: {
            ...options.labels,
            [LABELS.identity]: spec.identity,
            [LABELS.data]: spec.dataDirectory,
          },
          limits: spec.limits,
        });
        const container = await create(engine, options, spec, settings);
        if (!shell) logs.set(spec.logFile, container.id);
        return await begin(container, spec, serverOf);
      });
    },

    async stop(server, mode, signal, told) {
      signal?.throwIfAborted();
      await goOn(connection, server);
      const kind = traits[0];
      await endServer(machine, kind, server, { mode, patience, signal, told });
      await giveUp(connection, machine, server, async (container) => {
        const file = [...logs].find(([, id]) => id === server.container)?.[0];
        if (file === undefined) return;
        logs.delete(file);
        await machine.files.append(file, await logsOf(container));
      });
    },

    async logTail(spec, lines) {
      const text = (await machine.files.read(spec.logFile, { maxBytes: LOG_TAIL_BYTES, part: 'end' })) ?? '';
      const id = logs.get(spec.logFile);
      const more =
        id === undefined ? '' : await connection.use(({ client }) => logsOf(client.getContainer(id), lines));
      return (text + more)
        .split('\n')
        .filter((line) => line !== '')
        .slice(-lines);
    },
  };
}

const LOG_TAIL_BYTES = 256 * 1024;

/** The container's own processes are seen from here, with the arguments that they were started with. */
async function findWithout(
  machine: Machine,
  traits: readonly ServerTraits[],
  spec: Wanted,
): Promise<RunningServer | undefined> {
  for (const process of await machine.processes.findMarked(spec.identity)) {
    const line = await machine.processes.commandLine(process.pid);
    if (line !== undefined && traits.some((kind) => kind.isServer(line, spec)))
      return { identity: spec.identity, ...process };
  }
  return undefined;
}

type Own = Pick<ContainerRuntimeOptions, 'labels'>;

function ownContainers(
  { client }: DockerEngine,
  { labels }: Own,
  identity: string,
): Promise<Docker.ContainerInfo[]> {
  const label = Object.entries({ ...labels, [LABELS.identity]: identity }).map(
    ([name, value]) => `${name}=${value}`,
  );
  return client.listContainers({ all: true, filters: { label } });
}

/** A server that crashed, or that somebody stopped by hand, leaves its container. */
async function removeEnded(engine: DockerEngine, own: Own, spec: ServerSpec): Promise<void> {
  for (const { Id, State } of await ownContainers(engine, own, spec.identity)) {
    if (State !== 'running' && State !== 'paused') await removeContainer(engine.client.getContainer(Id));
  }
}

/** Beyond this somebody else must be taking them. */
const NAMES = 20;

/** Under its own name, or beside it: a container of that name that is not ours is left alone. */
async function create(
  engine: DockerEngine,
  own: Own,
  spec: ServerSpec,
  settings: Docker.ContainerCreateOptions,
): Promise<Docker.Container> {
  const { client } = engine;
  const base = `thin-clones-${spec.identity}`;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    try {
      return await client.createContainer({ ...settings, name });
    } catch (error) {
      const refusal = dockerRefusal(error);
      if (refusal?.status !== 409 || number > NAMES) throw asFailure(error, spec);
      const mine = await ownContainers(engine, own, spec.identity);
      const holder = mine.find(({ Names }) => Names.includes(`/${name}`));
      if (holder === undefined) continue;
      if (holder.State === 'running') continue;
      await removeContainer(client.getContainer(holder.Id));
      number -= 1;
    }
  }
}

async function begin(
  container: Docker.Container,
  spec: ServerSpec,
  serverOf: (spec: Wanted, id: string, pid: number) => Promise<RunningServer | undefined>,
): Promise<RunningServer> {
  try {
    await container.start();
    const { State } = await container.inspect();
    // One that ended at once is known by its container alone; why it did stands in its log.
    return (
      (await serverOf(spec, container.id, State.Pid)) ?? {
        ...{ identity: spec.identity, pid: 0, startedAt: State.StartedAt, container: container.id },
      }
    );
  } catch (error) {
    await removeContainer(container);
    throw asFailure(error, spec);
  }
}

function asFailure(error: unknown, spec: ServerSpec): unknown {
  const refusal = dockerRefusal(error);
  if (refusal === undefined) return error;
  return fail('server_start_failed', { server: spec.title, problem: refusal.problem }, { cause: error });
}

/** One that somebody paused hears nothing, neither a query nor that it is to end. */
async function goOn(connection: DockerConnection, server: RunningServer): Promise<void> {
  const id = server.container;
  if (id === undefined) return;
  await whileThere(connection, async ({ client }) => {
    const container = client.getContainer(id);
    if ((await container.inspect()).State.Paused) await container.unpause();
  });
}

/** Its container may run another server by now: somebody restarted it. */
async function giveUp(
  connection: DockerConnection,
  machine: Machine,
  server: RunningServer,
  before: (container: Docker.Container) => Promise<void>,
): Promise<void> {
  const id = server.container;
  if (id === undefined) return;
  await whileThere(connection, async ({ client }) => {
    const container = client.getContainer(id);
    const { Running, Pid } = (await container.inspect()).State;
    // The daemon hears of an end later than the kernel tells it.
    if (Running && (await machine.processes.identify(Pid)) !== undefined) return;
    await before(container);
    await removeContainer(container);
  });
}

/** Without a daemon its container stays until the next start; one that somebody removed needs nothing. */
async function whileThere(
  connection: DockerConnection,
  work: (engine: DockerEngine) => Promise<void>,
): Promise<void> {
  try {
    await connection.use(work);
  } catch (error) {
    if (isFailure(error, 'docker_unavailable') || dockerRefusal(error)?.status === 404) return;
    throw error;
  }
}

/** Read and written at the same paths as here, so that what a server is told holds in there too. */
function mountsOf(spec: ServerSpec, writesLog: boolean): readonly { path: string; readOnly?: boolean }[] {
  const written = [spec.dataDirectory, spec.socketDirectory];
  const logIsInside = written.some((folder) => spec.logFile.startsWith(folder + path.sep));
  return [
    ...written.map((folder) => ({ path: folder })),
    ...(writesLog && !logIsInside ? [{ path: spec.logFile }] : []),
    ...(spec.reads ?? []).map((folder) => ({ path: folder, readOnly: true })),
  ];
}

/** Outside of the server's own folders, where it could make none. */
async function makeLog(machine: Machine, spec: ServerSpec): Promise<void> {
  if ([spec.dataDirectory, spec.socketDirectory].some((folder) => spec.logFile.startsWith(folder + path.sep)))
    return;
  await machine.files.append(spec.logFile, '');
  await machine.files.giveToServerUser(spec.logFile);
}
