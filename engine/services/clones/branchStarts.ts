/** The snapshots that branches start from: each goes with the last clone that stands on it. */
import type { Step, StoreChange } from '../../jobs/steps.ts';
import type { JobId, SnapshotId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import { dropSnapshot } from '../environments/dropSnapshot.ts';
import { exclusiveLane } from '../laneKeys.ts';

export interface BranchStarts {
  /** The snapshot under a clone, if it is there for the sake of clones like it. */
  under(clone: Pick<CloneRecord, 'snapshot'>): SnapshotId | undefined;
  /**
   * Removes it unless a clone stands on it, or a job other than the one that asks works with it. Idempotent. The change
   * forgets its row.
   */
  release(id: SnapshotId, job?: JobId): Promise<StoreChange | undefined>;
}

export function createBranchStarts(context: ServiceContext): BranchStarts {
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
      if (isUsed || runner.holder([exclusiveLane(snapshot)], job) !== undefined) return undefined;
      leaving.add(id);
      try {
        // Nobody starts a clone from it any more.
        store.snapshots.put({ ...snapshot, state: 'deleting' });
        await dropSnapshot(context, snapshot);
      } finally {
        leaving.delete(id);
      }
      return () => store.snapshots.remove(id);
    },
  };
}

/** Last, when the clone does not stand on it any more. A job that an older version left has no such step. */
export const removeBranchStart = <Input>(
  branchStarts: BranchStarts,
  snapshot: SnapshotId | undefined,
): Step<Input, object>[] =>
  snapshot === undefined
    ? []
    : [
        {
          name: 'Remove what the branch started from',
          cleanup: true,
          run: ({ job }) => branchStarts.release(snapshot, job),
        },
      ];
