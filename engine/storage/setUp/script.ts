/**
 * The scripts that root runs to set a pool file up for an ordinary user, and to remove it: shown to people as they are.
 * Each line may be run again after any other, so that a script that was interrupted anywhere is run again from its start.
 */
import {
  fstabLine,
  fstabStart,
  mountUnit,
  mountUnitFile,
  mountUnitName,
  type PoolMount,
} from './mountUnit.ts';

export interface SetUpOwner {
  name: string;
  uid: number;
  gid: number;
}

export interface SetUpOptions {
  mount: PoolMount;
  owner: SetUpOwner;
  /** Of the file, which occupies what is written to it. It grows, and never shrinks. */
  bytes: number;
  /** A command that installs the programs of the file system; null: they are there. */
  install: string | null;
  init: 'systemd' | 'fstab';
}

/** One word of a POSIX shell, whatever is in it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const makers = {
  btrfs: { program: 'mkfs.btrfs', args: '-q -f', grow: 'btrfs filesystem resize max "$pool"' },
  xfs: { program: 'mkfs.xfs', args: '-q -f -m reflink=1', grow: 'xfs_growfs "$pool"' },
} as const;

/** In a comment, which ends with its line. */
const remark = (text: string): string => `# ${text.replaceAll(/[^\x20-\x7e]/g, '?')}`;

const places = ({ image, mountPoint }: PoolMount): string[] => [
  path,
  `image=${quoted(image)}`,
  `pool=${quoted(mountPoint)}`,
];

/** Lines of a shell script, one step each. */
export function setUpScript({ mount, owner, bytes, install, init }: SetUpOptions): string {
  const { program, args, grow } = makers[mount.kind];
  const user = `-o ${owner.uid} -g ${owner.gid}`;
  const unitFile = init === 'systemd' ? mountUnitFile(mount.mountPoint) : undefined;
  return text([
    '#!/bin/sh',
    remark(
      `Makes clones thin for ${owner.name}: a ${mount.kind} file system in one file, mounted at every boot.`,
    ),
    '# It may be interrupted and run again. "thin-clones storage remove" takes everything back.',
    'set -eu',
    ...places(mount),
    ...(install === null ? [] : [`command -v ${program} >/dev/null || ${install}`]),
    `# The file occupies what is written to it, and may grow to ${inGibibytes(bytes)}.`,
    '[ -e "$image" ] || rm -f "$image.new"',
    `[ -e "$image" ] || install -m 600 ${user} /dev/null "$image.new"`,
    `[ -e "$image" ] || truncate -s ${bytes} "$image.new"`,
    `[ -e "$image" ] || ${program} ${args} "$image.new"`,
    '[ -e "$image" ] || sync "$image.new"',
    '[ -e "$image" ] || mv "$image.new" "$image"',
    `[ "$(stat -c %s "$image")" -ge ${bytes} ] || truncate -s ${bytes} "$image"`,
    '# A folder that holds something is left as it is.',
    'mountpoint -q "$pool" || [ ! -d "$pool" ] || rmdir "$pool"',
    `[ -d "$pool" ] || install -d -m 700 ${user} "$pool"`,
    ...(unitFile === undefined ? byFstab(mount) : byUnit(mount, unitFile, owner)),
    '# Where the file has grown.',
    'losetup -c "$(findmnt -nfo SOURCE "$pool")"',
    grow,
    `chown ${owner.uid}:${owner.gid} "$pool"`,
    'chmod 700 "$pool"',
  ]);
}

const byUnit = (mount: PoolMount, file: string, { name }: SetUpOwner): string[] => [
  `unit=${quoted(file)}`,
  `printf '%s\\n' ${mountUnit(mount, name).map(quoted).join(' ')} > "$unit.new"`,
  'mv "$unit.new" "$unit"',
  'systemctl daemon-reload',
  `systemctl enable ${quoted(mountUnitName(mount.mountPoint))}`,
  `mountpoint -q "$pool" || systemctl start ${quoted(mountUnitName(mount.mountPoint))}`,
];

const byFstab = (mount: PoolMount): string[] => [
  `entry=${quoted(fstabLine(mount))}`,
  '[ -z "$(tail -c 1 /etc/fstab)" ] || echo >> /etc/fstab',
  'grep -qxF -e "$entry" /etc/fstab || printf \'%s\\n\' "$entry" >> /etc/fstab',
  'mountpoint -q "$pool" || mount "$pool"',
];

/** Takes back all that the other one made; what is in the pool is lost. */
export function removalScript(mount: PoolMount): string {
  const unitFile = mountUnitFile(mount.mountPoint);
  return text([
    '#!/bin/sh',
    '# Takes back what "thin-clones storage setup" made, with everything that is in it. It may be interrupted and run again.',
    'set -eu',
    ...places(mount),
    '! mountpoint -q "$pool" || umount "$pool"',
    ...(unitFile === undefined
      ? []
      : [
          `unit=${quoted(unitFile)}`,
          `[ ! -e "$unit" ] || systemctl disable ${quoted(mountUnitName(mount.mountPoint))}`,
          'rm -f "$unit" "$unit.new"',
          '[ ! -d /run/systemd/system ] || systemctl daemon-reload',
        ]),
    `entry=${quoted(fstabStart(mount))}`,
    '! grep -qF -e "$entry" /etc/fstab || cp -p /etc/fstab /etc/fstab.thin-clones',
    '! grep -qF -e "$entry" /etc/fstab || grep -vF -e "$entry" /etc/fstab > /etc/fstab.thin-clones || [ $? -eq 1 ]',
    '! grep -qF -e "$entry" /etc/fstab || mv /etc/fstab.thin-clones /etc/fstab',
    'rm -f /etc/fstab.thin-clones',
    'rm -f "$image" "$image.new"',
    '[ ! -d "$pool" ] || rmdir "$pool"',
  ]);
}

const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

const inGibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
