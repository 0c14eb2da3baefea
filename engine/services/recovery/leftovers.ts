/** Removes what an earlier engine left beside the data: files of servers and jobs that are gone, and what branches started from that no clone needs. */
import { join } from 'node:path';
import { datasetIdSchema, jobIdSchema, type DatasetId } from '../../protocol/ids.ts';
import type { Dataset } from '../../storage/storage.ts';
import type { Servers } from '../clones/servers.ts';
import { dropSnapshot } from '../environments/dropSnapshot.ts';
import type { RecoveryParts } from './parts.ts';
import { stillAtWork } from './stillAtWork.ts';
import { endProcessesOf } from './sweep.ts';

/** Socket folders and logs of servers whose data is nowhere any more. */
export async function clearLeftovers(
  parts: RecoveryParts,
  servers: Servers,
  datasets: ReadonlyMap<DatasetId, Dataset>,
): Promise<void> {
  const { store, machine, directories } = parts.context;
  const used = new Set<DatasetId>([
    ...datasets.keys(),
    ...store.clones.list().flatMap(({ members }) => members.map(({ dataset }) => dataset)),
  ]);
  const found = [
    ...(await machine.files.list(directories.sockets)).map(({ name }) => `data-${name}`),
    ...(await machine.files.list(directories.serverLogs)).map(({ name }) => name.replace(/\.log$/, '')),
  ];
  const unused = found
    .map((text) => datasetIdSchema.safeParse(text).data)
    .filter((id) => id !== undefined && !used.has(id));
  await servers.clear([...new Set(unused)].filter((id) => id !== undefined));
  const busy = stillAtWork(parts.context);
  const scratch = (await machine.files.list(directories.scratch)).flatMap(({ name }) => {
    const { data: id } = jobIdSchema.safeParse(name);
    return id === undefined || busy.job(id) ? [] : [{ id }];
  });
  await endProcessesOf(parts, scratch);
  for (const { id } of scratch) await machine.files.remove(join(directories.scratch, id));
}

/** What branches started from, where an engine ended between: their clones were never made, or have gone. */
export async function releaseBranchStarts({ context, bestEffort }: RecoveryParts): Promise<void> {
  const { store, catalog } = context;
  const busy = stillAtWork(context);
  for (const snapshot of store.snapshots.list()) {
    if (snapshot.origin !== 'branch' || snapshot.state !== 'ready' || busy.on(snapshot.id)) continue;
    if (catalog.clonesOf(snapshot.id).length > 0) continue;
    await bestEffort(
      'what a branch started from could not be removed',
      { snapshot: snapshot.id },
      async () => {
        await dropSnapshot(context, snapshot);
        store.snapshots.remove(snapshot.id);
      },
    );
  }
}
