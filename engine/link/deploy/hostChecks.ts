/** What a host says of itself, as checks for people: what the engine needs there, what it could use, and what mends the rest. */
import type { DoctorCheck } from '../../protocol/entities.ts';
import { lastWords } from '../lastWords.ts';

export interface HostDescription {
  system: string;
  processor: string;
  /** "glibc 2.36", "musl", or empty when it is unknown. */
  libc: string;
  uid: number;
  groups: readonly string[];
  /** Of the host minus ours. */
  clockAheadSeconds: number;
  home: string;
  /** Kind of the file system of the home; empty when it is unknown. */
  filesystem: string;
  /** Where that is mounted. */
  mount: string;
  freeBytes: number;
  folder: 'good' | 'noexec' | 'closed';
  /** The folder for temporary files. */
  temp: 'good' | 'noexec' | 'closed';
  missing: readonly string[];
  builds: readonly string[];
  /** "zfs-2.2.2", "btrfs-progs v6.2"; empty where there is none. */
  zfs: string;
  btrfs: string;
  /** "apt-get"; empty when it is unknown. */
  packager: string;
}

export const clockToleranceSeconds = 60;
/** Of the official Node that is brought. */
const oldestGlibc = [2, 28] as const;
/** Below it a first engine and a small database have no room. */
const littleBytes = 2e9;

export const architectureOf = ({ processor }: Pick<HostDescription, 'processor'>): string | undefined =>
  ({ x86_64: 'x64', amd64: 'x64', aarch64: 'arm64', arm64: 'arm64' })[processor];

/** Why our engine can't run there, in half a sentence; undefined when it can. */
export function unsupported(found: HostDescription): string | undefined {
  const { system, processor, libc } = found;
  if (system !== 'Linux') return `its system is ${system === '' ? 'unknown' : system}`;
  if (architectureOf(found) === undefined)
    return `its processor is ${processor === '' ? 'unknown' : processor}`;
  if (libc === 'musl') return 'its C library is musl';
  const [, major, minor] = /^glibc (\d+)\.(\d+)/.exec(libc) ?? [];
  if (major === undefined || minor === undefined) return 'its C library is unknown';
  const [oldMajor, oldMinor] = oldestGlibc;
  return Number(major) < oldMajor || (Number(major) === oldMajor && Number(minor) < oldMinor)
    ? `its C library is ${libc}`
    : undefined;
}

const shown = (text: string): string => lastWords(text).slice(0, 200);
const check = (
  name: string,
  status: DoctorCheck['status'],
  message: string,
  mends: Partial<Pick<DoctorCheck, 'fix' | 'advice'>> = {},
): DoctorCheck => ({ name, status, message, fix: null, ...mends });

const installs: Readonly<Record<string, string>> = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  yum: 'yum install -y',
  zypper: 'zypper install -y',
  pacman: 'pacman -S --noconfirm',
  apk: 'apk add',
};
/** Where a program is in a package of another name. */
const packages: Readonly<Record<string, string>> = {
  sha256sum: 'coreutils',
  head: 'coreutils',
  wc: 'coreutils',
};
const zfsPackages: Readonly<Record<string, string>> = { 'apt-get': 'zfsutils-linux' };

