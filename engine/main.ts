/** The engine's composition root: takes the lock, answers at once, then opens its host and storage and recovers. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { announce } from './announce.ts';
import { engines } from './database/engines.ts';
import type { Hub } from './hub/hub.ts';
import { createOtherHosts } from './hub/otherHosts.ts';
import { createLocalMachine } from './machine/local/localMachine.ts';
import { findServerUser } from './machine/local/serverUser.ts';
import type { Machine } from './machine/machine.ts';
import { createJoinedHandlers } from './http/joinedHandlers.ts';
import { createHandlers, type HandlerDependencies } from './http/handlers.ts';
import type { App } from './http/app.ts';
import { listen, type Listening } from './http/listen.ts';
import { createApp } from './http/server.ts';
import type { Failpoint } from './jobs/parts.ts';
import { busyWith } from './jobs/runner.ts';
import { createLife, type Life } from './life.ts';
import { configuredNames } from './link/ssh/configuredNames.ts';
import { waitAtMost } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import { dropOldCode } from './process/compiledCode.ts';
import { addLine, openLog, parseLevel } from './process/fileLog.ts';
import { watchOwnFiles, type OwnFiles } from './process/ownFiles.ts';
import { readSettings, settingsSchema, type Settings } from './process/settings.ts';
import { takeHome, type TakenHome } from './process/takeHome.ts';
import { createClient } from './protocol/client.ts';
import type { EngineInfo } from './protocol/entities.ts';
import { toFailure } from './protocol/errors.ts';
import { hostNameSchema } from './protocol/ids.ts';
import { readDiscovery } from './protocol/node/discovery.ts';
import { homePaths, processEnvironment, type HomePaths } from './protocol/node/home.ts';
import { createTransport } from './protocol/node/transport.ts';
import { protocolVersion } from './protocol/wire.ts';
import { ownNames, startHub } from './startHub.ts';
import { demandRoom, findStorage, makeOwnFolder, programPlaces, type Surroundings } from './startServices.ts';
import { openState, type OpenedState } from './state/openState.ts';
import { openReserve, type Reserve } from './state/reserve.ts';
import { explainStorage } from './storage/choose.ts';
import { planSetUp } from './storage/setUp/plan.ts';
import type { SetUpOwner } from './storage/setUp/script.ts';

declare const __THIN_CLONES_VERSION__: string | undefined;

/** Longer than jobs take to be undone, unless something hangs or much is to be removed. */
const closePatienceMs = 20_000;

/** Not the engine's clock, whose sleep keeps no process alive: Node would end this one with code 13. */
const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  sleep(ms, undefined, signal === undefined ? {} : { signal });

const here = dirname(fileURLToPath(import.meta.url));

/** Version and build of this engine: bundled beside its build.json, or running from its sources. */
function readBuild(): { version: string; build: string } {
  if (typeof __THIN_CLONES_VERSION__ === 'string') {
    const file = [join(here, 'build.json'), join(here, '..', 'build.json')].find(existsSync);
    const build =
      file === undefined ? 'unknown' : (JSON.parse(readFileSync(file, 'utf8')) as { build: string }).build;
    return { version: __THIN_CLONES_VERSION__, build };
  }
  const text = readFileSync(join(here, '..', 'package.json'), 'utf8');
  return { version: (JSON.parse(text) as { version: string }).version, build: 'development' };
}

/** A process that answers on the discovery file's socket is the engine: this one is not needed. */
async function anotherAnswers(paths: HomePaths): Promise<boolean> {
  const discovery = await readDiscovery(paths.discovery);
  if (discovery === undefined) return false;
  const transport = createTransport({ socketPath: discovery.socket });
  try {
    // One that hangs is no answer, and must not make this process hang with it.
    const signal = AbortSignal.timeout(2000);
    await createClient({ transport, user: 'engine', token: discovery.token }).call(
      'engineInfo',
      {},
      { signal },
    );
    return true;
  } catch {
    // best effort: gone, going or not up yet, the lock decides
    return false;
  } finally {
    transport.close();
  }
}

/** For tests that end the engine at a given point: THIN_CLONES_CRASH_AT=clone.create/1/effect */
function crashPoint(variables: NodeJS.ProcessEnv): Failpoint {
  const wanted = variables.THIN_CLONES_CRASH_AT;
  return (name) => {
    if (name === wanted) process.kill(process.pid, 'SIGKILL');
  };
}

function trySettings(paths: HomePaths): { settings: Settings; problem: unknown } {
  try {
    return { settings: readSettings(paths.settings, process.env), problem: undefined };
  } catch (error) {
    return { settings: settingsSchema.parse({}), problem: error };
  }
}

