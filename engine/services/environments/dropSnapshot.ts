/** Removes the data of a snapshot that nothing stands on. */
import type { SnapshotRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import { tagDoomed } from '../removal.ts';
import { snapshotTags } from '../tags.ts';

/** Idempotent; the row is left to the caller. */
export async function dropSnapshot(context: ServiceContext, snapshot: SnapshotRecord): Promise<void> {
  await tagDoomed(
    context,
    snapshot.members.map(({ name, dataset }) => snapshotTags(context, snapshot, name, dataset, 'doomed')),
  );
  await all(snapshot.members, ({ dataset }) => context.storage.destroy(dataset));
}
