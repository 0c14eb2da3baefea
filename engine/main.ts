/** The engine's composition root: takes the lock, answers at once, then opens its host and storage and recovers. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writeBlock } from './config/envFile.ts';
import { readWorkspace } from './config/workspaceFile.ts';
import { createLocalFiles } from './migrations/local/localFiles.ts';
import type { ProgramPlaces } from './database/engineModule.ts';
import { byEngine, engines, serverTraits } from './database/engines.ts';
import { createTcpEndpoints } from './endpoint/tcp/tcpEndpoints.ts';
import { createLocalGit } from './git/local/localGit.ts';
import type { Host } from './host/host.ts';
import { createLocalHost } from './host/local/localHost.ts';
import { findServerUser } from './host/local/serverUser.ts';
import { createHandlers, type Running } from './http/handlers.ts';
import { createApp, listen } from './http/server.ts';
import type { Failpoint } from './jobs/parts.ts';
import { busyWith, createRunner } from './jobs/runner.ts';
import { systemClock, systemRandom } from './process/clock.ts';
import { dropOldCode } from './process/compiledCode.ts';
import { addLine, openLog, parseLevel } from './process/fileLog.ts';
import { hasInstallation, loadInstallation } from './process/installation.ts';
import { keepStorage, storageInUse, type StorageInUse } from './process/keptStorage.ts';
import { tryLock } from './process/lock.ts';
import { keepAside } from './process/keepAside.ts';
import { watchOwnFiles } from './process/ownFiles.ts';
import { readSettings, settingsSchema, type Settings } from './process/settings.ts';
import { traced } from './process/trace.ts';
import { takeHome, tellHolder } from './process/takeHome.ts';
import type { EngineInfo } from './protocol/entities.ts';
import { fail, toFailure } from './protocol/errors.ts';
import { hostNameSchema } from './protocol/ids.ts';
import { readDiscovery, type Discovery } from './protocol/node/discovery.ts';
import { homePaths, processEnvironment, type HomePaths } from './protocol/node/home.ts';
import { createTransport } from './protocol/node/transport.ts';
import { createClient } from './protocol/client.ts';
import { protocolVersion } from './protocol/wire.ts';
import { createProcessRuntime } from './runtime/process/processRuntime.ts';
import { createCatalog, publishingStore } from './services/catalog.ts';
import type { ServiceContext } from './services/context.ts';
import { createFeed } from './jobs/feed.ts';
import { tellFullDisk } from './domain/fullDisk.ts';
import type { Log } from './ports/log.ts';
import { createServices } from './services/services.ts';
import { cachedStore } from './state/cachedStore.ts';
import { openState } from './state/openState.ts';
import { openReserve, type Reserve } from './state/reserve.ts';
import { roomyStore } from './state/roomyStore.ts';
import { openStore } from './state/sqliteStore.ts';
import type { Store } from './state/store.ts';
import { createVault, loadKey } from './state/vault.ts';
import { chooseStorage, explainStorage } from './storage/choose.ts';
import { POOL_FILE } from './storage/pool.ts';
import { ensurePoolFile, poolFileOf } from './storage/poolFile.ts';

declare const __THIN_CLONES_VERSION__: string | undefined;

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

interface Surroundings {
  paths: HomePaths;
  log: Log;
  host: Host;
  failpoint: Failpoint;
  reserve: Reserve;
}

/** Throws `state_full` while the space that is kept for removals could not be kept. */
const demandRoom = ({ reserve, paths }: Pick<Surroundings, 'reserve' | 'paths'>): void => {
  if (!reserve.keep()) throw fail('state_full', { path: paths.state });
};

const programOptions = (
  { paths, host }: Pick<Surroundings, 'paths' | 'host'>,
  settings: Settings,
): ProgramPlaces => ({
  host,
  settings: settings.programs,
  programsDirectory: paths.programs,
  engineDirectory: here,
  variables: process.env,
});

/** A folder that may lie in a place where everybody writes: it must be ours, and no link to somewhere else. */
async function makeOwnFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  const found = await lstat(path);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw fail('storage_foreign', { path, problem: 'somebody else made it' });
  }
  await chmod(path, mode);
}