function takeThisHome(paths: HomePaths, foreground: boolean): Promise<TakenHome<OpenedState> | undefined> {
  return takeHome({
    paths,
    openState: () => openState(paths.state),
    anotherAnswers: () => anotherAnswers(paths),
    now: () => performance.now(),
    pause,
    tell: (text) => {
      addLine(paths.log, text);
      if (foreground) process.stderr.write(`${text}\n`);
    },
  });
}

/** A defect of ours: what runs on is not to be trusted, and the next start recovers. */
function endByDefects(log: Log, closeLog: () => Promise<void>): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error(`ended by an ${event}`, { problem });
      void closeLog().finally(() => process.exit(1));
    });
  }
}

/** This machine. What is not right with the settings is told by everything that needs them; the engine answers nevertheless. */
async function lookAround(
  paths: HomePaths,
  log: Log,
  reserve: Reserve,
): Promise<{
  surroundings: Omit<Surroundings, 'otherHosts' | 'version'>;
  settings: Settings;
  problems: readonly unknown[];
}> {
  const { settings, problem: settingsProblem } = trySettings(paths);
  let serverUser: Machine['serverUser'];
  let userProblem: unknown;
  try {
    serverUser = await findServerUser({ configured: settings.serverUser, environment: process.env });
  } catch (error) {
    userProblem = error;
  }
  const machine = createLocalMachine({
    name: hostNameSchema.parse('local'),
    serverUser,
    environment: process.env,
    withheld: (variable) => engines.some((engine) => engine.isToolVariable(variable)),
  });
  const failpoint = crashPoint(process.env);
  return {
    surroundings: { paths, log, machine, failpoint, reserve, engineDirectory: here },
    settings,
    problems: [settingsProblem, userProblem],
  };
}

const createOwnFiles = (log: Log): OwnFiles =>
  watchOwnFiles({
    tell: (path, problem) =>
      problem === null
        ? log.warning('a file of the engine was removed or replaced, and made again', { path })
        : log.error('a file of the engine was removed or replaced, and can not be made again', {
            ...{ path, problem },
          }),
  });

/** Who would own a pool file. */
function ownerHere(): SetUpOwner | undefined {
  const uid = process.getuid?.();
  const gid = process.getgid?.();
  if (uid === undefined || gid === undefined) return undefined;
  try {
    return { name: userInfo().username, uid, gid };
  } catch {
    // best effort: a container may run as a number that has no name, and the number is what counts
    return { name: `user ${uid}`, uid, gid };
  }
}

const whereSetUp = (paths: HomePaths, machine: Machine) => ({
  ...{ machine, root: paths.pool, thinRoot: paths.thinPool, owner: ownerHere() },
});

/** What the engine says of itself and does with itself. */
function handlerDependencies(
  life: Life,
  surroundings: Surroundings,
  settings: Settings,
  { version, startedAt, stop }: { version: string; startedAt: Date; stop: () => void },
): HandlerDependencies {
  const { paths, machine } = surroundings;
  return {
    info(): EngineInfo {
      const { blocked } = life.state();
      return {
        name: 'thin-clones',
        version,
        protocol: protocolVersion,
        pid: process.pid,
        home: paths.home,
        startedAt: startedAt.toISOString(),
        // The clock may be set meanwhile.
        uptimeMs: Math.round(performance.now()),
        state: blocked === null ? 'ready' : 'blocked',
        problem: blocked,
        storage: life.storageLabel(),
      };
    },
    host: () => machine,
    running: () => life.running(),
    clock: { sleep: pause },
    examine: [
      async () => {
        await life.demandAnswer();
        const { storage } = findStorage(paths, settings, life.state().store);
        return explainStorage({
          ...{ machine, root: paths.pool, configured: storage },
          setUp: await planSetUp({ ...whereSetUp(paths, machine), configured: storage }),
        });
      },
      async () => {
        const places = programPlaces(surroundings, settings);
        return (await Promise.all(engines.map((engine) => engine.examine(places)))).flat();
      },
    ],
    planSetUp: async (bytes) => {
      await life.demandAnswer();
      const { storage } = findStorage(paths, settings, life.state().store);
      return planSetUp({ ...whereSetUp(paths, machine), configured: storage, bytes });
    },
    async stop(ifIdle) {
      const job = ifIdle
        ? await life.running().then(
            ({ context }) => context.runner.working(),
            () => undefined, // best effort: an engine that can't run here has no jobs
          )
        : undefined;
      if (job !== undefined) throw busyWith(job, job.object);
      stop();
    },
    rebuild: () => life.rebuild(),
    sshNames: () => configuredNames({ home: homedir(), configFile: settings.ssh.configFile }),
    demandRoom: () => demandRoom(surroundings),
  };
}

const closeAll = async (hub: Promise<Hub>, life: Life): Promise<void> => {
  await (await hub).close();
  await life.close();
};

