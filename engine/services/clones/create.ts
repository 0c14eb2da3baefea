/** Creates a clone of a snapshot: copies its data, starts its servers, hands it over. */
import * as z from 'zod';
import { boundRow, type Binding } from '../../domain/bindings.ts';
import { withMembers } from '../../domain/cloneRow.ts';
import { freeCloneName, userOf } from '../../domain/naming.ts';
import type { PortLease } from '../../machine/machine.ts';
import type { JobKind, Step } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import {
  cloneIdSchema,
  datasetIdSchema,
  type CloneName,
  type DatasetId,
  type EnvironmentName,
  type Reference,
} from '../../protocol/ids.ts';
import type { CloneRecord, EnvironmentRecord, SnapshotRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, newDatasetId, type ServiceContext } from '../context.ts';
import { bindingLane, cloneNameLane, exclusiveLane, sharedLane } from '../laneKeys.ts';
import { copySnapshot } from './copy.ts';
import type { CloneParts } from './parts.ts';
import { branchStartSchema, cloneOf, snapshotToStandOn, tagReady, tidy } from './rows.ts';
import { leaseFreePort, withFreePort } from './freePort.ts';

export interface CreateRequest {
  environment: Reference;
  snapshot?: Reference | undefined;
  name?: CloneName | undefined;
  /** The branch that it is made for. */
  binding?: Binding | undefined;
  /** The one that the repository's clones share; default: one of its own. */
  password?: string | undefined;
}

export interface CreateClone {
  readonly kind: JobKind<CreateInput, object>;
  request(request: CreateRequest, caller: Caller): Promise<Job>;
}

const createInput = z.object({
  clone: cloneIdSchema,
  datasets: z.array(datasetIdSchema),
  branchStart: branchStartSchema,
});
type CreateInput = z.infer<typeof createInput>;
type CreateStep = Step<CreateInput, object>;
/** Ports held between the acceptance of a request and the start of its servers. */
type Leases = Map<DatasetId, PortLease>;

export function createCreateClone(parts: CloneParts): CreateClone {
  const { context, servers, tagging, branchStarts } = parts;
  const { store, catalog } = context;
  const leases: Leases = new Map();
  const kind: CreateClone['kind'] = {
    type: 'clone.create',
    input: createInput,
    data: z.object({}),
    steps: () => [copyStep(parts, leases), startStep(parts, leases), handOverStep(context)],
    failed:
      ({ input }) =>
      () => {
        store.clones.remove(input.clone);
      },
    async ended({ clone, datasets, branchStart }) {
      await tagging.afterJob(clone);
      const isGone = store.clones.get(clone) === undefined;
      if (isGone && branchStart !== undefined) (await branchStarts.release(branchStart))?.();
      await tidy(context, servers, isGone ? datasets : []);
    },
  };
  return {
    kind,
    async request(request, caller) {
      const { name } = catalog.environment(request.environment);
      // Ports first: from here to the submission nothing is waited for, so what is checked holds.
      const held = await all(snapshotToStandOn(context, name, request.snapshot).members, () =>
        leaseFreePort(context),
      );
      try {
        return submit(context, kind, leases, request, name, caller, held);
      } catch (error) {
        // A state that could not be written has handed them over, and to no job.
        for (const [dataset, lease] of leases) if (held.includes(lease)) leases.delete(dataset);
        throw error;
      } finally {
        // Refused, or the same request as one that runs already: the job did not take them.
        const taken = new Set(leases.values());
        for (const lease of held) if (!taken.has(lease)) await lease.release();
      }
    },
  };
}

async function releaseLeases(leases: Leases, datasets: readonly DatasetId[]): Promise<void> {
  for (const dataset of datasets) {
    const lease = leases.get(dataset);
    leases.delete(dataset);
    await lease?.release();
  }
}

function copyStep(parts: CloneParts, leases: Leases): CreateStep {
  const { context } = parts;
  const { store, storage, catalog } = context;
  return {
    name: 'Copy',
    async run({ input, ...step }) {
      const clone = cloneOf(context, input.clone);
      await copySnapshot(parts, catalog.snapshot(clone.snapshot), clone, step);
      return undefined;
    },
    async undo({ input }) {
      // Held since the request: the step that lets go of them may not have begun.
      await releaseLeases(leases, input.datasets);
      const clone = store.clones.get(input.clone);
      await all(clone?.members ?? [], ({ dataset }) => storage.destroy(dataset));
      return undefined;
    },
  };
}

function startStep({ context, cloneServers }: CloneParts, leases: Leases): CreateStep {
  const { store } = context;
  return {
    name: 'Start',
    async run({ input, signal, report }) {
      const clone = cloneOf(context, input.clone);
      const ports = new Map<string, number>();
      await all(clone.members, async (member) => {
        const held = leases.get(member.dataset);
        leases.delete(member.dataset);
        let isFresh = true;
        await withFreePort(context, held ?? (await leaseFreePort(context)), async (lease) => {
          const { port } = lease;
          if (port !== member.port)
            report.line(`Port ${member.port} was taken meanwhile, taking ${port}`, 'warning');
          const attempt = { lease, signal, isFresh };
          // A second one finds what the first one left.
          isFresh = false;
          await cloneServers.startMember(clone, { ...member, port }, attempt);
          ports.set(member.name, port);
        });
      });
      const members = clone.members.map((member) => ({
        ...member,
        port: ports.get(member.name) ?? member.port,
      }));
      return () => store.clones.put({ ...cloneOf(context, input.clone), members });
    },
    async undo({ input }) {
      const clone = store.clones.get(input.clone);
      if (clone !== undefined) await cloneServers.stop(clone, 'immediate');
      return undefined;
    },
  };
}