function trySettings(paths: HomePaths): { settings: Settings; problem: unknown } {
  try {
    return { settings: readSettings(paths.settings, process.env), problem: undefined };
  } catch (error) {
    return { settings: settingsSchema.parse({}), problem: error };
  }
}

const countStored = (store: Store): number => store.snapshots.list().length + store.clones.list().length;

const findStorage = (paths: HomePaths, { storage }: Settings, store: Store): StorageInUse =>
  storageInUse(paths, storage, countStored(store));

/**
 * A folder without a storage, although there should be data: it is not mounted, or another one was configured when the
 * data was made. Making a new storage there would call every clone lost.
 */
function refuseEmptyStorage(root: string, store: Store): void {
  const kept = countStored(store);
  if (kept === 0 || existsSync(join(root, POOL_FILE))) return;
  const problem =
    `${root} holds no storage, but this home has ${kept} snapshots and clones. ` +
    'Mount it, or name the folder that they are in (storage.path in settings.json)';
  throw fail('storage_failed', { storage: root, problem });
}

const keyOf = (paths: HomePaths): string => join(paths.secrets, 'key');

/** Everything above the state store, ready for requests. */
async function startServices(
  { paths, log, host: machine, failpoint, reserve }: Surroundings,
  store: Store,
  blocked: string | null,
  signal: AbortSignal,
): Promise<Running> {
  const trace = <Port extends object>(name: string, port: Port): Port =>
    process.env.THIN_CLONES_TRACE === '1' ? traced(name, port, log) : port;
  const host = trace('host', machine);
  const settings = readSettings(paths.settings, process.env);
  const { storage: configured, refusal } = findStorage(paths, settings, store);
  if (refusal !== undefined) throw refusal;
  // The id may be lost with the pool file still to be mounted, which holds it too.
  const inPoolFile = configured.path === undefined && existsSync(poolFileOf(paths.pool));
  if (inPoolFile && !hasInstallation(paths.installation)) await ensurePoolFile(host, paths.pool, signal);
  // A configured folder may be another home's: its id is taken up only by a home that has worked before.
  const isNewHome = !existsSync(keyOf(paths)) && store.environments.list().length === 0;
  const pool = isNewHome ? paths.pool : (configured.path ?? paths.pool);
  const installation = loadInstallation(paths.installation, pool, () => systemRandom.id());
  if (!inPoolFile) refuseEmptyStorage(configured.path ?? paths.pool, store);
  const storage = trace(
    'storage',
    await chooseStorage({ host, root: paths.pool, configured, installation, signal }),
  );
  if (blocked === null) keepStorage(paths.keptStorage, configured);
  await makeOwnFolder(paths.socketRoot, host.serverUser === undefined ? 0o700 : 0o711);
  await host.files.makeDirectory(paths.scratch, { mode: 0o711 });
  await host.files.makeDirectory(paths.serverLogs, { mode: 0o700 });
  const runtime = trace('runtime', createProcessRuntime({ host, traits: serverTraits }));
  const programs = programOptions({ paths, host }, settings);
  const opened = await Promise.all(
    engines.map((engine) => engine.create({ host, runtime, socketRoot: paths.socketRoot, programs })),
  );
  const databases = Object.fromEntries(
    opened.map((database) => [database.engine, trace('database', database)]),
  );
  const feed = createFeed(systemRandom.id());
  const makeRoom = (): boolean => {
    log.warning('the disk of the state is full', { path: paths.state });
    return reserve.give();
  };
  const published = publishingStore(cachedStore(roomyStore(store, { path: paths.state, makeRoom })), feed);
  const clock = systemClock;
  const random = systemRandom;
  const context: ServiceContext = {
    installation,
    store: published,
    feed,
    catalog: createCatalog({ store: published, feed }),
    runner: createRunner({
      ...{ store: published, clock, random, feed, log, failpoint },
      explain: (error) => tellFullDisk(error, storage.root),
      demandRoom: () => demandRoom({ reserve, paths }),
    }),
    clock,
    random,
    vault: createVault(loadKey(keyOf(paths))),
    log,
    host,
    storage,
    runtime,
    git: createLocalGit({ environment: process.env }),
    endpoints: createTcpEndpoints({
      wires: byEngine(({ wire }) => wire),
      onProblem: (error) => log.warning('a port of a checkout', { problem: error.message }),
    }),
    workspaceFiles: { read: readWorkspace, writeBlock },
    openCheckout: (root) => createLocalFiles({ root }),
    databases,
    directories: { serverLogs: paths.serverLogs, scratch: paths.scratch, sockets: paths.socketRoot },
  };
  const services = createServices(context);
  // A state that can't be trusted decides nothing: no recovery, no watch, no sweep.
  if (blocked === null) await services.start(signal);
  return { context, services, blocked };
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
  reserve.giveWhenFull();
  const taken = await takeHome({
    paths,
    openState: () => openState(paths.state),
    anotherAnswers: () => anotherAnswers(paths),
    now: () => performance.now(),
    pause: (ms) => sleep(ms),
    tell: (text) => {
      addLine(paths.log, text);
      if (foreground) process.stderr.write(`${text}\n`);
    },
  });
  if (taken === undefined) return false;
  let { lock, store, blocked } = taken;

  const startedAt = new Date();
  const { version, build } = readBuild();
  const echo = foreground ? (line: string) => process.stderr.write(`${line}\n`) : undefined;
  const { log, close: closeLog } = openLog(paths.log, parseLevel(process.env.THIN_CLONES_LOG), echo);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      // A defect of ours: what runs on is not to be trusted, and the next start recovers.
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error(`ended by an ${event}`, { problem });
      void closeLog().finally(() => process.exit(1));
    });
  }
  const stopping = new AbortController();
  // Settings that are not right are told by everything that needs them; the engine answers nevertheless.
  const { settings, problem: settingsProblem } = trySettings(paths);
  let serverUser: Host['serverUser'];
  let userProblem: unknown;
  try {
    serverUser = await findServerUser({ configured: settings.serverUser, environment: process.env });
  } catch (error) {
    userProblem = error;
  }
  const host = createLocalHost({
    name: hostNameSchema.parse('local'),
    serverUser,
    environment: process.env,
    withheld: (variable) => engines.some((engine) => engine.isToolVariable(variable)),
  });
  const surroundings = { paths, log, host, failpoint: crashPoint(process.env), reserve };

  if (blocked !== null) log.error('the state is not usable', { problem: blocked });
  const bringUp = async (): Promise<Running> => {
    for (const problem of [settingsProblem, userProblem]) if (problem !== undefined) throw toFailure(problem);
    return startServices(surroundings, store, blocked, stopping.signal);
  };
  // Not before requests are answered: it is written for later.
  setImmediate(() => reserve.keep());
  let running = bringUp();
  running.catch((error: unknown) => {
    const failure = toFailure(error);
    log.error('the engine can not run here', { problem: failure.message, stack: failure.stack });
  });
  const stop = (): void => {
    // The answer to the request that asked goes out first.
    setImmediate(() => stopping.abort());
  };
  const ownFiles = watchOwnFiles({
    tell: (path, problem) =>
      problem === null
        ? log.warning('a file of the engine was removed or replaced, and made again', { path })
        : log.error('a file of the engine was removed or replaced, and can not be made again', {
            ...{ path, problem },
          }),
  });
  const keepState = (): void =>
    ownFiles.keep({
      path: paths.state,
      restore() {
        // What is written from now on would be found by nobody; the next engine finds everything in the tags.
        log.error('the state was removed or replaced while the engine ran: it ends', { path: paths.state });
        ownFiles.forget(paths.state);
        stop();
      },
    });
  if (blocked === null) keepState();

  let label: string | null = null;
  const info = (): EngineInfo => {
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
      storage: label,
    };
  };
  void running.then(({ context }) => (label = context.storage.label)).catch(() => undefined);

  const setAside = async (): Promise<string | null> => {
    const before = await running;
    ownFiles.forget(paths.state);
    // The unusable state is in no use: what fails here leaves everything as it was, to be tried again.
    const keptAs = await keepAside(paths.state, new Date());
    const fresh = openStore(paths.state);
    store = fresh;
    keepState();
    blocked = null;
    running = (async () => {
      await before.services.close();
      await before.context.storage.close();
      before.context.store.close();
      return bringUp();
    })();
    // Whoever listens reads everything again, from the feed of the new state.
    before.context.feed.publish({ kind: 'resync' });
    before.context.feed.end();
    return keptAs;
  };
  let rebuilding: Promise<unknown> = Promise.resolve();
  const rebuild = (): Promise<{ snapshots: number; clones: number; keptAs: string | null }> => {
    const turn = rebuilding.then(async () => {
      const keptAs = blocked === null ? null : await setAside();
      const { context } = await running;
      return {
        snapshots: context.store.snapshots.list().length,
        clones: context.store.clones.list().length,
        keptAs,
      };
    });
    // best effort: the next turn does not depend on this one, whose error its own caller gets
    rebuilding = turn.catch(() => undefined);
    return turn;
  };

  const token = randomBytes(32).toString('base64url');
  const stopOnRequest = async (ifIdle: boolean): Promise<void> => {
    const job = ifIdle
      ? await running.then(
          ({ context }) => context.runner.working(),
          () => undefined, // best effort: an engine that can't run here has no jobs
        )
      : undefined;
    if (job !== undefined) throw busyWith(job, job.object);
    stop();
  };
  const handlers = createHandlers({
    info,
    host: () => host,
    running: () => running,
    examine: [
      () => {
        const { storage } = findStorage(paths, settings, store);
        return explainStorage({ host, root: paths.pool, configured: storage });
      },
      async () => {
        const places = programOptions(surroundings, settings);
        return (await Promise.all(engines.map((engine) => engine.examine(places)))).flat();
      },
    ],
    stop: stopOnRequest,
    rebuild,
    demandRoom: () => demandRoom(surroundings),
  });
  const app = createApp({
    handlers,
    feed: () => running.then(({ context }) => context.feed),
    log,
    token,
    version,
    signal: stopping.signal,
  });
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
  const discovery: Discovery = {
    format: 1,
    pid: process.pid,
    version,
    protocol: protocolVersion,
    build,
    startedAt: startedAt.toISOString(),
    socket: paths.socket,
    token,
    tcpPort: listening.tcpPort,
  };
  const writeDiscovery = async (): Promise<void> => {
    const fresh = `${paths.discovery}.${process.pid}`;
    await rm(fresh, { force: true });
    writeFileSync(fresh, JSON.stringify(discovery), { mode: 0o600, flag: 'wx' });
    await rename(fresh, paths.discovery);
  };
  await writeDiscovery();
  ownFiles.keep({
    path: paths.lock,
    restore() {
      const again = tryLock(paths.lock);
      if (again === undefined) throw new Error('another process has the lock');
      lock.release();
      lock = again;
    },
  });
  ownFiles.keep({ path: paths.holder, restore: () => tellHolder(paths) });
  if (!isPipe) {
    ownFiles.keep({
      path: paths.socket,
      async restore() {
        await makeSocketFolder();
        await listening.reopenSocket();
      },
    });
  }
  ownFiles.keep({ path: paths.discovery, restore: writeDiscovery });
  log.info('engine started', {
    pid: process.pid,
    version,
    build,
    home: paths.home,
    ms: Math.round(performance.now()),
  });
  void dropOldCode(paths.code, build);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);

  await new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
  log.info('engine stopping');
  await ownFiles.close();
  await rm(paths.discovery, { force: true });
  await listening.close();
  await running
    .then(async ({ services, context }) => {
      await services.close();
      await context.storage.close();
      context.store.close();
    })
    .catch((error: unknown) => log.error('while stopping', { problem: toFailure(error).message }));
  log.info('engine stopped');
  await closeLog();
  await rm(paths.holder, { force: true });
  lock.release();
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
