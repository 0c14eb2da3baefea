/** The row of a snapshot that is made of a clone: reserved with the request, ready when its data is, or gone. */
import * as z from 'zod';
import { newestTime } from '../../domain/countedTime.ts';
import { freeSnapshotName } from '../../domain/naming.ts';
import { fail } from '../../protocol/errors.ts';
import { snapshotIdSchema, type SnapshotName } from '../../protocol/ids.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import type { Caller } from '../caller.ts';
import { all, newDatasetId, type ServiceContext } from '../context.ts';
import { snapshotTags } from '../tags.ts';
import { measureSnapshot } from './freeze.ts';
import { memberDatasetSchema } from './rows.ts';

/** In the journal of a job: the snapshot that it makes of a clone. */
export const keptSchema = z.object({ snapshot: snapshotIdSchema, datasets: z.array(memberDatasetSchema) });
export type Kept = z.infer<typeof keptSchema>;

/** Errors: `name_taken`. */
export function reserveSnapshot(
  context: ServiceContext,
  clone: CloneRecord,
  caller: Caller,
  options: { name: SnapshotName | undefined; origin: SnapshotRecord['origin']; message: string | null },
): { record: SnapshotRecord; kept: Kept } {
  const { name, origin, message } = options;
  const taken = new Set<string>(context.catalog.snapshotsOf(clone.environment).map((each) => each.name));
  if (name !== undefined && taken.has(name)) throw fail('name_taken', { kind: 'snapshot', name });
  const id = snapshotIdSchema.parse(`snapshot-${context.random.id()}`);
  const at = context.clock.now().toISOString();
  const createdAt = newestTime(
    at,
    context.store.snapshots.list().map((each) => each.createdAt),
  );
  const members = clone.members.map(({ name: member, engine, version, database, image }) => ({
    ...{ name: member, engine, version, database, dataset: newDatasetId(context) },
    ...(image && { image }),
  }));
  const record: SnapshotRecord = {
    ...{ id, name: name ?? freeSnapshotName(at, taken, origin), environment: clone.environment },
    ...{ state: 'creating' },
    ...{ dataStateAt: at, createdAt, createdBy: caller.user, skewMs: 0 },
    ...{ bytes: { unshared: null, logical: null }, members, origin, message },
  };
  const datasets = members.map(({ name: member, dataset }) => ({ name: member, dataset }));
  return { record, kept: { snapshot: id, datasets } };
}

/** Tags its data as ready, and returns its row. */
export async function finishSnapshot(context: ServiceContext, kept: Kept): Promise<SnapshotRecord> {
  const datasets = kept.datasets.map(({ dataset }) => dataset);
  const bytes = await measureSnapshot(context, datasets);
  const ready: SnapshotRecord = { ...context.catalog.snapshot(kept.snapshot), state: 'ready', bytes };
  await all(kept.datasets, ({ name, dataset }) =>
    context.storage.tag(dataset, snapshotTags(context, ready, name, dataset, 'ready')),
  );
  return ready;
}

/** The row of a snapshot that never became ready. */
export const removeUnfinished =
  ({ store }: ServiceContext, id: SnapshotRecord['id']) =>
  (): void => {
    if (store.snapshots.get(id)?.state === 'creating') store.snapshots.remove(id);
  };
