/** For the doctor: what of ZFS is here, which dataset is used, and the exact commands that mend what is missing. Changes nothing. */
import type { Machine } from '../../machine/machine.ts';
import type { DoctorCheck } from '../../protocol/entities.ts';
import { isFailure, toFailure } from '../../protocol/errors.ts';
import { createZfsCommands, findProgram, ownUser } from './commands.ts';
import { nameProblem, poolOf } from './names.ts';
import { lookAt, parentObstacle } from './parent.ts';
import { oldestSudo, sudoersLines } from './sudoers.ts';
import { numberOf, parseTable } from './table.ts';

const NAME = 'storage: zfs';
const oldest = [2, 1] as const;

type Check = Pick<DoctorCheck, 'status' | 'message'> & { fix?: string | null; advice?: string | null };

/** `dataset`: what the settings give, if they do. */
export async function examineZfs(machine: Machine, dataset: string | undefined): Promise<DoctorCheck> {
  try {
    return finished(await look(machine, dataset));
  } catch (error) {
    const { message, next } = toFailure(error).document;
    return finished({ status: dataset === undefined ? 'unused' : 'problem', message, advice: next });
  }
}

const finished = ({ status, message, fix = null, advice = null }: Check): DoctorCheck => ({
  ...{ name: NAME, status, message, fix, advice },
});

async function look(machine: Machine, dataset: string | undefined): Promise<Check> {
  const without = dataset === undefined ? 'unused' : 'problem';
  if (machine.platform !== 'linux')
    return { status: without, message: 'Not available: ZFS is used on Linux only.' };
  const [zfs, zpool] = [await findProgram(machine, 'zfs'), await findProgram(machine, 'zpool')];
  if (zfs === undefined || zpool === undefined)
    return {
      status: without,
      message: 'Not available: the program zfs is missing.',
      fix: 'apt-get install zfsutils-linux',
      advice: 'Debian has it in contrib, and needs zfs-dkms with the kernel headers besides.',
    };
  if (!(await machine.files.stat('/dev/zfs')))
    return { status: without, message: 'Not available: the kernel has no ZFS.', fix: 'modprobe zfs' };
  const version = await machine.run({
    ...{ program: zfs, args: ['version'] },
    parse: ({ stdout }) => /zfs-(\d+\.\d+\S*)/.exec(stdout)?.[1] ?? 'of unknown version',
  });
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    return { status: without, message: `Not available: OpenZFS ${version} is older than 2.1.` };
  const pools = await machine.run({
    ...{ program: zpool, args: ['list', '-H', '-p', '-o', 'name,health,size,free'], env: { LC_ALL: 'C' } },
    parse: ({ stdout }) => parseTable(stdout, ['name', 'health', 'size', 'free']),
  });
  const named = pools
    .map(
      ({ name, health, size, free }) =>
        `${name} (${health}, ${gigabytes(numberOf(free))} of ${gigabytes(numberOf(size))} free)`,
    )
    .join(', ');
  const here = `OpenZFS ${version}, ${pools.length === 0 ? 'no pool' : `pools: ${named}`}`;
  if (dataset !== undefined) return withParent(machine, dataset, { here, zfs, pools });
  const largest = [...pools].sort((one, other) => numberOf(other.free) - numberOf(one.free))[0];
  return {
    status: 'unused',
    message: `Not used: ${here}, and no dataset was given.`,
    advice:
      largest === undefined
        ? 'Make a pool, or import one with: zpool import.'
        : `To keep clones there run: zfs create -o canmount=on ${largest.name}/thin-clones; then give it to the engine: "storage": { "dataset": "${largest.name}/thin-clones" } in settings.json of THIN_CLONES_HOME, or THIN_CLONES_STORAGE_DATASET in its environment.`,
  };
}

interface Found {
  here: string;
  zfs: string;
  pools: readonly Record<'name' | 'health', string>[];
}

async function withParent(machine: Machine, dataset: string, { here, zfs, pools }: Found): Promise<Check> {
  const wrong = nameProblem(dataset);
  if (wrong !== undefined)
    return { status: 'problem', message: `${here}; "${dataset}" can't name a dataset: ${wrong}.` };
  const pool = pools.find(({ name }) => name === poolOf(dataset));
  if (pool === undefined)
    return {
      ...{ status: 'problem', message: `${here}; the pool of ${dataset} is not here.` },
      fix: `zpool import ${poolOf(dataset)}`,
    };
  if (pool.health === 'SUSPENDED')
    return {
      ...{ status: 'problem', message: `${here}; the pool is suspended: a disk of it does not answer.` },
      fix: `zpool clear ${pool.name}`,
    };
  const commands = await createZfsCommands({ machine, root: dataset });
  const parent = await lookAt(commands, dataset).catch((error: unknown) => {
    if (isFailure(error, 'storage_missing')) return undefined;
    throw error;
  });
  if (parent === undefined)
    return {
      ...{ status: 'problem', message: `${here}; there is no dataset ${dataset}.` },
      fix: `zfs create -p ${dataset}`,
    };
  const obstacle = parentObstacle(dataset, parent);
  if (obstacle !== undefined)
    return { status: 'problem', message: `${here}; ${obstacle.problem}.`, fix: obstacle.fix };
  const { mountpoint } = parent;
  if (parent.mounted !== 'yes')
    return {
      status: 'problem',
      message: `${here}; ${dataset} is not mounted.`,
      fix: `zfs mount ${dataset}`,
    };
  const used = `Used: ${here}; parent dataset ${dataset}, mounted at ${mountpoint}.`;
  if (machine.isRoot) return { status: 'ok', message: used };
  return withoutRoot(machine, { used, zfs, dataset, mountpoint, listing: [zfs, 'mount', dataset] });
}

interface Unprivileged {
  used: string;
  zfs: string;
  dataset: string;
  mountpoint: string;
  listing: readonly string[];
}

async function withoutRoot(
  machine: Machine,
  { used, zfs, dataset, mountpoint, listing }: Unprivileged,
): Promise<Check> {
  const owner = await ownUser(machine);
  const user = await machine.run({
    ...{ program: 'id', args: ['-un'] },
    parse: ({ stdout }) => stdout.trim(),
  });
  const folder = await machine.files.stat(mountpoint);
  if (String(folder?.owner) !== owner.split(':')[0])
    return {
      status: 'problem',
      message: `${dataset} is mounted at ${mountpoint}, which ${user} does not own.`,
      fix: `chown ${owner} ${mountpoint}`,
      advice: 'Run it as root.',
    };
  // Asks whether it would be allowed, and runs nothing.
  const allowed = await machine
    .run({ program: 'sudo', args: ['-n', '-l', '--', ...listing], parse: ({ code }) => code === 0 })
    .catch((error: unknown) => {
      if (isFailure(error, 'programs_missing')) return false;
      throw error;
    });
  if (allowed) return { status: 'ok', message: `${used} Changes go through sudo.` };
  const lines = sudoersLines({ user, owner, zfs, dataset, mountpoint });
  return {
    status: 'problem',
    message: `${dataset}: only root can mount on Linux, whatever "zfs allow" delegates, and sudo does not let ${user} run what is needed.`,
    advice: `Run the engine as root, or put these lines into /etc/sudoers.d/thin-clones with "visudo -f" (sudo ${oldestSudo} or newer):\n${lines.join('\n')}`,
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;
