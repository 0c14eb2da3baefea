/** Wires everything that stands above the state: storage, runtime, databases and the use cases over them. */
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { readWorkspace } from './config/workspaceFile.ts';
import { writeBlock } from './config/envFile.ts';
import type { ProgramPlaces } from './database/engineModule.ts';
import { byEngine, engines, serverTraits } from './database/engines.ts';
import { tellFullDisk } from './domain/fullDisk.ts';
import { createTcpEndpoints } from './endpoint/tcp/tcpEndpoints.ts';
import { createLocalGit } from './git/local/localGit.ts';
import type { Machine } from './machine/machine.ts';
import type { Running } from './http/handlers/access.ts';
import { createFeed } from './jobs/feed.ts';
import type { Failpoint } from './jobs/parts.ts';
import { createRunner } from './jobs/runner.ts';
import { createLocalFiles } from './migrations/local/localFiles.ts';
import type { Log } from './ports/log.ts';
import { systemClock, systemRandom } from './process/clock.ts';
import { openHomeCertificates } from './process/certificates/homeCertificates.ts';
import { hasInstallation, loadInstallation } from './process/installation.ts';
import { keepStorage, storageInUse, wasSetUp, type StorageInUse } from './process/keptStorage.ts';
import { readSettings, type Settings } from './process/settings.ts';
import { traced } from './process/trace.ts';
import { fail } from './protocol/errors.ts';
import type { InstallationId } from './protocol/ids.ts';
import type { HomePaths } from './protocol/node/home.ts';
import { joinRuntimes } from './runtime/chooseRuntime.ts';
import type { Containers } from './runtime/container/containers.ts';
import { imagesOnDemand } from './runtime/images.ts';
import { createProcessRuntime } from './runtime/process/processRuntime.ts';
import { createCatalog } from './services/catalog.ts';
import type { OtherHosts } from './services/checkouts/hostClones.ts';
import { publishingStore } from './services/publishingStore.ts';
import type { ServiceContext } from './services/context.ts';
import { createServices } from './services/services.ts';
import { cachedStore } from './state/cachedStore.ts';
import type { OpenedState } from './state/openState.ts';
import type { Reserve } from './state/reserve.ts';
import { roomyStore } from './state/roomyStore.ts';
import type { Store } from './state/store.ts';
import { createVault, loadKey } from './state/vault.ts';
import { answeringStorage } from './storage/answeringStorage.ts';
import { chooseStorage } from './storage/choose.ts';
import type { FileSystemAnswers } from './storage/fileSystemAnswers.ts';
import { POOL_FILE } from './storage/pool.ts';
import { ensurePoolFile, poolFileOf } from './storage/poolFile.ts';
import { assertMounted, isSetUp, openSetUp } from './storage/setUp/openSetUp.ts';
import type { Storage } from './storage/storage.ts';
import { mountParent } from './storage/zfs/parent.ts';

export interface Surroundings {
  paths: HomePaths;
  log: Log;
  /** Of this engine. */
  version: string;
  machine: Machine;
  failpoint: Failpoint;
  reserve: Reserve;
  /** Those that are joined to this machine. */
  otherHosts: (installation: InstallationId) => OtherHosts;
  /** Where the programs lie that come with this engine. */
  engineDirectory: string;
}

export interface OpenedStorage {
  storage: Storage;
  installation: ServiceContext['installation'];
}

/** Throws `state_full` while the space that is kept for removals could not be kept. */
export const demandRoom = ({ reserve, paths }: Pick<Surroundings, 'reserve' | 'paths'>): void => {
  if (!reserve.keep()) throw fail('state_full', { path: paths.state });
};

export const programPlaces = (
  { paths, machine, engineDirectory }: Pick<Surroundings, 'paths' | 'machine' | 'engineDirectory'>,
  settings: Settings,
): ProgramPlaces => ({
  machine,
  settings: settings.programs,
  programsDirectory: paths.programs,
  engineDirectory,
  variables: process.env,
});

