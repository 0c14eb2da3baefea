/** Use cases of clones: create, reset, start, destroy, commit, protect, connect. */
import * as z from 'zod';
import { isProtected } from '../domain/expiry.ts';
import { newestTime } from '../domain/countedTime.ts';
import { cloneUser, freeCloneName, freeSnapshotName } from '../domain/naming.ts';
import type { PortLease } from '../host/host.ts';
import { busyWith } from '../jobs/runner.ts';
import type { JobKind, Step, StepContext } from '../jobs/steps.ts';
import type { Clone, Connection, Job } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import {
  cloneIdSchema,
  datasetIdSchema,
  memberNameSchema,
  snapshotIdSchema,
  type CloneId,
  type CloneName,
  type DatasetId,
  type Reference,
  type SnapshotName,
} from '../protocol/ids.ts';
import type { CloneRecord, Lane, SnapshotRecord } from '../state/store.ts';
import { createBeginnings } from './beginnings.ts';
import type { Caller } from './caller.ts';
import { bindingLane, createBindings, type Bindings } from './binding.ts';
import { createCloneTagging } from './cloneTagging.ts';
import { all, databaseOf, newDatasetId, type ServiceContext } from './context.ts';
import type { CountedTime } from './countedTime.ts';
import { dropFrozen, freezeClone, measureSnapshot } from './freeze.ts';
import { allTelling } from './memberProgress.ts';
import { leaseFreePort, withFreePort, type Servers } from './servers.ts';
import { cloneTags, doom, snapshotTags } from './tags.ts';

export interface Clones {
  create(
    request: {
      environment: Reference;
      snapshot?: Reference | undefined;
      name?: CloneName | undefined;
      /** The branch of a repository that it is made for, and the password that the repository's clones share. */
      binding?: { repository: string; branch: string; password: string } | undefined;
    },
    caller: Caller,
  ): Promise<Job>;
  reset(
    clone: Reference,
    request: { snapshot?: Reference | undefined; keepAs?: SnapshotName | undefined },
    caller: Caller,
  ): Job;
  start(clone: Reference, caller: Caller): Job;
  destroy(clone: Reference, caller: Caller): Job;
  commit(
    clone: Reference,
    request: {
      message: string;
      name?: SnapshotName | undefined;
      /** `branch`: for another branch to start from. */
      origin?: 'commit' | 'branch' | undefined;
    },
    caller: Caller,
  ): Job;
  /** Resolves when the protection stands on the data as well: a state that is lost must not lose it. */
  protect(clone: Reference, minutes: number | 'forever' | null): Promise<Clone>;
  connection(clone: Reference): Connection[];
  bind: Bindings['bind'];
  /** For the runner's recovery. */
  readonly kinds: readonly JobKind[];
}

const memberDataset = z.object({ name: memberNameSchema, dataset: datasetIdSchema });
const keptSchema = z.object({ snapshot: snapshotIdSchema, datasets: z.array(memberDataset) });
const noData = z.object({});

/** The snapshot of a branch's beginning that may go with the clone's end. */
const beginning = snapshotIdSchema.optional();

const createInput = z.object({ clone: cloneIdSchema, datasets: z.array(datasetIdSchema), beginning });
const resetInput = z.object({
  clone: cloneIdSchema,
  target: snapshotIdSchema,
  datasets: z.array(memberDataset),
  /** What the clone stood on before: members' datasets and the snapshot. */
  before: z.object({ snapshot: snapshotIdSchema, datasets: z.array(memberDataset) }),
  kept: keptSchema.nullable(),
  beginning,
});
const cloneInput = z.object({ clone: cloneIdSchema, datasets: z.array(memberDataset) });
const destroyInput = cloneInput.extend({ beginning });
const commitInput = z.object({ clone: cloneIdSchema, kept: keptSchema });

type ResetContext = StepContext<z.infer<typeof resetInput>, object>;

