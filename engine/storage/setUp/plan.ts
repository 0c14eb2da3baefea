/** What would make clones thin for an ordinary user of this machine: how things stand, and the scripts that change it. */
import { join } from 'node:path';
import type { Machine } from '../../machine/machine.ts';
import type { StorageSetUp } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import { obstacleTo, type StorageChoice } from '../choose.ts';
import {
  findMaker,
  GROWTH,
  mountedKind,
  occupiedBy,
  poolFileObstacle,
  poolFileOf,
  sizeFor,
  SMALLEST,
  type PoolFileKind,
} from '../poolFile.ts';
import type { PoolMount } from './mountUnit.ts';
import { removalScript, setUpScript, type SetUpOwner } from './script.ts';

export interface SetUpQuestion {
  machine: Machine;
  /** The folder of the store as it is without a set-up. */
  root: string;
  /** Where the pool file is mounted, or would be. */
  thinRoot: string;
  configured?: StorageChoice['configured'];
  /** Undefined where users have no numbers. */
  owner: SetUpOwner | undefined;
  /** Of the file, as a person wants it; default: most of the room that the disk has. */
  bytes?: number | undefined;
}

/** What does not depend on what runs. */
export type PlannedSetUp = Omit<StorageSetUp, 'isUsed' | 'holds' | 'elsewhere'>;

/** Each installs mkfs.btrfs and btrfs. */
const installers: readonly { program: string; command: string }[] = [
  { program: '/usr/bin/apt-get', command: 'apt-get install -y --no-install-recommends btrfs-progs' },
  { program: '/usr/bin/dnf', command: 'dnf install -y btrfs-progs' },
  { program: '/usr/bin/zypper', command: 'zypper --non-interactive install btrfsprogs' },
  { program: '/usr/bin/pacman', command: 'pacman -S --noconfirm btrfs-progs' },
  { program: '/sbin/apk', command: 'apk add btrfs-progs' },
];

const GIB = 2 ** 30;

interface Maker {
  kind: PoolFileKind;
  install: string | null;
}

const nothing = {
  ...{ problem: null, fix: null, image: null, mountPoint: null, bytes: null, sizeBytes: null },
  ...{ setUp: null, removal: null },
} satisfies Partial<PlannedSetUp>;

/** Changes nothing. Errors: storage_failed. */
export async function planSetUp(question: SetUpQuestion): Promise<PlannedSetUp> {
  const { machine, root, thinRoot, owner } = question;
  const image = poolFileOf(thinRoot);
  const found = await machine.files.stat(image);
  const isThere = found !== undefined || (await machine.files.stat(thinRoot)) !== undefined;
  if (!isThere) {
    const other = await withoutSetUp(question);
    if (other !== undefined) return { ...nothing, ...other };
  }
  const refuse = (problem: string, fix: string | null): PlannedSetUp => ({
    ...{ ...nothing, state: 'impossible', problem, fix },
    ...(isThere && { image, mountPoint: thinRoot, removal: removalScript(mountAt('btrfs')) }),
  });
  const mountAt = (kind: PoolFileKind): PoolMount => ({ kind, image, mountPoint: thinRoot });

  if (owner === undefined) return refuse('a user of this machine has no number', null);
  if (/[\n\r\0]/.test(thinRoot))
    return refuse(
      'the name of the folder holds a line break',
      'put THIN_CLONES_HOME where no name holds one',
    );
  if (!(await machine.files.stat('/dev/loop-control')))
    return refuse('this machine has no loop devices (/dev/loop-control)', 'modprobe loop');
  const mounted = await mountedKind(machine, thinRoot);
  const maker = mounted === undefined ? await makerOf(machine) : { kind: mounted, install: null };
  if (maker === undefined)
    return refuse('the program mkfs.btrfs is missing', 'install btrfs-progs as your system does it');
  const bytes = await sizeOf(question, root, image, found?.bytes);
  if (found === undefined && bytes < SMALLEST)
    return refuse('the disk has less than 1 GiB free for a pool file', 'free some space');
  const mount = mountAt(maker.kind);
  const init = (await machine.files.stat('/run/systemd/system')) === undefined ? 'fstab' : 'systemd';
  return {
    ...nothing,
    state: found === undefined ? 'possible' : mounted === undefined ? 'unmounted' : 'ready',
    ...{ image, mountPoint: thinRoot, bytes: found?.bytes ?? null, sizeBytes: bytes },
    setUp: setUpScript({ mount, owner, bytes, install: maker.install, init }),
    removal: isThere ? removalScript(mount) : null,
  };
}

/** Where none is needed, or none can be. */
async function withoutSetUp({
  machine,
  root,
  configured,
}: SetUpQuestion): Promise<Pick<PlannedSetUp, 'state' | 'problem' | 'fix'> | undefined> {
  const named = configured?.dataset ?? configured?.path;
  if (named !== undefined || configured?.driver !== undefined) {
    const what = named ?? `the driver "${configured?.driver ?? ''}"`;
    return {
      ...{ state: 'impossible', problem: `the settings name ${what} for the storage` },
      fix: 'take that out of the settings (storage in settings.json, thinClones.storage in VS Code)',
    };
  }
  if (machine.platform !== 'linux') {
    const thin = (await obstacleTo('reflink', machine, root)) === undefined;
    return thin
      ? { state: 'thin', problem: null, fix: null }
      : { state: 'impossible', problem: 'a pool file needs Linux', fix: null };
  }
  for (const driver of ['btrfs', 'reflink'] as const)
    if ((await obstacleTo(driver, machine, root)) === undefined)
      return { state: 'thin', problem: null, fix: null };
  if (!machine.isRoot) return undefined;
  // An engine that is root makes and mounts its own.
  if ((await machine.files.stat(poolFileOf(root))) !== undefined)
    return { state: 'thin', problem: null, fix: null };
  const obstacle = await poolFileObstacle(machine, root);
  return obstacle === undefined
    ? { state: 'thin', problem: null, fix: null }
    : { state: 'impossible', ...obstacle };
}

async function makerOf(machine: Machine): Promise<Maker | undefined> {
  const maker = await findMaker(machine);
  if (maker !== undefined && (await canClone(machine, maker.kind)))
    return { kind: maker.kind, install: null };
  for (const { program, command } of installers)
    if (await machine.files.stat(program)) return { kind: 'btrfs', install: command };
  return undefined;
}

/** The engine itself runs `btrfs`; XFS needs nothing but `cp`. */
async function canClone(machine: Machine, kind: PoolFileKind): Promise<boolean> {
  if (kind === 'xfs') return true;
  for (const folder of ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/local/sbin'])
    if (await machine.files.stat(join(folder, 'btrfs'))) return true;
  return false;
}

/** What the file should have: never less than it has. */
async function sizeOf(
  { machine, bytes: asked }: SetUpQuestion,
  root: string,
  image: string,
  present: number | undefined,
): Promise<number> {
  if (asked !== undefined) return Math.max(asked, present ?? 0);
  const occupied = present === undefined ? 0 : await occupiedUnlessUnknown(machine, root, image);
  // In whole gibibytes: what is shown is the same as what runs a moment later.
  const wanted = Math.floor((await sizeFor(machine, image, occupied)) / GIB) * GIB;
  return present !== undefined && wanted < present * GROWTH ? present : wanted;
}

async function occupiedUnlessUnknown(machine: Machine, root: string, image: string): Promise<number> {
  try {
    return await occupiedBy(machine, root, image);
  } catch (error) {
    // best effort: without stat(1) the file is offered to grow by what is free
    if (isFailure(error, 'programs_missing')) return 0;
    throw error;
  }
}