/** A folder that may lie in a place where everybody writes: it must be ours, and no link to somewhere else. */
export async function makeOwnFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  const found = await lstat(path);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw fail('storage_foreign', { path, problem: 'somebody else made it' });
  }
  await chmod(path, mode);
}

const countStored = (store: Store): number => store.snapshots.list().length + store.clones.list().length;

export const findStorage = (paths: HomePaths, { storage }: Settings, store: Store): StorageInUse =>
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

/** Where the pool file that held the data is gone, what is left beside it is not all that there is. */
function refuseLostPoolFile(paths: HomePaths, store: Store, configured: Settings['storage']): void {
  const elsewhere = configured.path !== undefined || configured.dataset !== undefined;
  const kept = countStored(store);
  if (elsewhere || kept === 0 || !wasSetUp(paths.keptStorage)) return;
  const image = poolFileOf(paths.thinPool);
  const problem =
    `the pool file ${image} is gone, and this home has ${kept} snapshots and clones. ` +
    'Put it back and run "thin-clones storage setup"';
  throw fail('storage_failed', { storage: paths.thinPool, problem });
}

const keyOf = (paths: HomePaths): string => join(paths.secrets, 'key');

/** Everything above the state, ready for requests. */
export async function startServices(
  surroundings: Surroundings & { answers: FileSystemAnswers },
  state: OpenedState,
  signal: AbortSignal,
): Promise<Running> {
  const { paths, log } = surroundings;
  const trace: Trace = (name, port) =>
    process.env.THIN_CLONES_TRACE === '1' ? traced(name, port, log) : port;
  const machine = trace('machine', surroundings.machine);
  const settings = readSettings(paths.settings, process.env);
  const [{ storage: opened, installation }, certificates] = await Promise.all([
    openStorage(paths, machine, settings, state, signal),
    openHomeCertificates({ machine, clock: systemClock, log, secrets: paths.secrets, forServers: paths.tls }),
  ]);
  const storage = trace('storage', answeringStorage(opened, surroundings.answers));
  await makeOwnFolder(paths.socketRoot, machine.serverUser === undefined ? 0o700 : 0o711);
  await machine.files.makeDirectory(paths.scratch, { mode: 0o711 });
  await machine.files.makeDirectory(paths.serverLogs, { mode: 0o700 });
  const containers = containersOf({ ...surroundings, machine }, installation);
  const runtime = trace(
    'runtime',
    joinRuntimes({
      ...{ machine, traits: serverTraits, containers: async () => (await containers()).runtime },
      processes: createProcessRuntime({ machine, traits: serverTraits }),
    }),
  );
  const images = imagesOnDemand(async () => (await containers()).images);
  const programs = programPlaces({ ...surroundings, machine }, settings);
  const found = await Promise.all(
    engines.map((engine) =>
      engine.create({
        ...{ machine, runtime, images, socketRoot: paths.socketRoot, programs },
        certificate: () => certificates.serverFile(),
      }),
    ),
  );
  const databases = Object.fromEntries(
    found.map((database) => [database.engine, trace('database', database)]),
  );
  const context = createContext(surroundings, state.store, {
    ...{ installation, machine, storage, runtime, databases, certificates },
  });
  const services = createServices(context);
  // A state that can't be trusted decides nothing: no recovery, no watch, no sweep.
  if (state.blocked === null) await services.start(signal);
  return { context, services, blocked: state.blocked };
}