/** On the home's socket, in a folder of its own where the home's is too long a name, and on a TCP port where one is set. */
async function listenInHome(
  app: App,
  { paths, isRoot, log, settings }: { paths: HomePaths; isRoot: boolean; log: Log; settings: Settings },
): Promise<{ listening: Listening; reopenSocket: (() => Promise<void>) | undefined }> {
  const isPipe = paths.socket.startsWith('\\\\');
  const makeSocketFolder = async (): Promise<void> => {
    if (dirname(paths.socket) === paths.engineDirectory || isPipe) return;
    await makeOwnFolder(dirname(paths.socket), isRoot ? 0o711 : 0o700);
  };
  await makeSocketFolder();
  const listening = await listen(app, {
    socket: paths.socket,
    tcpPort: settings.tcpPort ?? null,
    onTcpProblem: (error) =>
      log.error('the TCP port can not be used', {
        port: settings.tcpPort,
        problem: toFailure(error).message,
      }),
  });
  const reopenSocket = async (): Promise<void> => {
    await makeSocketFolder();
    await listening.reopenSocket();
  };
  return { listening, reopenSocket: isPipe ? undefined : reopenSocket };
}

export interface ServeOptions {
  /** Also writes the log to stderr, and says where it listens. */
  foreground?: boolean;
}

/**
 * Runs the engine until it is told to stop. Returns false when another engine serves this home already. Rejects with
 * `engine_unreachable` when another one holds it, and neither answers nor ends.
 */
export async function serve({ foreground = false }: ServeOptions = {}): Promise<boolean> {
  const paths = homePaths(processEnvironment());
  const isRoot = process.getuid?.() === 0;
  // Root's servers run as another user, who must be able to pass through.
  await mkdir(paths.home, { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  await makeOwnFolder(paths.engineDirectory, 0o700);
  const reserve = openReserve(join(paths.engineDirectory, 'reserve'));
  reserve.giveWhenFull(paths.code);
  const opened = await takeThisHome(paths, foreground);
  if (opened === undefined) return false;

  const startedAt = new Date();
  const { version, build } = readBuild();
  const echo = foreground ? (line: string) => process.stderr.write(`${line}\n`) : undefined;
  const { log, close: closeLog } = openLog(paths.log, parseLevel(process.env.THIN_CLONES_LOG), echo);
  endByDefects(log, closeLog);
  const stopping = new AbortController();
  const { signal } = stopping;
  const stop = (): void => {
    // The answer to the request that asked goes out first.
    setImmediate(() => stopping.abort());
  };
  const { surroundings: around, settings, problems } = await lookAround(paths, log, reserve);
  if (opened.blocked !== null) log.error('the state is not usable', { problem: opened.blocked });
  // Not before requests are answered: it is written for later.
  setImmediate(() => reserve.keep());
  const ownFiles = createOwnFiles(log);
  const hubStarted = Promise.withResolvers<Hub>();
  const surroundings: Surroundings = {
    ...around,
    version,
    otherHosts: (installation) => createOtherHosts(hubStarted.promise, installation),
  };
  const life = createLife({
    ...{ surroundings, opened, ownFiles, problems, signal, stop },
    storage: settings.storage,
  });

  const token = randomBytes(32).toString('base64url');
  const hub = startHub({ paths, log, life, ssh: settings.ssh, engineDirectory: here });
  hubStarted.resolve(hub);
  const app = createApp({
    handlers: createJoinedHandlers({
      own: createHandlers(handlerDependencies(life, surroundings, settings, { version, startedAt, stop })),
      hub: () => hub,
      names: ownNames(life),
    }),
    feed: () => life.feed(),
    ...{ log, token, version, signal },
  });
  const { listening, reopenSocket } = await listenInHome(app, { paths, isRoot, log, settings });
  const announced = await announce({
    ...{ paths, ownFiles, lock: opened.lock, reopenSocket },
    discovery: {
      ...{ format: 1, pid: process.pid, version, protocol: protocolVersion, build },
      ...{ startedAt: startedAt.toISOString(), socket: paths.socket, token, tcpPort: listening.tcpPort },
    },
  });
  const ms = Math.round(performance.now());
  log.info('engine started', { pid: process.pid, version, build, home: paths.home, ms });
  void dropOldCode(paths.code, build);
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, stop);

  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  log.info('engine stopping');
  await ownFiles.close();
  await rm(paths.discovery, { force: true });
  await listening.close();
  if (!(await waitAtMost({ sleep: pause }, closePatienceMs, closeAll(hub, life))))
    log.warning('something does not end: it is left to the next engine, as after a kill');
  log.info('engine stopped');
  await closeLog();
  await rm(paths.holder, { force: true });
  announced.lock().release();
  return true;
}

// Through a link or not: the running file is this one.
const isMain =
  process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href;
if (isMain) {
  await serve();
  // Keep-alive sockets of clients must not hold a stopped engine.
  process.exit(0);
}
