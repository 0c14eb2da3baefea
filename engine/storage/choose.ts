/** Chooses where and how datasets are kept on this machine, by trying what works, and explains the choice. */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import type { DoctorCheck, StorageDriver, StorageSetUp } from '../protocol/entities.ts';
import { fail, isFailure, toFailure } from '../protocol/errors.ts';
import type { InstallationId } from '../protocol/ids.ts';
import { createBtrfsDriver } from './btrfs/btrfsDriver.ts';
import { createCopyDriver } from './copy/copyDriver.ts';
import { createHold, type Hold, type Holder } from './hold.ts';
import { PROBE_PREFIX, readPool, type Pool } from './pool.ts';
import { ensurePoolFile, guardPoolFile, poolFileOf, poolFileObstacle } from './poolFile.ts';
import { makeRoot } from './readyRoot.ts';
import { createReflinkDriver, reflinkLabel, reflinkObstacle } from './reflink/reflinkDriver.ts';
import type { Storage } from './storage.ts';
import { openTaggedStore } from './taggedStore.ts';
import type { TreeDriver } from './treeDriver.ts';
import { createZfsCommands } from './zfs/commands.ts';
import { examineZfs } from './zfs/examine.ts';
import { datasetAt } from './zfs/parent.ts';
import { tellingQuota } from './zfs/quota.ts';
import { tellingSuspended } from './zfs/suspended.ts';
import { createZfsDriver } from './zfs/zfsDriver.ts';

export interface StorageChoice {
  machine: Machine;
  /** Folder of the store, in THIN_CLONES_HOME. A pool file lies beside it, named after it (`pool` -> `pool.img`). */
  root: string;
  /** From the settings; a driver that can't work is an error, never a reason to take another one. */
  configured?:
    | {
        driver?: StorageDriver | undefined;
        path?: string | undefined;
        /** Of ZFS: it is mounted at `path` (see zfs/parent.ts). */
        dataset?: string | undefined;
      }
    | undefined;
  installation: InstallationId;
  /** The engine that is to work on it. */
  holder: Omit<Holder, 'installation'>;
  signal?: AbortSignal | undefined;
}

/** Why a candidate can't be taken, and the command or step that would change it. */
export interface Obstacle {
  problem: string;
  fix: string | null;
}

const BTRFS_MAGIC = 0x9123683e;

/**
 * Opens the storage as the only engine on it, until it is closed.
 * Errors: storage_in_use, storage_foreign, storage_failed (with the reason and what to do), storage_full.
 */
export async function chooseStorage(asked: StorageChoice): Promise<Storage> {
  const root = asked.configured?.path ?? asked.root;
  const hold = createHold({ ...asked, root });
  try {
    return hold.over(await choose({ ...asked, hold }, root));
  } catch (error) {
    hold.release();
    throw error;
  }
}

type Choice = StorageChoice & { hold: Hold };

async function choose(choice: Choice, root: string): Promise<Storage> {
  const { machine, installation, configured } = choice;
  choice.signal?.throwIfAborted();
  if (configured?.dataset !== undefined || configured?.driver === 'zfs') return openOnZfs(choice, root);

  if (configured?.path === undefined && (await machine.files.stat(poolFileOf(root)))) {
    return openPoolFile(choice, root);
  }
  const pool = await readPool(machine, root, installation);
  // Before anything is tried in it.
  if (pool) await choice.hold.take();
  if (pool && (await hasDatasets(machine, root))) return reopen(choice, root, pool);

  const wanted = configured?.driver;
  const problems: string[] = [];
  for (const candidate of ['btrfs', 'reflink'] as const) {
    if (wanted !== undefined && wanted !== candidate) continue;
    choice.signal?.throwIfAborted();
    const obstacle = await obstacleTo(candidate, machine, root);
    if (!obstacle) return open(choice, root, await driverOf(candidate, machine, root));
    problems.push(tell(obstacle));
  }
  if (configured?.path === undefined && (wanted === undefined || wanted === 'btrfs') && !pool) {
    const obstacle = await poolFileObstacle(machine, root, wanted);
    if (!obstacle) return openPoolFile(choice, root);
    problems.push(tell(obstacle));
  }
  if (wanted === undefined || wanted === 'copy') {
    return open(choice, root, await createCopyDriver({ machine, root }));
  }
  throw fail('storage_failed', {
    storage: root,
    problem: `the driver "${wanted}" from the settings can't work there: ${
      wanted === 'memory' ? 'it is for tests only' : problems.join('; ')
    }`,
  });
}

