/** What is to be done with the datasets that stand in the storage, given the rows of snapshots and clones. */
import { reconcile, type ObservedDataset, type ReconcilePlan } from '../../domain/reconcile.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { Dataset } from '../../storage/storage.ts';
import type { ServiceContext } from '../context.ts';
import { stillAtWork } from './stillAtWork.ts';

export function planFor(context: ServiceContext, datasets: ReadonlyMap<DatasetId, Dataset>): ReconcilePlan {
  const { store } = context;
  const busy = stillAtWork(context);
  const clones = store.clones.list();
  const snapshots = store.snapshots.list();
  const plan = reconcile([...datasets.values()].map(observe), {
    referenced: new Set(
      [...clones, ...snapshots].flatMap(({ members }) => members.map(({ dataset }) => dataset)),
    ),
    generations: new Map(clones.map(({ id, generation }) => [id, generation])),
    snapshots: new Set(snapshots.map(({ id }) => id)),
    withoutData: new Set(
      clones
        .filter(({ members }) => members.some(({ dataset }) => !datasets.has(dataset)))
        .map(({ id }) => id),
    ),
  });
  const owned = new Set([...datasets.values()].filter((each) => busy.onData(each)).map(({ id }) => id));
  return {
    ...plan,
    sweep: plan.sweep.filter((id) => !owned.has(id)),
    adoptSnapshots: plan.adoptSnapshots.filter((id) => !busy.on(id)),
    adoptClones: plan.adoptClones.filter(({ clone }) => !busy.on(clone)),
  };
}

const observe = ({ id, tags }: Dataset): ObservedDataset =>
  tags.content.kind === 'snapshot'
    ? {
        id,
        state: tags.state,
        content: { kind: 'snapshot', snapshot: tags.content.snapshot.id },
        members: tags.content.snapshot.members.length,
      }
    : {
        id,
        state: tags.state,
        content: { kind: 'clone', clone: tags.content.clone.id, generation: tags.content.generation },
        members: tags.content.clone.members.length,
      };
