/** Copies the data of a snapshot for a clone, so that servers can be started on it. */
import type { Reporter } from '../../database/database.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import { allTelling } from '../memberProgress.ts';
import { cloneTags } from '../tags.ts';
import { datasetOf } from './rows.ts';

/** Still tagged `filling`; `clone` is the row as it will be. */
export async function copySnapshot(
  context: ServiceContext,
  snapshot: SnapshotRecord,
  clone: CloneRecord,
  { signal, report }: { signal: AbortSignal; report: Reporter },
): Promise<void> {
  await allTelling(clone.members, report, async ({ name, dataset, engine }, onProgress) => {
    const tags = cloneTags(context, clone, name, dataset, 'filling');
    const source = datasetOf(snapshot, name);
    const copy = await context.storage.clone(source, dataset, tags, { signal, onProgress });
    await databaseOf(context, engine).makeStartable(copy.path);
  });
}