/** The commands are to be run there. */
export function hostChecks(found: HostDescription): DoctorCheck[] {
  const asRoot = (command: string): string => (found.uid === 0 ? command : `sudo ${command}`);
  const install = (names: readonly string[]): string | null => {
    const command = installs[found.packager];
    return command === undefined || names.length === 0
      ? null
      : asRoot(`${command} ${[...new Set(names)].join(' ')}`);
  };
  const problem = unsupported(found);
  return [
    problem === undefined
      ? check('system', 'ok', `Linux on ${shown(found.processor)}, ${shown(found.libc)}`)
      : check('system', 'problem', `The engine can't run there: ${shown(problem)}.`, {
          advice: 'It runs on Linux with glibc 2.28 or newer, on x86-64 and ARM64.',
        }),
    rightsCheck(found),
    ...(found.missing.length === 0
      ? []
      : [
          check('programs', 'problem', `It has no ${found.missing.map(shown).join(', ')}.`, {
            fix: install(found.missing.map((tool) => packages[tool] ?? shown(tool)).filter(isPackage)),
          }),
        ]),
    folderCheck(found, asRoot),
    tempCheck(found, asRoot),
    spaceCheck(found),
    clockCheck(found, asRoot),
    storeCheck('zfs', found.zfs, install([zfsPackages[found.packager] ?? ''].filter(isPackage))),
    storeCheck('btrfs', found.btrfs, install(['btrfs-progs'])),
  ];
}

/** A host could name anything as what it lacks. */
const isPackage = (name: string): boolean => /^[a-z0-9][a-z0-9+.-]*$/.test(name);

function rightsCheck({ uid, groups }: HostDescription): DoctorCheck {
  if (uid === 0) return check('rights', 'ok', 'root');
  const group = groups.find((each) => ['sudo', 'wheel', 'admin'].includes(each));
  return check(
    'rights',
    'ok',
    group === undefined
      ? 'an ordinary user'
      : `an ordinary user of the group ${group}, which usually may use sudo`,
  );
}

function folderCheck(
  { folder, home, mount }: HostDescription,
  asRoot: (command: string) => string,
): DoctorCheck {
  const name = 'folder';
  const place = shown(home);
  if (folder === 'good') return check(name, 'ok', place);
  return folder === 'noexec'
    ? check(name, 'problem', `Nothing in ${place} may be run (noexec).`, remount(mount, asRoot))
    : check(name, 'problem', `Nothing can be written in ${place}.`, {
        advice: 'Name another folder there: THIN_CLONES_HOME in the environment of its logins.',
      });
}

function tempCheck({ temp }: HostDescription, asRoot: (command: string) => string): DoctorCheck {
  if (temp === 'good') return check('temporary files', 'ok', 'can be written and run');
  return temp === 'noexec'
    ? check('temporary files', 'ok', 'can be written, not run (noexec), which is not needed')
    : check('temporary files', 'warning', 'Nothing can be written in /tmp.', {
        fix: asRoot('chmod 1777 /tmp'),
      });
}

const remount = (mount: string, asRoot: (command: string) => string): Partial<DoctorCheck> =>
  // A place that needs quoting is not put into a command that people copy.
  /^\/[A-Za-z0-9/._-]*$/.test(mount)
    ? { fix: asRoot(`mount -o remount,exec ${mount}`) }
    : { advice: 'Mount it without noexec, or name another folder there: THIN_CLONES_HOME.' };

function spaceCheck({ freeBytes, filesystem }: HostDescription): DoctorCheck {
  const gigabytes = (freeBytes / 1e9).toFixed(1);
  const text = `${gigabytes} GB free${filesystem === '' ? '' : ` on ${shown(filesystem)}`}`;
  return freeBytes < littleBytes
    ? check('space', 'warning', `${text}.`, { advice: 'Make room there, or name another place with --path.' })
    : check('space', 'ok', text);
}

function clockCheck(
  { clockAheadSeconds: ahead }: HostDescription,
  asRoot: (command: string) => string,
): DoctorCheck {
  const name = 'clock';
  if (!Number.isFinite(ahead)) return check(name, 'warning', 'It does not tell the time.');
  if (Math.abs(ahead) <= clockToleranceSeconds) return check(name, 'ok', 'within a minute of this machine');
  return check(
    name,
    'warning',
    `It is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} this machine's.`,
    {
      fix: asRoot('timedatectl set-ntp true'),
    },
  );
}

const storeCheck = (name: string, version: string, fix: string | null): DoctorCheck =>
  version === '' ? check(name, 'unused', 'not installed', { fix }) : check(name, 'ok', shown(version));
