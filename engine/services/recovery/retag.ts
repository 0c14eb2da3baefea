/**
 * Makes the tags say what the rows say: the engine may have ended between a row and its tags, a power cut may have taken the
 * last words back, adopting may have changed a name, and somebody the definition of the environment.
 */
import type { DatasetId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { Dataset } from '../../storage/storage.ts';
import { cloneTags, sayTheSame, snapshotTags } from '../tags.ts';
import type { RecoveryParts } from './parts.ts';
import { stillAtWork } from './stillAtWork.ts';

export async function retag(
  { context, bestEffort }: RecoveryParts,
  datasets: ReadonlyMap<DatasetId, Dataset>,
): Promise<void> {
  const { store, storage } = context;
  const busy = stillAtWork(context);
  const isSettled = ({ id, state }: CloneRecord): boolean =>
    (state === 'ready' || state === 'stopped') && !busy.on(id);
  const wanted = [
    ...store.clones
      .list()
      .filter(isSettled)
      .flatMap((clone) =>
        clone.members.map(({ name, dataset }) => cloneTags(context, clone, name, dataset, 'ready')),
      ),
    ...store.snapshots
      .list()
      .filter(({ id }) => !busy.on(id))
      .flatMap((snapshot) =>
        snapshot.members.map(({ name, dataset }) => snapshotTags(context, snapshot, name, dataset, 'ready')),
      ),
  ];
  for (const tags of wanted) {
    const found = datasets.get(tags.dataset)?.tags;
    // What is doomed and still there could not be removed: that is for the next start.
    if (found === undefined || found.state === 'doomed' || sayTheSame(found, tags)) continue;
    await bestEffort('tags could not be written', { dataset: tags.dataset }, () =>
      storage.tag(tags.dataset, tags),
    );
  }
}
