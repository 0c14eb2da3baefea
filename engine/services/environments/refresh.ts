/** Refreshes an environment: brings a new snapshot of all its members from their sources. */
import { join } from 'node:path';
import * as z from 'zod';
import { newestTime } from '../../domain/countedTime.ts';
import { freeSnapshotName } from '../../domain/naming.ts';
import type { JobKind, Step } from '../../jobs/steps.ts';
import {
  comparisonSchema,
  pinnedImageSchema,
  type Job,
  type MemberDefinition,
} from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import {
  datasetIdSchema,
  environmentNameSchema,
  memberNameSchema,
  referenceSchema,
  snapshotIdSchema,
  type EnvironmentName,
  type MemberName,
  type Reference,
  type SnapshotName,
} from '../../protocol/ids.ts';
import type { SnapshotRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, databaseOf, newDatasetId, type ServiceContext } from '../context.ts';
import { measureSnapshot } from '../clones/freeze.ts';
import { snapshotTags } from '../tags.ts';
import { environmentLane, exclusiveLane } from '../laneKeys.ts';
import { sourcePasswords, type Passwords } from './passwords.ts';

export interface RefreshRequest {
  name?: SnapshotName | undefined;
  passwords?: Passwords | undefined;
  /** For who must not be refused, as a schedule: waits as `queued` until nothing else works on the environment. */
  waits?: boolean | undefined;
}

export interface Refresh {
  readonly kind: JobKind<RefreshInput, RefreshData>;
  request(environment: Reference, request: RefreshRequest, caller: Caller): Job;
}

const refreshInput = z.object({
  environment: environmentNameSchema,
  snapshot: snapshotIdSchema,
  members: z.array(z.object({ name: memberNameSchema, dataset: datasetIdSchema })),
});
const refreshData = z.object({
  retrieved: z.record(
    memberNameSchema,
    z.object({
      version: z.string(),
      image: pinnedImageSchema.optional(),
      database: z.string(),
      dataStateAt: z.iso.datetime(),
      comparison: comparisonSchema.optional(),
    }),
  ),
});
type RefreshInput = z.infer<typeof refreshInput>;
type RefreshData = z.infer<typeof refreshData>;
type RefreshStep = Step<RefreshInput, RefreshData>;

export function createRefresh(context: ServiceContext): Refresh {
  const { store, storage, catalog, runner, clock, random } = context;
  const kind: Refresh['kind'] = {
    type: 'environment.refresh',
    input: refreshInput,
    data: refreshData,
    steps: ({ members }) => [
      ...members.map((member) => retrieveStep(context, member)),
      readOnlyStep(context),
      handOverStep(context),
    ],
    failed:
      ({ input }) =>
      () =>
        store.snapshots.remove(input.snapshot),
    ended: () => storage.emptyTrash(),
  };
  return {
    kind,
    request(reference, request, caller) {
      const environment = catalog.environment(reference);
      const { name, definition } = environment;
      const fingerprint = JSON.stringify(['environment.refresh', name, request.name ?? null]);
      const taken = new Set<string>(catalog.snapshotsOf(name).map((each) => each.name));
      const joins = store.jobs.unfinished().some((job) => job.fingerprint === fingerprint);
      if (request.name !== undefined && taken.has(request.name) && !joins) {
        throw fail('name_taken', { kind: 'snapshot', name: request.name });
      }
      const secrets = sourcePasswords(context, environment, request.passwords);
      const id = snapshotIdSchema.parse(`snapshot-${random.id()}`);
      const at = clock.now().toISOString();
      const others = store.snapshots.list().map((each) => each.createdAt);
      const members = Object.keys(definition.members).map((member) => ({
        name: memberNameSchema.parse(member),
        dataset: newDatasetId(context),
      }));
      const record: SnapshotRecord = {
        ...{ id, name: request.name ?? freeSnapshotName(at, taken), environment: name, state: 'creating' },
        ...{ dataStateAt: null, createdAt: newestTime(at, others), createdBy: caller.user, skewMs: 0 },
        ...{ bytes: { unshared: null, logical: null }, members: [], origin: 'refresh', message: null },
      };
      return runner.submit({
        kind,
        title: `Refresh environment ${name}`,
        input: { environment: name, snapshot: id, members },
        data: { retrieved: {} },
        lanes: [environmentLane(name), exclusiveLane({ id })],
        fingerprint,
        ...jobOn('snapshot', record, caller),
        secrets,
        waits: request.waits === true,
        prepare: () => store.snapshots.put(atItsTurn(context, record, request)),
      });
    },
  };
}