async function open(
  { machine, installation, hold }: Choice,
  root: string,
  driver: TreeDriver,
): Promise<Storage> {
  // Not into a folder of somebody else.
  await readPool(machine, root, installation);
  await makeRoot(machine, root);
  await hold.take();
  return openTaggedStore({ machine, root, installation, driver });
}

async function openOnZfs(choice: Choice, root: string): Promise<Storage> {
  const { machine, installation, configured } = choice;
  const given = configured?.dataset;
  const refuse = (problem: string) => fail('storage_failed', { storage: given ?? root, problem });
  const parent = given ?? (configured?.path === undefined ? undefined : await datasetAt(machine, root));
  if (parent === undefined)
    throw refuse('ZFS needs a dataset of its own: name it (storage.dataset in settings.json)');
  const known = await readPool(machine, root, installation);
  if (known !== undefined && known.driver !== 'zfs' && (await hasDatasets(machine, root)))
    throw refuse(
      `its datasets were made by "${known.driver}"; set storage.driver back, or delete them first`,
    );
  const zfs = await createZfsCommands({ machine, root });
  const storage = await open(choice, root, createZfsDriver({ machine, zfs, installation, parent, root }));
  return tellingSuspended(tellingQuota(storage, zfs, parent), zfs, parent);
}

async function openPoolFile(choice: Choice, root: string): Promise<Storage> {
  const { machine, configured, signal } = choice;
  const kind = await ensurePoolFile(machine, root, signal);
  const driver =
    kind === 'btrfs'
      ? createBtrfsDriver({ machine, root, label: 'btrfs pool file, thin' })
      : createReflinkDriver({ machine, root, label: 'XFS pool file, thin' });
  if (configured?.driver !== undefined && configured.driver !== driver.driver) {
    throw fail('storage_failed', {
      storage: root,
      problem: `the settings ask for "${configured.driver}", but the datasets are in the pool file ${poolFileOf(root)} (${driver.driver})`,
    });
  }
  return guardPoolFile(machine, root, (guard) => open(choice, root, guard(driver)));
}

/** Datasets stay with the driver that made them, even when a better one appears: they could not be cloned otherwise. */
async function reopen(choice: Choice, root: string, pool: Pool): Promise<Storage> {
  const { machine, configured } = choice;
  const wanted = configured?.driver ?? pool.driver;
  const bound = [wanted, pool.driver].some((driver) => driver === 'btrfs' || driver === 'zfs');
  if (wanted !== pool.driver && bound) {
    throw fail('storage_failed', {
      storage: root,
      problem: `the settings ask for "${wanted}", but its datasets were made by "${pool.driver}"; set it back, or delete them first`,
    });
  }
  if (pool.driver === 'zfs') return openOnZfs({ ...choice, configured: { path: root } }, root);
  const obstacle = await obstacleTo(wanted, machine, root);
  if (!obstacle) return open(choice, root, await driverOf(wanted, machine, root));
  throw fail('storage_failed', {
    storage: root,
    problem: `its datasets need the driver "${wanted}", which does not work: ${tell(obstacle)}`,
  });
}

const tell = ({ problem, fix }: Obstacle): string => (fix === null ? problem : `${problem} (${fix})`);

