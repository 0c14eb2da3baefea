/** Resets a clone to a snapshot: the new copy runs on the same ports before the old one is given up. */
import * as z from 'zod';
import { datasetsOf, onDatasets, withMembers } from '../../domain/cloneRow.ts';
import type { JobKind, Step } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import { cloneIdSchema, snapshotIdSchema, type Reference, type SnapshotName } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, newDatasetId, type ServiceContext } from '../context.ts';
import { exclusiveLane, sharedLane } from '../laneKeys.ts';
import { removeBranchStart } from './branchStarts.ts';
import { copySnapshot } from './copy.ts';
import { dropFrozen, freezeClone } from './freeze.ts';
import type { CloneParts } from './parts.ts';
import {
  branchStartSchema,
  cloneOf,
  memberDatasetSchema,
  memberOf,
  snapshotToStandOn,
  tagReady,
  tidy,
} from './rows.ts';
import { finishSnapshot, keptSchema, removeUnfinished, reserveSnapshot } from './snapshotOfClone.ts';

export interface ResetRequest {
  snapshot?: Reference | undefined;
  /** Keeps the present state as a snapshot of this name. */
  keepAs?: SnapshotName | undefined;
}

export interface ResetClone {
  readonly kind: JobKind<ResetInput, object>;
  request(clone: Reference, request: ResetRequest, caller: Caller): Job;
}

const resetInput = z.object({
  clone: cloneIdSchema,
  target: snapshotIdSchema,
  datasets: z.array(memberDatasetSchema),
  /** What the clone stood on before: members' datasets and the snapshot. */
  before: z.object({ snapshot: snapshotIdSchema, datasets: z.array(memberDatasetSchema) }),
  kept: keptSchema.nullable(),
  branchStart: branchStartSchema,
});
type ResetInput = z.infer<typeof resetInput>;
type ResetStep = Step<ResetInput, object>;

export function createResetClone(parts: CloneParts): ResetClone {
  const { context, servers, tagging, branchStarts } = parts;
  const { store } = context;
  const kind: ResetClone['kind'] = {
    type: 'clone.reset',
    input: resetInput,
    data: z.object({}),
    steps: ({ kept, branchStart }) => [
      lockStep(parts),
      ...(kept === null ? [] : [keepStep(parts)]),
      copyStep(parts),
      switchStep(parts),
      handOverStep(context),
      ...removeBranchStart<ResetInput>(branchStarts, branchStart),
    ],
    failed: ({ input: { kept } }) => (kept === null ? undefined : removeUnfinished(context, kept.snapshot)),
    async ended({ clone, datasets, before }) {
      await tagging.afterJob(clone);
      await removeOld(parts, { clone, datasets, before });
      const used = new Set(store.clones.get(clone)?.members.map(({ dataset }) => dataset));
      const unused = [...datasets, ...before.datasets].flatMap(({ dataset }) =>
        used.has(dataset) ? [] : [dataset],
      );
      await tidy(context, servers, unused);
    },
  };
  return { kind, request: (clone, request, caller) => submit(parts, kind, clone, request, caller) };
}

/** First, so that its undo runs last and tells what is left. */
function lockStep({ cloneServers }: CloneParts): ResetStep {
  return {
    name: 'Lock',
    run: () => Promise.resolve(undefined),
    undo: ({ input: { clone, before } }) =>
      cloneServers.bringBack(
        clone,
        'The reset failed and its server could not be started again.',
        before.datasets,
      ),
  };
}

function keepStep({ context, servers }: CloneParts): ResetStep {
  return {
    name: 'Keep the present state',
    async run({ input: { clone, kept }, ...step }) {
      if (kept === null) return undefined;
      const snapshot = context.catalog.snapshot(kept.snapshot);
      await freezeClone(context, servers, cloneOf(context, clone), snapshot, kept.datasets, step, false);
      return undefined;
    },
    async undo({ input: { clone, kept }, job }) {
      if (kept === null) return undefined;
      await dropFrozen(context, cloneOf(context, clone), kept.datasets, job);
      return () => context.store.snapshots.remove(kept.snapshot);
    },
  };
}

function copyStep(parts: CloneParts): ResetStep {
  const { context } = parts;
  return {
    name: 'Copy',
    async run({ input, ...step }) {
      const target = context.catalog.snapshot(input.target);
      const clone = onDatasets(cloneOf(context, input.clone), input.datasets);
      const next = { ...clone, generation: clone.generation + 1, snapshot: target.id };
      await copySnapshot(parts, target, next, step);
      return undefined;
    },
    async undo({ input }) {
      await all(input.datasets, ({ dataset }) => context.storage.destroy(dataset));
      return undefined;
    },
  };
}