/** The row as it is when the job begins: one that waited finds other snapshots, or its environment gone. */
function atItsTurn(
  { store, catalog, clock }: ServiceContext,
  record: SnapshotRecord,
  request: RefreshRequest,
): SnapshotRecord {
  const { name } = catalog.environment(referenceSchema.parse(record.environment));
  const others = store.snapshots.list().map((each) => each.createdAt);
  const createdAt = newestTime(clock.now().toISOString(), others);
  const taken = new Set<string>(catalog.snapshotsOf(name).map((each) => each.name));
  if (!taken.has(record.name)) return { ...record, createdAt };
  if (request.name !== undefined) throw fail('name_taken', { kind: 'snapshot', name: request.name });
  return { ...record, createdAt, name: freeSnapshotName(createdAt, taken) };
}

/** Brings one member's data into a new dataset, still tagged `filling`. */
function retrieveStep(
  context: ServiceContext,
  { name, dataset }: RefreshInput['members'][number],
): RefreshStep {
  const { storage, machine, catalog, directories } = context;
  return {
    name: `Retrieve ${name}`,
    // Hours, where the other steps take moments.
    weight: 50,
    async run({ input, data, job, secrets, report, signal }) {
      const definition = memberOf(context, input.environment, name);
      const jobScratch = join(directories.scratch, job);
      const scratch = join(jobScratch, name);
      const tags = snapshotTags(context, catalog.snapshot(input.snapshot), name, dataset, 'filling', job);
      const { path: target } = await storage.create(dataset, tags, { signal });
      // The server user has to pass through, and may put nothing there: tools that are root write into it.
      await machine.files.makeDirectory(jobScratch, { mode: 0o711 });
      await machine.files.makeDirectory(scratch, { mode: 0o711 });
      try {
        const { version, image, database, dataStateAt, comparison } = await databaseOf(
          context,
          definition.engine,
        ).retrieve(
          { member: name, definition, password: secrets.get(name), target, dataset, scratch, mark: job },
          report,
          signal,
        );
        data.retrieved[name] = {
          ...{ version, database, dataStateAt: dataStateAt.toISOString() },
          ...(comparison === undefined ? {} : { comparison }),
          ...(image === undefined ? {} : { image }),
        };
      } finally {
        await machine.files.remove(jobScratch);
      }
      return undefined;
    },
    async undo({ input, job }) {
      const { engine } = memberOf(context, input.environment, name);
      await databaseOf(context, engine).abandon(job, storage.path(dataset), dataset);
      await storage.destroy(dataset);
      await machine.files.remove(join(directories.scratch, job));
      return undefined;
    },
  };
}

function readOnlyStep({ storage }: ServiceContext): RefreshStep {
  return {
    name: 'Set read-only',
    async run({ input: { members } }) {
      await all(members, ({ dataset }) => storage.makeReadOnly(dataset));
      return undefined;
    },
  };
}

function handOverStep(context: ServiceContext): RefreshStep {
  const { store, storage } = context;
  return {
    name: 'Make available',
    commits: true,
    async run({ input, data }) {
      const ready = await finished(context, input, data);
      await all(input.members, ({ name, dataset }) =>
        storage.tag(dataset, snapshotTags(context, ready, name, dataset, 'ready')),
      );
      return () => store.snapshots.put(ready);
    },
  };
}

/** The snapshot's row when all its data is there. */
async function finished(
  context: ServiceContext,
  { environment, snapshot, members }: RefreshInput,
  { retrieved }: RefreshData,
): Promise<SnapshotRecord> {
  const moments = Object.values(retrieved).map(({ dataStateAt }) => dataStateAt);
  const oldest = moments.reduce((a, b) => (a < b ? a : b));
  const newest = moments.reduce((a, b) => (a > b ? a : b));
  const datasets = members.map(({ dataset }) => dataset);
  return {
    ...context.catalog.snapshot(snapshot),
    state: 'ready',
    dataStateAt: oldest,
    skewMs: Date.parse(newest) - Date.parse(oldest),
    bytes: await measureSnapshot(context, datasets),
    members: members.map(({ name, dataset }) => ({
      ...{ name, dataset, engine: memberOf(context, environment, name).engine },
      version: retrieved[name]?.version ?? '',
      database: retrieved[name]?.database ?? '',
      ...(retrieved[name]?.image === undefined ? {} : { image: retrieved[name].image }),
      ...(retrieved[name]?.comparison === undefined ? {} : { comparison: retrieved[name].comparison }),
    })),
  };
}

function memberOf(
  { catalog }: ServiceContext,
  environment: EnvironmentName,
  name: MemberName,
): MemberDefinition {
  const member = catalog.environment(environment).definition.members[name];
  if (member === undefined) throw fail('not_found', { kind: 'member', name });
  return member;
}
