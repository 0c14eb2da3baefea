/**
 * What was given up: unmounted at PARENT/trash until nothing depends on it. ZFS frees no snapshot that a clone stands on,
 * whoever made the clone, and none that somebody holds: such a dataset stays, without anybody waiting for it.
 */
import { basename, dirname } from 'node:path';
import { fail, isFailure } from '../../protocol/errors.ts';
import type { InstallationId } from '../../protocol/ids.ts';
import type { ZfsCommands } from './commands.ts';
import { holdTag, keptSnapshot } from './names.ts';
import { datasetProperty, installationProperty } from './properties.ts';
import { isSet, numberOf } from './table.ts';

export interface ZfsTrash {
  /**
   * Moves a dataset there, which unmounts it; false when there is none.
   * Errors: storage_busy; storage_foreign where it is not ours, or something of somebody else lies below it.
   */
  put(dataset: string, name: string): Promise<boolean>;
  /** Names of what can be freed now, so that each is freed after what depends on it. */
  list(): Promise<string[]>;
  /** Frees a dataset with its snapshots, or leaves it to those that need it; nothing happens when it is gone. */
  drop(dataset: string): Promise<void>;
}

const columns = ['name', 'createtxg', 'clones', 'userrefs', installationProperty, datasetProperty] as const;
type Row = Record<(typeof columns)[number], string>;

interface Given {
  dataset: string;
  madeAt: number;
  /** Clones of its snapshots, whoever's they are. */
  clones: string[];
  snapshots: { name: string; holds: number }[];
  /** Somebody else's, or with something of somebody else in it. */
  isForeign: boolean;
}

export function createZfsTrash(options: {
  zfs: ZfsCommands;
  parent: string;
  installation: InstallationId;
}): ZfsTrash {
  const { zfs, parent, installation } = options;
  const trash = `${parent}/trash`;

  const look = async (below: string): Promise<Given[]> => {
    const given = new Map<string, Given>();
    const rows = await zfs.list(below, columns, ['-r', '-t', 'all']);
    for (const row of rows) note(given, row);
    return [...given.values()];
  };

  const note = (given: Map<string, Given>, row: Row): void => {
    const [dataset = '', snapshot] = row.name.split('@');
    if (dataset === trash || dataset.includes('#')) return;
    const top = dataset
      .split('/')
      .slice(0, trash.split('/').length + 1)
      .join('/');
    if (top !== dataset) {
      const above = given.get(top);
      if (above !== undefined) above.isForeign = true;
      return;
    }
    if (snapshot === undefined) {
      const id = basename(dataset).split('.')[0];
      const isForeign = row[installationProperty] !== installation || row[datasetProperty] !== id;
      const madeAt = numberOf(row.createtxg);
      given.set(dataset, { dataset, madeAt, clones: [], snapshots: [], isForeign });
      return;
    }
    const of = given.get(dataset);
    if (isSet(row.clones)) of?.clones.push(...row.clones.split(','));
    of?.snapshots.push({ name: row.name, holds: numberOf(row.userrefs) });
  };

  /** What lies below a dataset would go along. */
  const assertOurs = async (dataset: string): Promise<void> => {
    const properties = ['name', installationProperty, datasetProperty] as const;
    const [row, below] = await zfs.list(dataset, properties, ['-d', '1', '-t', 'filesystem,volume']);
    const foreign = (problem: string): Error => fail('storage_foreign', { path: dataset, problem });
    if (row?.[installationProperty] !== installation || row[datasetProperty] !== basename(dataset))
      throw foreign('its properties do not say that it is ours');
    if (below !== undefined) throw foreign(`somebody keeps ${below.name} below it`);
  };

  const isHeldByOthers = ({ snapshots }: Given): boolean =>
    snapshots.some(({ name, holds }) => holds > (name.endsWith(`@${keptSnapshot}`) ? 1 : 0));

  const destroy = async ({ dataset, snapshots }: Given): Promise<void> => {
    for (const { name, holds } of snapshots)
      if (holds > 0) await ignoring(['storage_missing'], () => zfs.change(name, ['release', holdTag, name]));
    if (snapshots.length > 0)
      await ignoring(['storage_missing'], () => zfs.change(dataset, ['destroy', `${dataset}@%`]));
    await ignoring(['storage_missing'], () => zfs.change(dataset, ['destroy', dataset]));
  };

  return {
    async put(dataset, name) {
      try {
        await assertOurs(dataset);
        await zfs.change(dataset, ['rename', dataset, `${trash}/${name}`]);
        return true;
      } catch (error) {
        if (isFailure(error, 'storage_missing')) return false;
        throw error;
      }
    },

    async list() {
      const given = (await look(trash)).sort((one, other) => other.madeAt - one.madeAt);
      const names = new Set<string>();
      // A clone is younger than what it was made of, so all that can go was seen before.
      for (const each of given) {
        const isFree = each.clones.every((clone) => names.has(clone));
        if (isFree && !each.isForeign && !isHeldByOthers(each)) names.add(each.dataset);
      }
      return [...names].map((dataset) => basename(dataset));
    },

    async drop(dataset) {
      if (dirname(dataset) !== trash) throw new Error(`${dataset} was not given up`);
      let found: Given[] = [];
      await ignoring(['storage_missing'], async () => {
        found = await look(dataset);
      });
      for (const each of found)
        if (each.clones.length === 0 && !each.isForeign && !isHeldByOthers(each)) await destroy(each);
    },
  };
}

async function ignoring(
  codes: readonly Parameters<typeof isFailure>[1][],
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!codes.some((code) => isFailure(error, code))) throw error;
  }
}
