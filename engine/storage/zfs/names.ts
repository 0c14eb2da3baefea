/** Names of datasets, checked as ZFS checks them, before a command sees one. */

/** ZFS_MAX_DATASET_NAME_LEN without its last zero byte. */
const longest = 255;
/** zfs_max_dataset_nesting of the module. */
const deepest = 50;
/** What we add below a dataset: "/data/ID", and "@ID.CHANCE" of a snapshot. */
export const longestBelow = '/data/data-aaaaaaaaaaaaaaaa@data-aaaaaaaaaaaaaaaa.aaaaaaaaaaaa'.length;
const levelsBelow = 2;

/**
 * What is wrong with the name of a dataset that we keep ours below, as entity_namecheck, dataset_namecheck and
 * pool_namecheck of the module say it (module/zcommon/zfs_namecheck.c); undefined when nothing is.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name.startsWith('/')) return 'it begins with "/": a dataset is named, not its folder';
  if (name.endsWith('/')) return 'it ends with "/"';
  if (/[@#]/.test(name)) return 'it names a snapshot or a bookmark, not a file system';
  const strange = /[^A-Za-z0-9 ._:/-]/u.exec(name)?.[0];
  if (strange !== undefined) return `ZFS allows no ${JSON.stringify(strange)} in it`;
  const parts = name.split('/');
  if (parts.includes('')) return 'it has an empty part';
  if (parts.includes('.') || parts.includes('..')) return 'a part of it is "." or ".."';
  const pool = parts[0] ?? '';
  if (!/^[A-Za-z]/.test(pool)) return 'a pool begins with a letter';
  if (/^(mirror|raidz|draid|spare)/.test(pool) || pool === 'log') return `no pool can be called "${pool}"`;
  if (parts.length + levelsBelow > deepest) return `it has more than ${deepest - levelsBelow} levels`;
  if (name.length + longestBelow > longest)
    return `it is longer than ${longest - longestBelow} characters, so no name fits below it`;
  return undefined;
}

/** Of the snapshot that the clones of a read-only dataset stand on. */
export const keptSnapshot = 'kept';
/** What we hold it by, so that nobody's `zfs destroy -r` takes it away under them. */
export const holdTag = 'thin-clones';

export const poolOf = (dataset: string): string => dataset.split(/[/@]/)[0] ?? dataset;
