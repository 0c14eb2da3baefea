/** Removes the data of a snapshot that nothing stands on. */
import type { SnapshotRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import { doom, snapshotTags } from '../tags.ts';

/** Idempotent; the row is left to the caller. */
export async function dropSnapshot(context: ServiceContext, snapshot: SnapshotRecord): Promise<void> {
  // All before the first is gone: whoever finds one of them knows that the others are to go too.
  await all(snapshot.members, ({ name, dataset }) =>
    doom(context, snapshotTags(context, snapshot, name, dataset, 'doomed')),
  );
  await all(snapshot.members, ({ dataset }) => context.storage.destroy(dataset));
}
