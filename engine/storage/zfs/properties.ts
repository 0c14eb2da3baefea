/** The properties that our own datasets get: what suits a database, and whose a dataset is, for whoever looks with `zfs get`. */
import type { InstallationId } from '../../protocol/ids.ts';
import type { DatasetTags } from '../storage.ts';

export const installationProperty = 'thin-clones:installation';
export const datasetProperty = 'thin-clones:dataset';

/**
 * Set on `PARENT/data`, which is ours, and inherited by each dataset below it; nothing is set on the parent or on what
 * others keep below it. docs/hosts.md explains each to people.
 */
export const recommended: Readonly<Record<string, string>> = {
  // Two pages of PostgreSQL: an update copies 16 KB rather than 128, and compression still has several sectors to win.
  recordsize: '16k',
  compression: 'lz4',
  // Reading must not write.
  atime: 'off',
  // Beside the file, not in a hidden directory.
  xattr: 'sa',
  redundant_metadata: 'most',
  // Whoever fills a dataset is an ordinary user.
  setuid: 'off',
  devices: 'off',
  // zfs-auto-snapshot would keep what was given up.
  'com.sun:auto-snapshot': 'false',
};

/** Of `PARENT/trash`: nobody goes there, and what is full must still take what is given up. */
export const trashProperties: Readonly<Record<string, string>> = { mountpoint: 'none', canmount: 'off' };

/** Any text, made fit for a value that a listing shows in one field, and that sudo's rules allow. */
const shown = (text: string): string => text.replace(/[^A-Za-z0-9._:/+@-]/g, '_').slice(0, 200);

/** For people: the whole truth lies in the tag's file, of which these tell the part that is nobody's secret. */
export function propertiesOf(tags: DatasetTags): Record<string, string> {
  const { content } = tags;
  const object = content.kind === 'clone' ? content.clone : content.snapshot;
  return {
    [installationProperty]: tags.installation,
    [datasetProperty]: tags.dataset,
    'thin-clones:state': tags.state,
    'thin-clones:environment': shown(tags.environment.name),
    'thin-clones:member': shown(tags.member),
    [`thin-clones:${content.kind}`]: shown(object.name),
  };
}

export const containerProperties = (installation: InstallationId): Record<string, string> => ({
  [installationProperty]: installation,
});

/** As arguments of `zfs create` and `zfs clone`. */
export const asOptions = (properties: Readonly<Record<string, string>>): string[] =>
  Object.entries(properties).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

/** As arguments of `zfs set`. */
export const asValues = (properties: Readonly<Record<string, string>>): string[] =>
  Object.entries(properties).map(([name, value]) => `${name}=${value}`);
