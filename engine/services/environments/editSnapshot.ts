/** Changes what a snapshot is called and what is written of it: its data says so before its row does. */
import * as z from 'zod';
import type { JobKind } from '../../jobs/steps.ts';
import { snapshotMessageSchema, type Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { snapshotIdSchema, snapshotNameSchema, type Reference } from '../../protocol/ids.ts';
import type { SnapshotRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, type ServiceContext } from '../context.ts';
import { exclusiveLane } from '../laneKeys.ts';
import { snapshotTags } from '../tags.ts';

const edit = { name: snapshotNameSchema.optional(), message: snapshotMessageSchema.nullable().optional() };
const editInput = z.object({ snapshot: snapshotIdSchema, ...edit });
type EditInput = z.infer<typeof editInput>;

/** What is left out stays; no message: it is shown by its name. */
export type EditSnapshotRequest = Pick<EditInput, 'name' | 'message'>;

export interface EditSnapshot {
  readonly kind: JobKind<EditInput, object>;
  /** Throws `name_taken`, `snapshot_not_ready`, `busy`. */
  request(snapshot: Reference, request: EditSnapshotRequest, caller: Caller): Job;
}

export function createEditSnapshot(context: ServiceContext): EditSnapshot {
  const { store, storage, catalog, runner } = context;

  const edited = ({ snapshot, name, message }: EditInput): SnapshotRecord => ({
    ...catalog.snapshot(snapshot),
    ...(name === undefined ? {} : { name }),
    ...(message === undefined ? {} : { message }),
  });
  const refuseTaken = ({ id, name, environment }: SnapshotRecord): void => {
    if (catalog.snapshotsOf(environment).some((each) => each.name === name && each.id !== id))
      throw fail('name_taken', { kind: 'snapshot', name });
  };
  const tag = async (snapshot: SnapshotRecord): Promise<void> => {
    await all(snapshot.members, ({ name, dataset }) =>
      storage.tag(dataset, snapshotTags(context, snapshot, name, dataset, 'ready')),
    );
  };

  const kind: EditSnapshot['kind'] = {
    type: 'snapshot.edit',
    input: editInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Edit',
        commits: true,
        async run({ input }) {
          await tag(edited(input));
          return () => {
            const snapshot = edited(input);
            // A refresh, a commit or another rename may have taken the name meanwhile.
            refuseTaken(snapshot);
            store.snapshots.put(snapshot);
          };
        },
        async undo({ input }) {
          await tag(catalog.snapshot(input.snapshot));
          return undefined;
        },
      },
    ],
  };
  return {
    kind,
    request(reference, { name, message }, caller) {
      const snapshot = catalog.snapshot(reference);
      const holder = runner.holder([exclusiveLane(snapshot)]);
      if (holder === undefined && snapshot.state !== 'ready')
        throw fail('snapshot_not_ready', { snapshot: snapshot.name, state: snapshot.state });
      const input: EditInput = { snapshot: snapshot.id, name, message };
      refuseTaken(edited(input));
      return runner.submit({
        kind,
        title:
          name === undefined
            ? `Edit message of snapshot ${snapshot.name}`
            : `Rename snapshot ${snapshot.name} to ${name}`,
        input,
        data: {},
        lanes: [exclusiveLane(snapshot)],
        fingerprint: JSON.stringify([
          'snapshot.edit',
          snapshot.id,
          name ?? null,
          message === undefined ? 0 : message,
        ]),
        ...jobOn('snapshot', snapshot, caller),
      });
    },
  };
}