function handOverStep(context: ServiceContext): CreateStep {
  const { store, clock } = context;
  return {
    name: 'Make available',
    commits: true,
    async run({ input }) {
      const changed = (): CloneRecord => ({
        ...withMembers(cloneOf(context, input.clone), 'ready'),
        state: 'ready',
        usedAt: clock.now().toISOString(),
      });
      await tagReady(context, changed());
      return () => store.clones.put(changed());
    },
  };
}

function submit(
  context: ServiceContext,
  kind: CreateClone['kind'],
  leases: Leases,
  request: CreateRequest,
  name: EnvironmentName,
  caller: Caller,
  held: readonly PortLease[],
): Job {
  const { store, catalog, runner } = context;
  const environment = catalog.environment(name);
  const snapshot = snapshotToStandOn(context, name, request.snapshot);
  const { binding } = request;
  const fingerprint = JSON.stringify([
    ...['clone.create', name, request.snapshot ?? null, request.name ?? null],
    ...[binding === undefined ? null : Object.values(boundRow(binding)), caller.user],
  ]);
  const bound = boundClone(context, name, binding);
  if (bound !== undefined) {
    // Two checkouts of one branch want one clone.
    const making = bound.state === 'creating' ? runner.holder([exclusiveLane(bound)]) : undefined;
    if (making !== undefined) return making;
    throw fail('binding_taken', { branch: bound.branch ?? '', clone: bound.name });
  }
  refuseTaken(context, environment, request.name, fingerprint);
  const record = newClone(context, snapshot, request, caller, held);
  return runner.submit({
    kind,
    title: `Create clone ${record.name}`,
    input: {
      clone: record.id,
      datasets: record.members.map(({ dataset }) => dataset),
      ...(snapshot.origin === 'branch' ? { branchStart: snapshot.id } : {}),
    },
    data: {},
    lanes: [
      exclusiveLane(record),
      cloneNameLane(record.name),
      sharedLane(snapshot),
      ...(binding === undefined ? [] : [bindingLane(name, binding)]),
    ],
    // Two unnamed requests are two clones.
    fingerprint: request.name === undefined ? `clone.create ${record.id}` : fingerprint,
    ...jobOn('clone', record, caller),
    prepare: () => {
      store.clones.put(record);
      record.members.forEach(({ dataset }, index) => {
        const lease = held[index];
        if (lease !== undefined) leases.set(dataset, lease);
      });
    },
  });
}

const boundClone = (
  { catalog }: ServiceContext,
  environment: EnvironmentName,
  binding: Binding | undefined,
): CloneRecord | undefined =>
  binding === undefined ? undefined : catalog.clonesOfBranch(environment, binding)[0];

/** Errors: `name_taken`, unless the same request is being carried out; `clone_limit`. */
export function refuseTaken(
  { store }: Pick<ServiceContext, 'store'>,
  { name: environment, definition }: EnvironmentRecord,
  name: CloneName | undefined,
  fingerprint?: string,
): void {
  const existing = store.clones.list();
  const taken = existing.find((each) => each.name === (name as string | undefined));
  if (taken !== undefined) {
    const isSame = store.jobs.unfinished().some((job) => job.fingerprint === fingerprint);
    if (!isSame) throw fail('name_taken', { kind: 'clone', name: taken.name });
    return;
  }
  const { limit } = definition.clones;
  const mine = existing.filter((each) => each.environment === environment);
  if (limit === undefined || mine.length < limit) return;
  throw fail('clone_limit', { environment, limit, clones: mine.map((each) => each.name) });
}

function newClone(
  context: ServiceContext,
  snapshot: SnapshotRecord,
  { name, binding, password }: CreateRequest,
  caller: Caller,
  held: readonly PortLease[],
): CloneRecord {
  const { store, random, vault, clock, catalog } = context;
  const declared = catalog.environment(snapshot.environment).definition.members;
  const at = clock.now().toISOString();
  return {
    id: cloneIdSchema.parse(`clone-${random.id()}`),
    name: name ?? freeCloneName(new Set(store.clones.list().map((each) => each.name))),
    environment: snapshot.environment,
    snapshot: snapshot.id,
    state: 'creating',
    ...{ createdAt: at, createdBy: caller.user, usedAt: at, resetAt: null },
    protectedUntil: null,
    bytes: { unshared: null, logical: snapshot.bytes.logical },
    members: snapshot.members.map(({ name: member, engine, version, database, image }, index) => ({
      ...{ name: member, engine, version, database, ...(image && { image }) },
      ...{ host: '127.0.0.1', port: held[index]?.port ?? 0, user: userOf(declared[member]) },
      state: 'starting',
      dataset: newDatasetId(context),
    })),
    ...boundRow(binding),
    sealedPassword: vault.seal(password ?? random.password()),
    ...{ problem: null, stoppedBy: null, generation: 0, worktree: null, finished: null, countedAt: null },
  };
}
