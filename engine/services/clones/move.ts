/** Moves a snapshot or a clone from the store that was in use before to the one where new ones go. A clone is stopped meanwhile. */
import * as z from 'zod';
import type { JobKind, Step, StepContext } from '../../jobs/steps.ts';
import type { Job, StorageSetUp } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import {
  cloneIdSchema,
  datasetIdSchema,
  snapshotIdSchema,
  type DatasetId,
  type Reference,
} from '../../protocol/ids.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import type { FormerStore } from '../../storage/storage.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, type ServiceContext } from '../context.ts';
import { exclusiveLane, sharedLane } from '../laneKeys.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf, datasetOf } from './rows.ts';

const moveInput = z.object({
  /** Undefined: a snapshot is moved. */
  clone: cloneIdSchema.optional(),
  snapshot: snapshotIdSchema,
  /** `base`: the snapshot's data of the same member, with which a clone shares what is the same. */
  datasets: z.array(z.object({ id: datasetIdSchema, base: datasetIdSchema.optional() })),
});
type MoveInput = z.infer<typeof moveInput>;
type MoveStep = Step<MoveInput, object>;

export interface MoveData {
  readonly kind: JobKind<MoveInput, object>;
  /** Errors: `not_supported` where nothing lies elsewhere, `clone_not_ready`, `snapshot_not_ready`, `busy`. */
  request(kind: 'snapshot' | 'clone', object: Reference, caller: Caller): Job;
  /** What still lies in the store of before, snapshots first: clones share with them what they have in common. */
  elsewhere(): Promise<StorageSetUp['elsewhere']>;
}

export function createMoveData(parts: CloneParts): MoveData {
  const { context } = parts;
  const { store, storage, catalog, runner } = context;

  const kind: MoveData['kind'] = {
    type: 'storage.move',
    input: moveInput,
    data: z.object({}),
    steps: ({ clone }) => (clone === undefined ? [moveStep(parts)] : [stopStep(parts), moveStep(parts)]),
    ended: () => storage.emptyTrash(),
  };

  const submit = (
    record: SnapshotRecord | CloneRecord,
    caller: Caller,
    options: Pick<Parameters<typeof runner.submit<MoveInput, object>>[0], 'input' | 'lanes' | 'prepare'> & {
      of: 'snapshot' | 'clone';
    },
  ): Job => {
    const { of, input, lanes, prepare } = options;
    return runner.submit({
      ...{ kind, input, lanes, data: {} },
      title: `Move ${of} ${record.name}`,
      fingerprint: JSON.stringify(['storage.move', record.id]),
      ...jobOn(of, record, caller),
      ...(prepare !== undefined && { prepare }),
    });
  };

  return {
    kind,
    request(of, reference, caller) {
      formerOf(context);
      if (of === 'snapshot') {
        const snapshot = catalog.snapshot(reference);
        if (snapshot.state !== 'ready')
          throw fail('snapshot_not_ready', { snapshot: snapshot.name, state: snapshot.state });
        const datasets = snapshot.members.map(({ dataset }) => ({ id: dataset }));
        return submit(snapshot, caller, {
          ...{ of, input: { snapshot: snapshot.id, datasets }, lanes: [exclusiveLane(snapshot)] },
        });
      }
      const clone = catalog.clone(reference);
      const holder = runner.holder([exclusiveLane(clone)]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped')
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      const snapshot = catalog.snapshot(clone.snapshot as string as Reference);
      const datasets = clone.members.map(({ name, dataset }) => ({
        id: dataset,
        base: datasetOf(snapshot, name),
      }));
      return submit(clone, caller, {
        ...{ of, input: { clone: clone.id, snapshot: snapshot.id, datasets } },
        lanes: [exclusiveLane(clone), sharedLane(snapshot)],
        prepare: () => store.clones.put({ ...clone, state: 'stopping' }),
      });
    },
    async elsewhere() {
      const there = new Set(storage.former?.list() ?? []);
      const entry = async (
        of: 'snapshot' | 'clone',
        { id, name, members }: SnapshotRecord | CloneRecord,
      ): Promise<StorageSetUp['elsewhere']> => {
        const own = members.flatMap(({ dataset }) => (there.has(dataset) ? [dataset] : []));
        if (own.length === 0) return [];
        const usages = await all(own, (dataset: DatasetId) => storage.usage(dataset));
        const bytes = usages.reduce((sum, { logical, unshared }) => sum + (unshared ?? logical), 0);
        return [{ kind: of, id, name, bytes }];
      };
      const found = [
        ...(await all(store.snapshots.list(), (snapshot) => entry('snapshot', snapshot))),
        ...(await all(store.clones.list(), (clone) => entry('clone', clone))),
      ];
      return found.flat();
    },
  };
}

function formerOf({ storage }: ServiceContext): FormerStore {
  if (storage.former !== undefined) return storage.former;
  throw fail('not_supported', { feature: 'Moving data: all of it lies where new data goes' });
}

function stopStep({ context, cloneServers }: CloneParts): MoveStep {
  return {
    name: 'Stop',
    async run({ input: { clone } }) {
      if (clone !== undefined) await cloneServers.stop(cloneOf(context, clone), 'clean');
      return undefined;
    },
    undo: async ({ input: { clone } }) =>
      clone === undefined
        ? undefined
        : cloneServers.bringBack(clone, 'Its server could not be started again after it was not moved.'),
  };
}

/** Each dataset is moved for itself, and is the same in both places: whatever of them a cut leaves moved, stays so. */
function moveStep({ context, cloneServers }: CloneParts): MoveStep {
  const moveAll = async ({
    input: { datasets },
    signal,
    report,
  }: StepContext<MoveInput, object>): Promise<void> => {
    const former = formerOf(context);
    for (const [at, { id, base }] of datasets.entries())
      await former.move(id, base, {
        signal,
        onProgress: (fraction) => report.progress((at + fraction) / datasets.length),
      });
  };
  return {
    name: 'Copy',
    weight: 10,
    commits: true,
    async run(step) {
      await moveAll(step);
      const { clone } = step.input;
      if (clone === undefined) return undefined;
      return cloneServers.bringBack(clone, 'Its server could not be started again after it was moved.');
    },
  };
}