/** In a container its number may have no name. */
function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`; // best effort: it is for people
  }
}

/** Made, and the modules of Docker's client read, when the first member with an image needs them. */
function containersOf(
  { paths, machine }: Pick<Surroundings, 'paths' | 'machine'>,
  installation: InstallationId,
): () => Promise<Containers> {
  let made: Promise<Containers> | undefined;
  return () => {
    made ??= import('./runtime/container/containers.ts').then(({ createContainers }) => {
      const user = { name: 'owner', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      return createContainers({
        ...{ machine, traits: serverTraits, variables: process.env, home: homedir(), installation },
        ...{ user, folder: paths.programs },
      });
    });
    return made;
  };
}

type Trace = <Port extends object>(name: string, port: Port) => Port;

async function openStorage(
  paths: HomePaths,
  machine: Machine,
  settings: Settings,
  { store, blocked }: OpenedState,
  signal: AbortSignal,
): Promise<OpenedStorage> {
  const { storage: wanted, refusal } = findStorage(paths, settings, store);
  if (refusal !== undefined) throw refusal;
  const { dataset } = wanted;
  const configured =
    dataset === undefined ? wanted : { ...wanted, path: await mountParent(machine, dataset) };
  const setUp = await isSetUp(machine, paths.thinPool, configured);
  if (setUp) await assertMounted(machine, paths.thinPool);
  else refuseLostPoolFile(paths, store, configured);
  // The id may be lost with the pool file still to be mounted, which holds it too.
  const inPoolFile = configured.path === undefined && existsSync(poolFileOf(paths.pool));
  if (inPoolFile && !hasInstallation(paths.installation)) await ensurePoolFile(machine, paths.pool, signal);
  // A configured folder may be another home's: its id is taken up only by a home that has worked before.
  const isNewHome = !existsSync(keyOf(paths)) && store.environments.list().length === 0;
  const ownPool = setUp ? paths.thinPool : paths.pool;
  const pool = isNewHome ? ownPool : (configured.path ?? ownPool);
  const installation = loadInstallation(paths.installation, pool, () => systemRandom.id());
  if (!inPoolFile && !setUp) refuseEmptyStorage(configured.path ?? paths.pool, store);
  const holder = { pid: process.pid, user: ownName(), home: paths.home, machine: hostname() };
  const storage = setUp
    ? await openSetUp({
        ...{ machine, installation, signal, holder },
        ...{ thinRoot: paths.thinPool, formerRoot: paths.pool },
      })
    : await chooseStorage({
        ...{ machine, root: paths.pool, configured, installation, signal, holder },
      });
  if (blocked === null) keepStorage(paths.keptStorage, { ...configured, setUp });
  return { storage, installation };
}

function createContext(
  { paths, log, version, failpoint, reserve, otherHosts }: Surroundings,
  store: Store,
  ports: Pick<
    ServiceContext,
    'installation' | 'machine' | 'storage' | 'runtime' | 'databases' | 'certificates'
  >,
): ServiceContext {
  const feed = createFeed(systemRandom.id());
  const makeRoom = (): boolean => {
    log.warning('the disk of the state is full', { path: paths.state });
    return reserve.give();
  };
  const published = publishingStore(cachedStore(roomyStore(store, { path: paths.state, makeRoom })), feed);
  const clock = systemClock;
  const random = systemRandom;
  return {
    ...ports,
    version,
    store: published,
    feed,
    catalog: createCatalog({ store: published, feed }),
    runner: createRunner({
      ...{ store: published, clock, random, feed, log, failpoint },
      explain: (error) => tellFullDisk(error, ports.storage.root),
      demandRoom: () => demandRoom({ reserve, paths }),
    }),
    clock,
    random,
    vault: createVault(loadKey(keyOf(paths))),
    log,
    git: createLocalGit({ environment: process.env }),
    endpoints: createTcpEndpoints({
      wires: byEngine(({ wire }) => wire),
      certificate: () => ports.certificates.current(),
      onProblem: (error) => log.warning('a port of a checkout', { problem: error.message }),
    }),
    otherHosts: otherHosts(ports.installation),
    workspaceFiles: { read: readWorkspace, writeBlock },
    openCheckout: (root) => createLocalFiles({ root }),
    directories: { serverLogs: paths.serverLogs, scratch: paths.scratch, sockets: paths.socketRoot },
  };
}
