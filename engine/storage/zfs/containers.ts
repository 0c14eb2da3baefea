/** What holds our datasets, PARENT/data and PARENT/trash: made once, and everything in it mounted again after a reboot. */
import { basename, dirname } from 'node:path';
import { fail, isFailure } from '../../protocol/errors.ts';
import { datasetIdSchema, type InstallationId } from '../../protocol/ids.ts';
import type { ZfsCommands } from './commands.ts';
import { asOptions, containerProperties, datasetProperty, installationProperty } from './properties.ts';
import { isSet } from './table.ts';

interface Container {
  zfs: ZfsCommands;
  container: string;
  installation: InstallationId;
  properties: Readonly<Record<string, string>>;
}

/** Errors: storage_foreign. */
export async function makeContainer({ zfs, container, installation, properties }: Container): Promise<void> {
  try {
    const columns = ['mounted', 'canmount', installationProperty] as const;
    const [row] = await zfs.list(container, columns);
    const owner = row?.[installationProperty] ?? '-';
    if (owner !== installation) {
      const problem = isSet(owner) ? `it belongs to the installation ${owner}` : 'somebody else made it';
      throw fail('storage_foreign', { path: container, problem });
    }
    if (row?.mounted === 'no' && row.canmount !== 'off') await zfs.change(container, ['mount', container]);
  } catch (error) {
    if (!isFailure(error, 'storage_missing')) throw error;
    const all = { ...properties, ...containerProperties(installation) };
    await zfs.change(container, ['create', ...asOptions(all), container]);
  }
}

/** A snapshot that a clone is made of while its origin is written; goes with the clone. */
const passing = /@data-[a-z2-7]+\.[0-9a-f]+$/;

/** Mounts what a reboot, or a command that was killed, left unmounted; removes what a killed engine left of a copy. */
export async function mountAll(options: {
  zfs: ZfsCommands;
  data: string;
  installation: InstallationId;
}): Promise<void> {
  const { zfs, data, installation } = options;
  const columns = ['name', 'type', 'mounted', 'clones', installationProperty, datasetProperty] as const;
  const rows = await zfs.list(data, columns, ['-r', '-t', 'filesystem,snapshot']);
  for (const row of rows) {
    const [dataset = '', snapshot] = row.name.split('@');
    const id = basename(dataset);
    const ours =
      dirname(dataset) === data &&
      datasetIdSchema.safeParse(id).success &&
      row[installationProperty] === installation &&
      row[datasetProperty] === id;
    if (!ours) continue;
    if (snapshot === undefined && row.mounted === 'no') await zfs.change(dataset, ['mount', dataset]);
    if (passing.test(row.name) && !isSet(row.clones)) await zfs.change(row.name, ['destroy', '-d', row.name]);
  }
}
