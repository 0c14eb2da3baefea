/** The snapshots that branches began with: each goes with the last clone that stands on it. */
import type { StoreChange } from '../jobs/steps.ts';
import type { JobId, SnapshotId } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { ServiceContext } from './context.ts';
import { dropSnapshot } from './environments/dropSnapshot.ts';

export interface Beginnings {
  /** The snapshot under a clone, if it is there for the sake of clones like it. */
  under(clone: Pick<CloneRecord, 'snapshot'>): SnapshotId | undefined;
  /**
   * Removes it unless a clone stands on it, or a job other than the one that asks works with it. Idempotent. The change
   * forgets its row.
   */
  release(id: SnapshotId, job?: JobId): Promise<StoreChange | undefined>;
}

export function createBeginnings(context: ServiceContext): Beginnings {
  const { store, catalog, runner } = context;
  /** Two last clones may go at once. */
  const leaving = new Set<SnapshotId>();
  return {
    under({ snapshot }) {
      const found = store.snapshots.get(snapshot);
      return found?.origin === 'branch' ? found.id : undefined;
    },
    async release(id, job) {
      const snapshot = store.snapshots.get(id);
      if (snapshot?.origin !== 'branch' || snapshot.state === 'creating' || leaving.has(id)) return undefined;
      const isUsed = catalog.clonesOf(id).length > 0;
      if (isUsed || runner.holder([{ key: id, mode: 'exclusive' }], job) !== undefined) return undefined;
      leaving.add(id);
      try {
        // Nobody begins a clone on it from here on.
        store.snapshots.put({ ...snapshot, state: 'deleting' });
        await dropSnapshot(context, snapshot);
      } finally {
        leaving.delete(id);
      }
      return () => store.snapshots.remove(id);
    },
  };
}