export async function hasDatasets(machine: Machine, root: string): Promise<boolean> {
  return (await machine.files.list(join(root, 'tags'))).some(({ name }) => name.endsWith('.json'));
}

async function driverOf(kind: StorageDriver, machine: Machine, root: string): Promise<TreeDriver> {
  switch (kind) {
    case 'btrfs':
      return createBtrfsDriver({ machine, root });
    case 'reflink': {
      const type = await machine.fileSystem.type(await nearestFolder(machine, root));
      return createReflinkDriver({ machine, root, label: reflinkLabel(type, machine.platform) });
    }
    case 'copy':
      return createCopyDriver({ machine, root });
    case 'zfs':
      throw fail('storage_failed', { storage: root, problem: 'ZFS needs a dataset of its own' });
    case 'memory':
      throw fail('storage_failed', { storage: root, problem: 'the driver "memory" is for tests only' });
  }
}

export async function obstacleTo(
  kind: StorageDriver,
  machine: Machine,
  root: string,
): Promise<Obstacle | undefined> {
  if (kind === 'copy') return undefined;
  if (kind === 'memory') return { problem: 'it is for tests only', fix: null };
  if (kind === 'zfs') return { problem: 'ZFS needs a dataset of its own', fix: null };
  if (machine.platform === 'win32')
    return { problem: 'Windows shares no blocks between files here', fix: null };
  const base = await nearestFolder(machine, root);
  const type = await machine.fileSystem.type(base);
  if (kind === 'btrfs' && (machine.platform !== 'linux' || type !== BTRFS_MAGIC)) {
    return {
      problem: `${base} is not on btrfs`,
      fix: 'put THIN_CLONES_HOME, or storage.path of the settings, on a btrfs file system',
    };
  }
  const probe = join(base, `${PROBE_PREFIX}${randomBytes(6).toString('hex')}`);
  try {
    await machine.files.makeDirectory(probe, { mode: 0o700 });
    return await (kind === 'btrfs' ? tryBtrfs(machine, probe) : tryReflink(machine, probe));
  } catch (error) {
    if (isFailure(error, 'storage_full')) throw error;
    return { problem: toFailure(error).message, fix: null };
  } finally {
    await machine.files.remove(probe);
  }
}

async function tryBtrfs(machine: Machine, probe: string): Promise<Obstacle | undefined> {
  const driver = createBtrfsDriver({ machine, root: probe });
  const [origin, copy] = [join(probe, 'origin'), join(probe, 'copy')];
  try {
    await driver.makeTree(origin, undefined);
    await driver.copyTree(origin, copy, {});
    await driver.dropTree(copy, undefined);
    await driver.dropTree(origin, undefined);
    return undefined;
  } catch (error) {
    if (!isFailure(error, 'programs_missing')) throw error;
    return { problem: 'the program btrfs is missing', fix: 'apt-get install btrfs-progs' };
  }
}

async function tryReflink(machine: Machine, probe: string): Promise<Obstacle | undefined> {
  const origin = join(probe, 'origin');
  await machine.files.writeAtomic(origin, 'x'.repeat(65_536));
  const problem = await reflinkObstacle(machine, origin, join(probe, 'copy'));
  return problem === undefined
    ? undefined
    : { problem, fix: 'put THIN_CLONES_HOME, or storage.path of the settings, on btrfs or XFS' };
}

/** The folder itself, or the nearest one above it that exists. */
async function nearestFolder(machine: Machine, path: string): Promise<string> {
  let current = path;
  while (!(await machine.files.stat(current)) && dirname(current) !== current) current = dirname(current);
  return current;
}