export function createClones(context: ServiceContext, servers: Servers, time: CountedTime): Clones {
  const { store, storage, catalog, runner, clock, random, vault } = context;
  /** Ports held between the acceptance of a create and the start of its servers. */
  const leases = new Map<DatasetId, PortLease>();
  const tagging = createCloneTagging(context);
  const bindings = createBindings(context, servers, tagging);
  const beginnings = createBeginnings(context);
  const now = (): string => clock.now().toISOString();

  const cloneOf = (id: CloneId): CloneRecord => {
    const record = store.clones.get(id);
    if (record === undefined) throw fail('not_found', { kind: 'clone', name: id });
    return record;
  };
  const snapshotOf = (id: SnapshotRecord['id']): SnapshotRecord => catalog.snapshot(id);
  const durable = (clone: CloneRecord): boolean =>
    catalog.environment(clone.environment).definition.clones.durable ?? true;
  const login = (clone: CloneRecord): { user: string; password: string } => ({
    user: cloneUser,
    password: vault.open(clone.sealedPassword),
  });
  const sourceDataset = (snapshot: SnapshotRecord, name: string): DatasetId => {
    const member = snapshot.members.find((each) => each.name === name);
    if (member === undefined) throw fail('not_found', { kind: 'member', name });
    return member.dataset;
  };
  const withMembers = (
    clone: CloneRecord,
    state: Clone['members'][number]['state'],
  ): CloneRecord['members'] => clone.members.map((member) => ({ ...member, state }));

  const tagReady = async (clone: CloneRecord): Promise<void> => {
    await all(clone.members, ({ name, dataset }) =>
      storage.tag(dataset, cloneTags(context, clone, name, dataset, 'ready')),
    );
  };

  const startMembers = async (clone: CloneRecord, signal?: AbortSignal): Promise<void> => {
    await all(clone.members, async (member) => {
      await servers.start(member, {
        title: clone.name,
        durable: durable(clone),
        login: login(clone),
        signal,
      });
    });
  };

  const findSnapshot = (
    environment: SnapshotRecord['environment'],
    reference: Reference | undefined,
  ): SnapshotRecord => {
    if (reference === undefined || (reference as string) === 'latest') {
      const latest = catalog.latestSnapshot(environment);
      if (latest === undefined) throw fail('no_snapshot', { environment });
      return latest;
    }
    const snapshot = catalog.snapshot(reference, environment);
    if (snapshot.environment !== environment)
      throw fail('snapshot_foreign', { snapshot: snapshot.name, environment });
    if (snapshot.state !== 'ready')
      throw fail('snapshot_not_ready', { snapshot: snapshot.name, state: snapshot.state });
    return snapshot;
  };

  /** After a job: frees the blocks of what was given up, and what its servers left beside the data. */
  const tidy = async (datasets: readonly DatasetId[]): Promise<void> => {
    await servers.clear(datasets);
    await storage.emptyTrash();
  };

  // --- create ---------------------------------------------------------------------------------------------------

  const releaseLeases = async (datasets: readonly DatasetId[]): Promise<void> => {
    for (const dataset of datasets) {
      const lease = leases.get(dataset);
      leases.delete(dataset);
      await lease?.release();
    }
  };

  const copyForCreate: Step<z.infer<typeof createInput>, object> = {
    name: 'Copy',
    async run({ input, signal, report }) {
      const clone = cloneOf(input.clone);
      const snapshot = snapshotOf(clone.snapshot);
      await allTelling(clone.members, report, async ({ name, dataset, engine }, onProgress) => {
        const tags = cloneTags(context, clone, name, dataset, 'filling');
        const copy = await storage.clone(sourceDataset(snapshot, name), dataset, tags, {
          signal,
          onProgress,
        });
        await databaseOf(context, engine).makeStartable(copy.path);
      });
      return undefined;
    },
    async undo({ input }) {
      // Held since the request: the step that lets go of them may not have begun.
      await releaseLeases(input.datasets);
      const clone = store.clones.get(input.clone);
      await all(clone?.members ?? [], ({ dataset }) => storage.destroy(dataset));
      return undefined;
    },
  };

  const startForCreate: Step<z.infer<typeof createInput>, object> = {
    name: 'Start',
    async run({ input, signal, report }) {
      const clone = cloneOf(input.clone);
      const ports = new Map<string, number>();
      await all(clone.members, async (member) => {
        const held = leases.get(member.dataset);
        leases.delete(member.dataset);
        const lease = held ?? (await leaseFreePort(context));
        await withFreePort(context, lease, async (current) => {
          const { port } = current;
          if (port !== member.port)
            report.line(`Port ${member.port} was taken meanwhile, taking ${port}`, 'warning');
          await servers.start(
            { ...member, port },
            { title: clone.name, durable: durable(clone), login: login(clone), lease: current, signal },
          );
          ports.set(member.name, port);
        });
      });
      const members = clone.members.map((member) => ({
        ...member,
        port: ports.get(member.name) ?? member.port,
      }));
      return () => store.clones.put({ ...cloneOf(input.clone), members });
    },
    async undo({ input }) {
      const clone = store.clones.get(input.clone);
      await all(clone?.members ?? [], (member) => servers.stop(member, 'immediate'));
      return undefined;
    },
  };

  const createKind: JobKind<z.infer<typeof createInput>, object> = {
    type: 'clone.create',
    input: createInput,
    data: noData,
    steps: () => [
      copyForCreate,
      startForCreate,
      {
        name: 'Hand over',
        commits: true,
        async run({ input }) {
          const changed = (clone: CloneRecord): CloneRecord => ({
            ...clone,
            state: 'ready',
            members: withMembers(clone, 'ready'),
            usedAt: now(),
          });
          await tagReady(changed(cloneOf(input.clone)));
          return () => store.clones.put(changed(cloneOf(input.clone)));
        },
      },
    ],
    failed:
      ({ input }) =>
      () => {
        store.clones.remove(input.clone);
      },
    async ended({ clone, datasets, beginning: snapshot }) {
      await tagging.afterJob(clone);
      const isGone = store.clones.get(clone) === undefined;
      if (isGone && snapshot !== undefined) (await beginnings.release(snapshot))?.();
      await tidy(isGone ? datasets : []);
    },
  };

  // --- reset ----------------------------------------------------------------------------------------------------

  const withDatasets = (
    clone: CloneRecord,
    datasets: readonly z.infer<typeof memberDataset>[],
  ): CloneRecord => ({
    ...clone,
    members: clone.members.map((member) => ({
      ...member,
      dataset: datasets.find(({ name }) => name === member.name)?.dataset ?? member.dataset,
    })),
  });

  /** Brings a clone's row back to what its servers really are, on these datasets. */
  const settleState = async (
    id: CloneId,
    problem: string | null,
    datasets: readonly z.infer<typeof memberDataset>[] = [],
    change: Partial<CloneRecord> = {},
  ): Promise<() => void> => {
    const running = await all(withDatasets(cloneOf(id), datasets).members, (member) =>
      servers.running(member),
    );
    const ready = running.every(Boolean);
    return () => {
      const clone = withDatasets(cloneOf(id), datasets);
      const members = clone.members.map((member, index) => ({
        ...member,
        state: running[index] === true ? ('ready' as const) : ('stopped' as const),
      }));
      store.clones.put({
        ...clone,
        ...change,
        state: ready ? 'ready' : 'stopped',
        members,
        problem: ready ? null : problem,
      });
    };
  };

  /**
   * The clone as it was before a job that is taken back: the last undo. Servers that ran then, or were to, are started
   * again, the others are not: the steps stopped them, or the machine went down with the engine.
   */
  const bringBack = async (
    id: CloneId,
    problem: string,
    datasets: readonly z.infer<typeof memberDataset>[] = [],
  ): Promise<() => void> => {
    const clone = withDatasets(cloneOf(id), datasets);
    const ran = clone.members.filter(({ state }) => state === 'ready' || state === 'starting');
    try {
      await startMembers({ ...clone, members: ran });
    } catch (error) {
      // best effort: the row then says which servers run, and why the clone is stopped
      context.log.warning('a clone could not be started again', { clone: id, problem: String(error) });
    }
    return settleState(id, ran.length === 0 ? 'It was stopped before. Start it again.' : problem, datasets);
  };

  const keepStep: Step<z.infer<typeof resetInput>, object> = {
    name: 'Keep the present state',
    async run({ input, ...step }) {
      if (input.kept === null) return undefined;
      const snapshot = snapshotOf(input.kept.snapshot);
      await freezeClone(context, servers, cloneOf(input.clone), snapshot, input.kept.datasets, step, false);
      return undefined;
    },
    async undo({ input, job }) {
      const { kept } = input;
      if (kept === null) return undefined;
      const clone = cloneOf(input.clone);
      await dropFrozen(context, clone, kept.datasets, job);
      return () => store.snapshots.remove(kept.snapshot);
    },
  };

  const copyForReset: Step<z.infer<typeof resetInput>, object> = {
    name: 'Copy',
    async run({ input, signal, report }: ResetContext) {
      const target = snapshotOf(input.target);
      const clone = withDatasets(cloneOf(input.clone), input.datasets);
      const next = { ...clone, generation: clone.generation + 1, snapshot: target.id };
      await allTelling(next.members, report, async ({ name, dataset, engine }, onProgress) => {
        const tags = cloneTags(context, next, name, dataset, 'filling');
        const copy = await storage.clone(sourceDataset(target, name), dataset, tags, { signal, onProgress });
        await databaseOf(context, engine).makeStartable(copy.path);
      });
      return undefined;
    },
    async undo({ input }: ResetContext) {
      await all(input.datasets, ({ dataset }) => storage.destroy(dataset));
      return undefined;
    },
  };

  const switchStep: Step<z.infer<typeof resetInput>, object> = {
    name: 'Switch',
    async run({ input, signal }: ResetContext) {
      const clone = cloneOf(input.clone);
      await all(withDatasets(clone, input.before.datasets).members, (member) =>
        servers.stop(member, 'immediate'),
      );
      await startMembers(withDatasets(clone, input.datasets), signal);
      return undefined;
    },
    async undo({ input }: ResetContext) {
      const clone = cloneOf(input.clone);
      await all(withDatasets(clone, input.datasets).members, (member) => servers.stop(member, 'immediate'));
      return undefined;
    },
  };

  const resetKind: JobKind<z.infer<typeof resetInput>, object> = {
    type: 'clone.reset',
    input: resetInput,
    data: noData,
    steps: (input) => [
      {
        // First, so that its undo runs last and tells what is left.
        name: 'Lock',
        run: () => Promise.resolve(undefined),
        undo: ({ input: same }) =>
          bringBack(
            same.clone,
            'The reset failed and its server could not be started again.',
            same.before.datasets,
          ),
      },
      ...(input.kept === null ? [] : [keepStep]),
      copyForReset,
      switchStep,
      {
        name: 'Hand over',
        commits: true,
        async run({ input: same }) {
          const at = now();
          const changed = (): CloneRecord => {
            const clone = withDatasets(cloneOf(same.clone), same.datasets);
            return {
              ...clone,
              snapshot: same.target,
              generation: clone.generation + 1,
              state: 'ready',
              members: withMembers(clone, 'ready'),
              resetAt: at,
              usedAt: at,
              problem: null,
              bytes: { ...clone.bytes, unshared: null },
            };
          };
          // The kept state is offered together with the new one: until then the reset may be undone, and it with it.
          const kept = same.kept === null ? undefined : await finishSnapshot(same.kept);
          await tagReady(changed());
          return () => {
            if (kept !== undefined) store.snapshots.put(kept);
            store.clones.put(changed());
          };
        },
      },
      {
        name: 'Remove the old copy',
        cleanup: true,
        async run({ input: same }) {
          const clone = cloneOf(same.clone);
          await tagging.settled(clone.id);
          await all(withDatasets(clone, same.before.datasets).members, async (member) => {
            await servers.stop(member, 'immediate');
            await storage.destroy(member.dataset);
          });
          return undefined;
        },
      },
      ...releaseSteps(input),
    ],
    failed: ({ input }) => (input.kept === null ? undefined : removeUnfinished(input.kept.snapshot)),
    async ended({ clone, datasets, before }) {
      await tagging.afterJob(clone);
      const used = new Set(store.clones.get(clone)?.members.map(({ dataset }) => dataset));
      await tidy(
        [...datasets, ...before.datasets].flatMap((each) => (used.has(each.dataset) ? [] : each.dataset)),
      );
    },
  };

  /** Tags the data of a snapshot that was made of a clone as ready, and returns its row. */
  const finishSnapshot = async (kept: z.infer<typeof keptSchema>): Promise<SnapshotRecord> => {
    const datasets = kept.datasets.map(({ dataset }) => dataset);
    const bytes = await measureSnapshot(context, datasets);
    const ready: SnapshotRecord = { ...snapshotOf(kept.snapshot), state: 'ready', bytes };
    await all(kept.datasets, ({ name, dataset }) =>
      storage.tag(dataset, snapshotTags(context, ready, name, dataset, 'ready')),
    );
    return ready;
  };

  /** The row of a snapshot that never became ready. */
  const removeUnfinished = (id: SnapshotRecord['id']) => () => {
    if (store.snapshots.get(id)?.state === 'creating') store.snapshots.remove(id);
  };

  /** Last, when the clone does not stand on it any more. A job that an older version left has no such step. */
  function releaseSteps<Input extends { beginning?: SnapshotRecord['id'] | undefined }>({
    beginning: snapshot,
  }: Input): Step<Input, object>[] {
    if (snapshot === undefined) return [];
    return [
      {
        name: 'Remove the beginning of the branch',
        cleanup: true,
        run: ({ job }) => beginnings.release(snapshot, job),
      },
    ];
  }

  // --- start ----------------------------------------------------------------------------------------------------

  const startKind: JobKind<z.infer<typeof cloneInput>, object> = {
    type: 'clone.start',
    input: cloneInput,
    data: noData,
    steps: () => [
      {
        name: 'Start',
        async run({ input, signal }) {
          await startMembers(cloneOf(input.clone), signal);
          return await settleState(input.clone, null, [], { usedAt: now() });
        },
        async undo({ input }) {
          const clone = cloneOf(input.clone);
          try {
            // A kill in the middle left a server with the password of before, which may have changed while it was stopped.
            await all(clone.members, async (member) => {
              if (await servers.running(member)) await startMembers({ ...clone, members: [member] });
            });
          } catch (error) {
            // best effort: the row then says which servers run
            context.log.warning('a password could not be set', { clone: clone.id, problem: String(error) });
          }
          return settleState(input.clone, 'Its server could not be started.');
        },
      },
    ],
  };

  // --- destroy --------------------------------------------------------------------------------------------------

  /** What resets could not remove: without their clone they would be taken for one that the state forgot. */
  const olderCopies = async (
    clone: CloneRecord,
  ): Promise<Pick<CloneRecord['members'][number], 'engine' | 'dataset' | 'version'>[]> => {
    if (clone.generation === 0) return [];
    const used = new Set(clone.members.map(({ dataset }) => dataset));
    return (await storage.list()).flatMap(({ id, tags: { content, member } }) => {
      if (content.kind !== 'clone' || content.clone.id !== clone.id || used.has(id)) return [];
      const known = clone.members.find(({ name }) => name === member);
      return known === undefined ? [] : [{ ...known, dataset: id }];
    });
  };

  const destroyKind: JobKind<z.infer<typeof destroyInput>, object> = {
    type: 'clone.destroy',
    input: destroyInput,
    data: noData,
    steps: (input) => [
      {
        // Journalled as committed before the first effect: a half-destroyed clone is finished, never offered again.
        name: 'Give up',
        commits: true,
        run: () => Promise.resolve(undefined),
        undo: ({ input }) => bringBack(input.clone, 'Its server could not be started again.'),
      },
      {
        name: 'Stop and remove',
        async run({ input }) {
          const clone = store.clones.get(input.clone);
          if (clone === undefined) return undefined;
          await tagging.settled(clone.id);
          // All before the first is gone: whoever finds one of them knows that the others are to go too.
          await all(clone.members, ({ name, dataset }) =>
            doom(context, cloneTags(context, clone, name, dataset, 'doomed')),
          );
          await all([...clone.members, ...(await olderCopies(clone))], async (member) => {
            await servers.stop(member, 'immediate');
            await storage.destroy(member.dataset);
          });
          return () => store.clones.remove(input.clone);
        },
      },
      ...releaseSteps(input),
    ],
    failed:
      ({ input }, problem) =>
      () => {
        const clone = store.clones.get(input.clone);
        if (clone?.state === 'destroying') store.clones.put({ ...clone, state: 'failed', problem });
      },
    ended: ({ clone, datasets }) =>
      tidy(store.clones.get(clone) === undefined ? datasets.map(({ dataset }) => dataset) : []),
  };

  // --- commit ---------------------------------------------------------------------------------------------------

  const commitKind: JobKind<z.infer<typeof commitInput>, object> = {
    type: 'clone.commit',
    input: commitInput,
    data: noData,
    steps: () => [
      {
        name: 'Lock',
        run: () => Promise.resolve(undefined),
        undo: ({ input }) => bringBack(input.clone, 'Its server could not be started again after the copy.'),
      },
      {
        name: 'Copy and check',
        async run({ input, ...step }) {
          const clone = cloneOf(input.clone);
          const snapshot = snapshotOf(input.kept.snapshot);
          await freezeClone(context, servers, clone, snapshot, input.kept.datasets, step, true);
          return undefined;
        },
        async undo({ input, job }) {
          const clone = cloneOf(input.clone);
          await dropFrozen(context, clone, input.kept.datasets, job);
          return undefined;
        },
      },
      {
        name: 'Hand over',
        commits: true,
        async run({ input }) {
          const ready = await finishSnapshot(input.kept);
          const settle = await settleState(input.clone, null);
          return () => {
            store.snapshots.put(ready);
            settle();
          };
        },
      },
    ],
    failed: ({ input }) => removeUnfinished(input.kept.snapshot),
    ended: () => storage.emptyTrash(),
  };

  // --- requests -------------------------------------------------------------------------------------------------

  const exclusive = (clone: CloneRecord): Lane[] => [{ key: clone.id, mode: 'exclusive' }];
  const takenNames = (environment: SnapshotRecord['environment']): Set<string> =>
    new Set(
      store.snapshots
        .list()
        .filter((each) => each.environment === environment)
        .map((each) => each.name),
    );

  const reserveSnapshot = (
    clone: CloneRecord,
    caller: Caller,
    options: { name: SnapshotName | undefined; origin: SnapshotRecord['origin']; message: string | null },
  ): { record: SnapshotRecord; kept: z.infer<typeof keptSchema> } => {
    const taken = takenNames(clone.environment);
    if (options.name !== undefined && taken.has(options.name)) {
      throw fail('name_taken', { kind: 'snapshot', name: options.name });
    }
    const id = snapshotIdSchema.parse(`snapshot-${random.id()}`);
    const datasets = clone.members.map(({ name }) => ({ name, dataset: newDatasetId(context) }));
    const at = now();
    const record: SnapshotRecord = {
      id,
      name: options.name ?? freeSnapshotName(at, taken),
      environment: clone.environment,
      state: 'creating',
      dataStateAt: at,
      createdAt: newestTime(
        at,
        store.snapshots.list().map(({ createdAt }) => createdAt),
      ),
      createdBy: caller.user,
      skewMs: 0,
      bytes: { unshared: null, logical: null },
      members: clone.members.map(({ name, engine, version, database }, index) => ({
        name,
        engine,
        version,
        database,
        dataset: datasets[index]?.dataset ?? newDatasetId(context),
      })),
      origin: options.origin,
      message: options.message,
    };
    return { record, kept: { snapshot: id, datasets } };
  };

  const create: Clones['create'] = async (request, caller) => {
    const environment = catalog.environment(request.environment);
    // Ports first: from here to the submission nothing is waited for, so what is checked holds.
    const held = await all(findSnapshot(environment.name, request.snapshot).members, () =>
      leaseFreePort(context),
    );
    try {
      return submitCreate(environment.name, request, caller, held);
    } catch (error) {
      // A state that could not be written has handed them over, and to no job.
      for (const [dataset, lease] of leases) if (held.includes(lease)) leases.delete(dataset);
      throw error;
    } finally {
      // Refused, or the same request as one that runs already: the job did not take them.
      const taken = new Set(leases.values());
      for (const lease of held) if (!taken.has(lease)) await lease.release();
    }
  };

  const boundClone = (
    environment: CloneRecord['environment'],
    binding: { repository: string; branch: string } | undefined,
  ): CloneRecord | undefined =>
    binding === undefined ? undefined : catalog.clonesOfBranch(environment, binding)[0];

  const submitCreate = (
    name: SnapshotRecord['environment'],
    request: Parameters<Clones['create']>[0],
    caller: Caller,
    held: readonly PortLease[],
  ): Job => {
    const environment = catalog.environment(name);
    const snapshot = findSnapshot(environment.name, request.snapshot);
    const existing = store.clones.list();
    const mine = existing.filter((each) => each.environment === environment.name);
    const { limit } = environment.definition.clones;
    const fingerprint = JSON.stringify([
      'clone.create',
      environment.name,
      request.snapshot ?? null,
      request.name ?? null,
      request.binding === undefined ? null : [request.binding.repository, request.binding.branch],
      caller.user,
    ]);
    const bound = boundClone(environment.name, request.binding);
    if (bound !== undefined) {
      // Two checkouts of one branch want one clone.
      const making = bound.state === 'creating' ? runner.holder(exclusive(bound)) : undefined;
      if (making !== undefined) return making;
      throw fail('binding_taken', { branch: bound.branch ?? '', clone: bound.name });
    }
    const taken = existing.find((each) => each.name === (request.name as string | undefined));
    if (taken !== undefined) {
      const running = store.jobs.unfinished().find((job) => job.fingerprint === fingerprint);
      if (running === undefined) throw fail('name_taken', { kind: 'clone', name: taken.name });
    }
    if (limit !== undefined && mine.length >= limit && taken === undefined) {
      throw fail('clone_limit', {
        environment: environment.name,
        limit,
        clones: mine.map(({ name: each }) => each),
      });
    }
    const at = now();
    const id = cloneIdSchema.parse(`clone-${random.id()}`);
    const record: CloneRecord = {
      id,
      name: request.name ?? freeCloneName(new Set(existing.map((each) => each.name))),
      environment: environment.name,
      snapshot: snapshot.id,
      state: 'creating',
      createdAt: at,
      createdBy: caller.user,
      resetAt: null,
      protectedUntil: null,
      bytes: { unshared: null, logical: snapshot.bytes.logical },
      members: snapshot.members.map(({ name: member, engine, version, database }, index) => ({
        ...{ name: member, engine, version, database },
        host: '127.0.0.1',
        port: held[index]?.port ?? 0,
        user: cloneUser,
        state: 'starting',
        dataset: newDatasetId(context),
      })),
      repository: request.binding?.repository ?? null,
      branch: request.binding?.branch ?? null,
      problem: null,
      generation: 0,
      sealedPassword: vault.seal(request.binding?.password ?? random.password()),
      usedAt: at,
      countedAt: null,
      worktree: null,
      finished: null,
    };
    return runner.submit({
      kind: createKind,
      title: `Create clone ${record.name}`,
      input: {
        clone: id,
        datasets: record.members.map(({ dataset }) => dataset),
        ...(snapshot.origin === 'branch' ? { beginning: snapshot.id } : {}),
      },
      data: {},
      lanes: [
        { key: id, mode: 'exclusive' },
        { key: `name:${record.name}`, mode: 'exclusive' },
        { key: snapshot.id, mode: 'shared' },
        ...(request.binding === undefined ? [] : [bindingLane(environment.name, request.binding)]),
      ],
      // Two unnamed requests are two clones.
      fingerprint: request.name === undefined ? `clone.create ${id}` : fingerprint,
      createdBy: caller.user,
      idempotencyKey: caller.idempotencyKey,
      environment: environment.name,
      object: { kind: 'clone', id, name: record.name },
      prepare: () => {
        store.clones.put(record);
        record.members.forEach(({ dataset }, index) => {
          const lease = held[index];
          if (lease !== undefined) leases.set(dataset, lease);
        });
      },
    });
  };

  return {
    create,
    reset(reference, request, caller) {
      const clone = catalog.clone(reference);
      const fingerprint = JSON.stringify(['clone.reset', clone.id, request]);
      const lanes = [...exclusive(clone)];
      const holder = runner.holder(lanes);
      const reference_ = request.snapshot;
      const target =
        reference_ === undefined ? snapshotOf(clone.snapshot) : findSnapshot(clone.environment, reference_);
      // While another job works on the clone, its datasets are not ours to name: the runner joins or refuses.
      const reserved =
        request.keepAs === undefined || holder !== undefined
          ? undefined
          : reserveSnapshot(clone, caller, {
              name: request.keepAs,
              origin: 'kept',
              message: `Before the reset of ${clone.name}`,
            });
      return runner.submit({
        kind: resetKind,
        title: `Reset clone ${clone.name}`,
        input: {
          clone: clone.id,
          target: target.id,
          datasets: clone.members.map(({ name }) => ({ name, dataset: newDatasetId(context) })),
          before: {
            snapshot: clone.snapshot,
            datasets: clone.members.map(({ name, dataset }) => ({ name, dataset })),
          },
          kept: reserved?.kept ?? null,
          beginning: target.id === clone.snapshot ? undefined : beginnings.under(clone),
        },
        data: {},
        lanes: [
          ...lanes,
          { key: target.id, mode: 'shared' },
          { key: clone.snapshot, mode: 'shared' },
          ...(reserved === undefined ? [] : [{ key: reserved.record.id, mode: 'exclusive' as const }]),
        ],
        fingerprint,
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: clone.environment,
        object: { kind: 'clone', id: clone.id, name: clone.name },
        prepare: () => {
          store.clones.put({ ...clone, state: 'resetting', problem: null });
          if (reserved !== undefined) store.snapshots.put(reserved.record);
        },
      });
    },
    start(reference, caller) {
      const clone = catalog.clone(reference);
      return runner.submit({
        kind: startKind,
        title: `Start clone ${clone.name}`,
        input: { clone: clone.id, datasets: clone.members.map(({ name, dataset }) => ({ name, dataset })) },
        data: {},
        lanes: exclusive(clone),
        fingerprint: JSON.stringify(['clone.start', clone.id]),
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: clone.environment,
        object: { kind: 'clone', id: clone.id, name: clone.name },
        prepare: () => store.clones.put({ ...clone, members: withMembers(clone, 'starting') }),
      });
    },
    destroy(reference, caller) {
      // First, since it may move the end of the protection.
      const at = time.now().toISOString();
      const clone = catalog.clone(reference);
      if (isProtected(clone, at)) {
        throw fail('clone_protected', { clone: clone.name, until: clone.protectedUntil ?? '' });
      }
      return runner.submit({
        kind: destroyKind,
        title: `Destroy clone ${clone.name}`,
        input: {
          clone: clone.id,
          datasets: clone.members.map(({ name, dataset }) => ({ name, dataset })),
          beginning: beginnings.under(clone),
        },
        data: {},
        lanes: exclusive(clone),
        fingerprint: JSON.stringify(['clone.destroy', clone.id]),
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: clone.environment,
        object: { kind: 'clone', id: clone.id, name: clone.name },
        prepare: () => store.clones.put({ ...clone, state: 'destroying' }),
      });
    },
    commit(reference, request, caller) {
      const clone = catalog.clone(reference);
      const fingerprint = JSON.stringify(['clone.commit', clone.id, request]);
      const running = runner.holder(exclusive(clone));
      if (running === undefined && clone.state !== 'ready' && clone.state !== 'stopped') {
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      }
      const joins = store.jobs.unfinished().some((job) => job.fingerprint === fingerprint);
      const { record, kept } = reserveSnapshot(clone, caller, {
        name: joins ? undefined : request.name,
        origin: request.origin ?? 'commit',
        message: request.message,
      });
      return runner.submit({
        kind: commitKind,
        title: `Commit clone ${clone.name} as ${record.name}`,
        input: { clone: clone.id, kept },
        data: {},
        lanes: [...exclusive(clone), { key: record.id, mode: 'exclusive' }],
        fingerprint,
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: clone.environment,
        object: { kind: 'snapshot', id: record.id, name: record.name },
        prepare: () => {
          store.clones.put({ ...clone, state: 'committing' });
          store.snapshots.put(record);
        },
      });
    },
    async protect(reference, minutes) {
      const clone = catalog.clone(reference);
      const holder = clone.state === 'destroying' ? runner.holder(exclusive(clone)) : undefined;
      if (holder !== undefined) throw busyWith(holder, { kind: 'clone', name: clone.name });
      const from = time.now();
      const protectedUntil =
        typeof minutes === 'number' ? new Date(from.getTime() + minutes * 60_000).toISOString() : minutes;
      // The jumps until now were not of this protection's time.
      const changed = { ...catalog.clone(clone.id), protectedUntil, countedAt: from.toISOString() };
      store.clones.put(changed);
      await tagging.write(clone.id);
      return catalog.cloneEntity(changed);
    },
    connection(reference) {
      const clone = catalog.clone(reference);
      const { password } = login(clone);
      return clone.members.map(({ name, engine, host, port, user, database }) => ({
        ...{ name, engine, host, port, user, database, password },
      }));
    },
    bind: (...request) => bindings.bind(...request),
    kinds: [createKind, resetKind, startKind, destroyKind, commitKind, ...bindings.kinds],
  };
}
