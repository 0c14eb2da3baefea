/** Commits a clone: makes a snapshot of it as it is now. */
import * as z from 'zod';
import type { JobKind, Step } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { cloneIdSchema, type Reference, type SnapshotName } from '../../protocol/ids.ts';
import { jobOn, type Caller } from '../caller.ts';
import { exclusiveLane } from '../laneKeys.ts';
import { dropFrozen, freezeClone } from './freeze.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf } from './rows.ts';
import { finishSnapshot, keptSchema, removeUnfinished, reserveSnapshot } from './snapshotOfClone.ts';

export interface CommitRequest {
  message: string;
  name?: SnapshotName | undefined;
  /** `branch`: for another branch to start from. */
  origin?: 'commit' | 'branch' | undefined;
}

export interface CommitClone {
  readonly kind: JobKind<CommitInput, object>;
  request(clone: Reference, request: CommitRequest, caller: Caller): Job;
}

const commitInput = z.object({ clone: cloneIdSchema, kept: keptSchema });
type CommitInput = z.infer<typeof commitInput>;
type CommitStep = Step<CommitInput, object>;

export function createCommitClone(parts: CloneParts): CommitClone {
  const { context } = parts;
  const { store, storage, catalog, runner } = context;
  const kind: CommitClone['kind'] = {
    type: 'clone.commit',
    input: commitInput,
    data: z.object({}),
    steps: () => [lockStep(parts), copyStep(parts), handOverStep(parts)],
    failed: ({ input }) => removeUnfinished(context, input.kept.snapshot),
    ended: () => storage.emptyTrash(),
  };
  return {
    kind,
    request(reference, request, caller) {
      const clone = catalog.clone(reference);
      const fingerprint = JSON.stringify(['clone.commit', clone.id, request]);
      const holder = runner.holder([exclusiveLane(clone)]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped') {
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      }
      const joins = store.jobs.unfinished().some((job) => job.fingerprint === fingerprint);
      const { record, kept } = reserveSnapshot(context, clone, caller, {
        name: joins ? undefined : request.name,
        origin: request.origin ?? 'commit',
        message: request.message,
      });
      return runner.submit({
        kind,
        title: `Commit clone ${clone.name} as ${record.name}`,
        input: { clone: clone.id, kept },
        data: {},
        lanes: [exclusiveLane(clone), exclusiveLane(record)],
        fingerprint,
        ...jobOn('snapshot', record, caller),
        prepare: () => {
          store.clones.put({ ...clone, state: 'committing' });
          store.snapshots.put(record);
        },
      });
    },
  };
}

function lockStep({ cloneServers }: CloneParts): CommitStep {
  return {
    name: 'Lock',
    run: () => Promise.resolve(undefined),
    undo: ({ input }) =>
      cloneServers.bringBack(input.clone, 'Its server could not be started again after the copy.'),
  };
}

function copyStep({ context, servers }: CloneParts): CommitStep {
  return {
    name: 'Copy and check',
    async run({ input, ...step }) {
      const clone = cloneOf(context, input.clone);
      const snapshot = context.catalog.snapshot(input.kept.snapshot);
      await freezeClone(context, servers, clone, snapshot, input.kept.datasets, step, true);
      return undefined;
    },
    async undo({ input, job }) {
      await dropFrozen(context, cloneOf(context, input.clone), input.kept.datasets, job);
      return undefined;
    },
  };
}

function handOverStep({ context, cloneServers }: CloneParts): CommitStep {
  return {
    name: 'Make available',
    commits: true,
    async run({ input }) {
      const ready = await finishSnapshot(context, input.kept);
      const settle = await cloneServers.settle(input.clone, null);
      return () => {
        context.store.snapshots.put(ready);
        settle();
      };
    },
  };
}
