/** How a pool file is mounted again at every boot: as a systemd mount unit, or as a line of /etc/fstab. */

/** What is mounted where, and how. */
export interface PoolMount {
  image: string;
  mountPoint: string;
  kind: 'btrfs' | 'xfs';
}

/** Of a file in a folder. */
const longestName = 255;

const unitFolder = '/etc/systemd/system';

/**
 * Whoever owns the file could write a program of root's or a device into it: neither counts there.
 * `user_subvol_rm_allowed`: a clone is deleted by the user who made it (btrfs(5)).
 */
export const mountOptions = ({ kind }: Pick<PoolMount, 'kind'>): string =>
  `loop,noatime,nosuid,nodev${kind === 'btrfs' ? ',user_subvol_rm_allowed' : ''}`;

/** As `systemd-escape --path --suffix=mount` does it (systemd.unit(5), "String escaping for inclusion in unit names"). */
export function mountUnitName(mountPoint: string): string {
  const trimmed = mountPoint.replaceAll(/\/+/g, '/').replaceAll(/^\/|\/$/g, '');
  const escaped = [...Buffer.from(trimmed)].map((byte, at) => {
    const char = String.fromCharCode(byte);
    if (char === '/') return '-';
    const isPlain = /[A-Za-z0-9:_]/.test(char) || (char === '.' && at > 0);
    return isPlain ? char : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `${escaped.join('') || '-'}.mount`;
}

/** Undefined where the path is too long to be the name of a file. */
export function mountUnitFile(mountPoint: string): string | undefined {
  const name = mountUnitName(mountPoint);
  return name.length > longestName ? undefined : `${unitFolder}/${name}`;
}

/** A value is the rest of its line, in which only the percent sign means something (systemd.unit(5), "Specifiers"). */
const value = (text: string): string => text.replaceAll('%', '%%');

/** Its absence stops no boot: it is wanted, not required. */
export function mountUnit(mount: PoolMount, userName: string): readonly string[] {
  return [
    '[Unit]',
    `Description=Thin Clones of ${value(userName)}`,
    '',
    '[Mount]',
    `What=${value(mount.image)}`,
    `Where=${value(mount.mountPoint)}`,
    `Type=${mount.kind}`,
    `Options=${mountOptions(mount)}`,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
}

/** As getmntent(3) reads it. */
const field = (text: string): string =>
  text.replaceAll(/[\\ \t]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** What such a line begins with, and no other one: a field holds no space. */
export const fstabStart = ({ image, mountPoint }: Pick<PoolMount, 'image' | 'mountPoint'>): string =>
  `${field(image)} ${field(mountPoint)} `;

export const fstabLine = (mount: PoolMount): string =>
  `${fstabStart(mount)}${mount.kind} ${mountOptions(mount)},nofail 0 0`;