/** For the doctor: each candidate, why it was or was not taken, and what would enable it. Changes nothing. */
export async function explainStorage(
  choice: Omit<StorageChoice, 'installation' | 'holder'> & {
    /** What a set-up for an ordinary user would do here. */
    setUp?: Pick<StorageSetUp, 'state' | 'image' | 'mountPoint' | 'problem' | 'fix'>;
  },
): Promise<readonly DoctorCheck[]> {
  const { machine, configured, setUp } = choice;
  const root = configured?.path ?? choice.root;
  const inPoolFile =
    configured?.path === undefined && (await machine.files.stat(poolFileOf(root))) !== undefined;
  const zfs = await examineZfs(machine, configured?.dataset);
  if (configured?.dataset !== undefined) return [zfs];
  if (setUp?.state === 'ready' || setUp?.state === 'unmounted') return [setUpCheck(setUp), zfs];
  const checks: DoctorCheck[] = [];
  let taken: string | undefined = inPoolFile ? 'pool file' : undefined;
  const add = (name: string, obstacle: Obstacle | undefined, works: string): void => {
    const first = !obstacle && taken === undefined;
    if (first) taken = name;
    checks.push({
      name: `storage: ${name}`,
      status: obstacle ? 'unused' : 'ok',
      message: obstacle
        ? `Not available: ${obstacle.problem}.`
        : first
          ? `Used: ${works}`
          : `Available: ${works}`,
      ...remedyOf(obstacle),
    });
  };

  if (inPoolFile) {
    checks.push({
      name: 'storage: pool file',
      status: 'ok',
      message: `Used: ${poolFileOf(root)}, mounted at ${root}.`,
      ...remedyOf(undefined),
    });
  }
  for (const kind of ['btrfs', 'reflink'] as const) {
    add(
      kind,
      inPoolFile ? await obstacleTo(kind, machine, dirname(root)) : await obstacleTo(kind, machine, root),
      kind === 'btrfs' ? 'clones are btrfs snapshots.' : 'clones share the blocks of their files.',
    );
  }
  if (!inPoolFile) {
    add(
      'pool file',
      await poolFileObstacle(machine, root, configured?.driver),
      'a file system in a file beside the folder.',
    );
  }
  checks.push(zfs);
  const thin = taken !== undefined;
  if (!thin && setUp?.state === 'possible') checks.push(setUpCheck(setUp));
  checks.push({
    name: 'storage: full copy',
    status: thin ? 'ok' : 'warning',
    message: thin
      ? 'Available: every clone is a full copy.'
      : 'Used: nothing better works here, so every clone is a full copy of its snapshot.',
    fix: null,
    advice: thin
      ? null
      : 'Put THIN_CLONES_HOME, or storage.path of the settings, on a btrfs or XFS file system, or run the engine as root once so that it can make a pool file.',
  });
  return checks;
}

const setUpCommand = 'thin-clones storage setup';

/** A pool file of an ordinary user, whom root helps once. */
function setUpCheck({
  state,
  image,
  mountPoint,
}: Pick<StorageSetUp, 'state' | 'image' | 'mountPoint'>): DoctorCheck {
  const name = 'storage: thin for you';
  if (state === 'ready')
    return {
      ...{ name, status: 'ok', fix: null, advice: null },
      message: `Used: the pool file ${image ?? ''}, mounted at ${mountPoint ?? ''}.`,
    };
  if (state === 'unmounted')
    return {
      ...{ name, status: 'problem', fix: setUpCommand, advice: null },
      message: `The pool file ${image ?? ''} is not mounted.`,
    };
  return {
    ...{ name, status: 'warning', fix: setUpCommand, advice: null },
    message: 'Clones can be made thin: one command shows a short script and lets root run it.',
  };
}

/** What reads as a command is one: a word that is a program, in front. */
const commandStart = /^(apt-get|modprobe) /;

function remedyOf(obstacle: Obstacle | undefined): Pick<DoctorCheck, 'fix' | 'advice'> {
  const fix = obstacle?.fix ?? null;
  if (fix === null || commandStart.test(fix)) return { fix, advice: null };
  return { fix: null, advice: `${fix.charAt(0).toUpperCase()}${fix.slice(1)}.` };
}
