/**
 * What to do with the datasets found in a storage, given what the state knows. Nothing is destroyed for want of
 * knowledge: only what its own tag calls unfinished or given up, or what a newer generation of the same clone replaced.
 */
import type { CloneId, DatasetId, SnapshotId } from '../protocol/ids.ts';

export interface ObservedDataset {
  id: DatasetId;
  state: 'filling' | 'ready' | 'doomed';
  content: { kind: 'snapshot'; snapshot: SnapshotId } | { kind: 'clone'; clone: CloneId; generation: number };
  /** How many datasets its snapshot or clone has. */
  members: number;
}

export interface Desired {
  /** Datasets that snapshots and clones of the state stand on. */
  referenced: ReadonlySet<DatasetId>;
  /** Generation of each clone that the state knows. */
  generations: ReadonlyMap<CloneId, number>;
  /** Known clones some of whose datasets are not in the storage. */
  withoutData?: ReadonlySet<CloneId>;
  snapshots: ReadonlySet<SnapshotId>;
}

export interface ReconcilePlan {
  sweep: readonly DatasetId[];
  adoptSnapshots: readonly SnapshotId[];
  /**
   * With the generation whose datasets are complete. Also a clone that the state knows, when the data that the state
   * names is gone: after a power cut the state may be older than the data.
   */
  adoptClones: readonly { clone: CloneId; generation: number }[];
  /** Referenced by the state, but not in the storage. */
  lost: readonly DatasetId[];
  /** Ready and unreferenced, but not complete: left alone and reported. */
  puzzling: readonly DatasetId[];
}

const groupKey = ({ content }: ObservedDataset): string =>
  content.kind === 'snapshot' ? content.snapshot : `${content.clone}#${content.generation}`;

export function reconcile(observed: readonly ObservedDataset[], desired: Desired): ReconcilePlan {
  const isLost = (clone: CloneId): boolean => desired.withoutData?.has(clone) === true;
  const sweep: DatasetId[] = [];
  const groups = new Map<string, ObservedDataset[]>();
  for (const dataset of observed) {
    if (desired.referenced.has(dataset.id)) continue;
    const known =
      dataset.content.kind === 'clone' ? desired.generations.get(dataset.content.clone) : undefined;
    const replaced =
      dataset.content.kind === 'clone' &&
      known !== undefined &&
      dataset.content.generation < known &&
      !isLost(dataset.content.clone);
    if (dataset.state !== 'ready' || replaced) sweep.push(dataset.id);
    else groups.set(groupKey(dataset), [...(groups.get(groupKey(dataset)) ?? []), dataset]);
  }

  const adoptSnapshots: SnapshotId[] = [];
  const newest = new Map<CloneId, number>();
  const puzzling: DatasetId[] = [];
  for (const group of groups.values()) {
    const [first] = group;
    if (first === undefined) continue;
    const { content } = first;
    if (group.length < first.members) puzzling.push(...group.map(({ id }) => id));
    else if (content.kind === 'snapshot') {
      if (desired.snapshots.has(content.snapshot)) puzzling.push(...group.map(({ id }) => id));
      else adoptSnapshots.push(content.snapshot);
    } else if (desired.generations.has(content.clone) && !isLost(content.clone))
      puzzling.push(...group.map(({ id }) => id));
    else newest.set(content.clone, Math.max(newest.get(content.clone) ?? -1, content.generation));
  }
  // An older complete generation beside a newer one was about to be given up when the state was lost.
  for (const group of groups.values()) {
    for (const { id, content } of group) {
      if (content.kind !== 'clone') continue;
      const adopted = newest.get(content.clone);
      if (adopted !== undefined && content.generation < adopted) sweep.push(id);
    }
  }

  const present = new Set(observed.map(({ id }) => id));
  return {
    sweep,
    adoptSnapshots,
    adoptClones: [...newest].map(([clone, generation]) => ({ clone, generation })),
    lost: [...desired.referenced].filter((id) => !present.has(id)),
    puzzling,
  };
}