function switchStep({ context, servers, cloneServers }: CloneParts): ResetStep {
  return {
    name: 'Switch',
    async run({ input, signal }) {
      const clone = cloneOf(context, input.clone);
      const before = onDatasets(clone, input.before.datasets);
      const next = onDatasets(clone, input.datasets);
      await all(next.members, async (member) => {
        const old = memberOf(before, member.name);
        const start = (isFresh: boolean) => cloneServers.startMember(next, member, { isFresh, signal });
        // A server that is told to end lets go of its port in less time than another one takes until it asks for it.
        let tell = (): void => undefined;
        const told = new Promise<void>((resolve) => (tell = resolve));
        const ended = servers.stop(old, 'immediate', undefined, tell);
        await Promise.race([told, ended]);
        const [started] = await Promise.allSettled([start(true), ended]);
        await ended;
        if (started.status === 'fulfilled') return;
        if (!isFailure(started.reason, 'port_taken')) throw started.reason;
        // It was quicker this time. What it said of that in its log is not why a second one fails.
        await servers.clear([member.dataset]);
        await start(false);
      });
      return undefined;
    },
    async undo({ input }) {
      await cloneServers.stop(onDatasets(cloneOf(context, input.clone), input.datasets), 'immediate');
      return undefined;
    },
  };
}

function handOverStep(context: ServiceContext): ResetStep {
  const { store, clock } = context;
  return {
    name: 'Make available',
    commits: true,
    async run({ input }) {
      const at = clock.now().toISOString();
      const changed = (): CloneRecord => {
        const clone = onDatasets(cloneOf(context, input.clone), input.datasets);
        return {
          ...withMembers(clone, 'ready'),
          ...{
            snapshot: input.target,
            generation: clone.generation + 1,
            state: 'ready',
            problem: null,
            stoppedBy: null,
          },
          ...{ resetAt: at, usedAt: at, bytes: { ...clone.bytes, unshared: null } },
        };
      };
      // The kept state is offered together with the new one: until then the reset may be undone, and it with it.
      const kept = input.kept === null ? undefined : await finishSnapshot(context, input.kept);
      await tagReady(context, changed());
      return () => {
        if (kept !== undefined) store.snapshots.put(kept);
        store.clones.put(changed());
      };
    },
  };
}

/**
 * After the end: its person has the new copy by then. Until it is gone the old one is of a generation that the clone's row is past,
 * which a next engine removes at its start, and a destroy of the clone. Only where the clone stands on the new copy.
 */
const removeOld = (
  { context, servers, tagging, oldCopies }: CloneParts,
  { clone: id, datasets, before }: Pick<ResetInput, 'clone' | 'datasets' | 'before'>,
): Promise<void> =>
  oldCopies.take(id, async () => {
    await tagging.settled(id);
    const clone = context.store.clones.get(id);
    const used = new Set(clone?.members.map(({ dataset }) => dataset));
    if (clone === undefined || !datasets.every(({ dataset }) => used.has(dataset))) return;
    await all(onDatasets(clone, before.datasets).members, async (member) => {
      await servers.stop(member, 'immediate');
      await context.storage.destroy(member.dataset);
    });
  });

function submit(
  { context, branchStarts }: CloneParts,
  kind: ResetClone['kind'],
  reference: Reference,
  request: ResetRequest,
  caller: Caller,
): Job {
  const { store, catalog, runner } = context;
  const clone = catalog.clone(reference);
  const target =
    request.snapshot === undefined
      ? catalog.snapshot(clone.snapshot)
      : snapshotToStandOn(context, clone.environment, request.snapshot);
  // While another job works on the clone, its datasets are not ours to name: the runner joins or refuses.
  const reserved =
    request.keepAs === undefined || runner.holder([exclusiveLane(clone)]) !== undefined
      ? undefined
      : reserveSnapshot(context, clone, caller, {
          ...{ name: request.keepAs, origin: 'kept', message: `Before the reset of ${clone.name}` },
        });
  return runner.submit({
    kind,
    title: `Reset clone ${clone.name}`,
    input: {
      clone: clone.id,
      target: target.id,
      datasets: clone.members.map(({ name }) => ({ name, dataset: newDatasetId(context) })),
      before: { snapshot: clone.snapshot, datasets: datasetsOf(clone) },
      kept: reserved?.kept ?? null,
      branchStart: target.id === clone.snapshot ? undefined : branchStarts.under(clone),
    },
    data: {},
    lanes: [
      exclusiveLane(clone),
      sharedLane(target),
      sharedLane({ id: clone.snapshot }),
      ...(reserved === undefined ? [] : [exclusiveLane(reserved.record)]),
    ],
    fingerprint: JSON.stringify(['clone.reset', clone.id, request]),
    ...jobOn('clone', clone, caller),
    prepare: () => {
      store.clones.put({ ...clone, state: 'resetting', problem: null });
      if (reserved !== undefined) store.snapshots.put(reserved.record);
    },
  });
}
