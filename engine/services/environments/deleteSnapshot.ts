/** Deletes a snapshot that no clone stands on. */
import * as z from 'zod';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { snapshotIdSchema, type Reference } from '../../protocol/ids.ts';
import { jobOn, type Caller } from '../caller.ts';
import type { ServiceContext } from '../context.ts';
import { exclusiveLane } from '../laneKeys.ts';
import { giveUpStep } from '../removal.ts';
import { dropSnapshot } from './dropSnapshot.ts';

const deleteSnapshotInput = z.object({ snapshot: snapshotIdSchema });
type DeleteSnapshotInput = z.infer<typeof deleteSnapshotInput>;

export interface DeleteSnapshot {
  readonly kind: JobKind<DeleteSnapshotInput, object>;
  request(snapshot: Reference, caller: Caller): Job;
}

export function createDeleteSnapshot(context: ServiceContext): DeleteSnapshot {
  const { store, storage, catalog, runner } = context;
  const kind: DeleteSnapshot['kind'] = {
    type: 'snapshot.delete',
    input: deleteSnapshotInput,
    data: z.object({}),
    steps: () => [
      giveUpStep(({ input }) =>
        Promise.resolve(() => {
          const snapshot = store.snapshots.get(input.snapshot);
          if (snapshot !== undefined) store.snapshots.put({ ...snapshot, state: 'ready' });
        }),
      ),
      {
        name: 'Remove',
        async run({ input }) {
          const snapshot = store.snapshots.get(input.snapshot);
          if (snapshot !== undefined) await dropSnapshot(context, snapshot);
          return () => store.snapshots.remove(input.snapshot);
        },
      },
    ],
    ended: () => storage.emptyTrash(),
  };

  return {
    kind,
    request(reference, caller) {
      const snapshot = catalog.snapshot(reference);
      const clones = catalog.clonesOf(snapshot.id);
      if (clones.length > 0) {
        const names = clones.map(({ name }) => name);
        throw fail('snapshot_in_use', { snapshot: snapshot.name, clones: names });
      }
      return runner.submit({
        kind,
        title: `Delete snapshot ${snapshot.name}`,
        input: { snapshot: snapshot.id },
        data: {},
        lanes: [exclusiveLane(snapshot)],
        fingerprint: JSON.stringify(['snapshot.delete', snapshot.id]),
        ...jobOn('snapshot', snapshot, caller),
        prepare: () => store.snapshots.put({ ...snapshot, state: 'deleting' }),
      });
    },
  };
}
