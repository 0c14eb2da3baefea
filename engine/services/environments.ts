/** Use cases of environments and their snapshots: declare, refresh, delete; test a source; delete a snapshot. */
import { join } from 'node:path';
import * as z from 'zod';
import { canonicalText } from '../domain/canonicalText.ts';
import { freeSnapshotName } from '../domain/naming.ts';
import { busyWith } from '../jobs/runner.ts';
import type { JobKind, Step } from '../jobs/steps.ts';
import type {
  Environment,
  EnvironmentDefinition,
  Job,
  MemberDefinition,
  SourceReport,
} from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import {
  datasetIdSchema,
  environmentNameSchema,
  memberNameSchema,
  snapshotIdSchema,
  type EnvironmentName,
  type MemberName,
  type Reference,
  type SnapshotName,
} from '../protocol/ids.ts';
import type { EnvironmentRecord, SnapshotRecord } from '../state/store.ts';
import type { Caller } from './caller.ts';
import { all, databaseOf, newDatasetId, type ServiceContext } from './context.ts';
import { dropSnapshot } from './dropSnapshot.ts';
import { measureSnapshot } from './freeze.ts';
import { snapshotTags } from './tags.ts';

type Passwords = Partial<Record<MemberName, string>>;

export interface Environments {
  apply(
    name: EnvironmentName,
    request: {
      definition: EnvironmentDefinition;
      passwords?: Passwords | undefined;
      remember?: boolean | undefined;
    },
  ): { environment: Environment; outcome: 'created' | 'changed' | 'unchanged' };
  delete(environment: Reference, caller: Caller): Job;
  refresh(
    environment: Reference,
    request: { name?: SnapshotName | undefined; passwords?: Passwords | undefined },
    caller: Caller,
  ): Job;
  deleteSnapshot(snapshot: Reference, caller: Caller): Job;
  testSource(
    member: MemberDefinition,
    password: string | undefined,
    signal?: AbortSignal,
  ): Promise<SourceReport>;
  readonly kinds: readonly JobKind[];
}

const refreshInput = z.object({
  environment: environmentNameSchema,
  snapshot: snapshotIdSchema,
  members: z.array(z.object({ name: memberNameSchema, dataset: datasetIdSchema })),
});
const refreshData = z.object({
  retrieved: z.record(
    memberNameSchema,
    z.object({ version: z.string(), database: z.string(), dataStateAt: z.iso.datetime() }),
  ),
});
type RefreshInput = z.infer<typeof refreshInput>;
type RefreshData = z.infer<typeof refreshData>;
const deleteSnapshotInput = z.object({ snapshot: snapshotIdSchema });
const deleteEnvironmentInput = z.object({ environment: environmentNameSchema });
const noData = z.object({});

/** What this version can't do yet is refused by name, before anything is stored. */
export function refuseUnsupported(definition: EnvironmentDefinition): void {
  if ((definition.host as string) !== 'local') {
    throw fail('not_supported', { feature: `Host "${definition.host}"`, instead: 'Use host: local.' });
  }
  for (const [name, member] of Object.entries(definition.members)) {
    if (member.engine !== 'postgres')
      throw fail('not_supported', { feature: `Engine ${member.engine} (member ${name})` });
    if (member.retrieval === 'physical') {
      throw fail('not_supported', {
        feature: `Retrieval physical (member ${name})`,
        instead: 'Use logical.',
      });
    }
    const needed = { logical: 'url', dump: 'dump', directory: 'directory' } as const;
    const key = needed[member.retrieval];
    const problems = [
      ...(member[key] === undefined ? [`members.${name}.${key} is missing`] : []),
      ...(['url', 'dump', 'directory'] as const)
        .filter((other) => other !== key && member[other] !== undefined)
        .map((other) => `members.${name}.${other} does not belong to retrieval ${member.retrieval}`),
    ];
    if (problems.length > 0) throw fail('invalid_request', { problems });
    if (member.url !== undefined) refusePassword(member.url, name);
  }
}

function refusePassword(url: string, member: string): void {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw fail('source_url', { problem: 'it is not a URL' }, { cause: error });
  }
  if (parsed.protocol !== 'postgresql:' && parsed.protocol !== 'postgres:') {
    throw fail('source_url', { problem: `its scheme is ${parsed.protocol.slice(0, -1)}` });
  }
  if (parsed.password !== '' || parsed.searchParams.has('password')) {
    throw fail('source_url', {
      problem: `the URL of member ${member} holds a password, which belongs in password`,
    });
  }
}

export function createEnvironments(context: ServiceContext): Environments {
  const { store, storage, catalog, runner, clock, random, vault, host } = context;
  const now = (): string => clock.now().toISOString();
  const snapshotOf = (id: SnapshotRecord['id']): SnapshotRecord => catalog.snapshot(id);
  const memberOf = (environment: EnvironmentName, name: MemberName): MemberDefinition => {
    const member = catalog.environment(environment).definition.members[name];
    if (member === undefined) throw fail('not_found', { kind: 'member', name });
    return member;
  };

  // --- refresh --------------------------------------------------------------------------------------------------

  const retrieveStep = ({
    name,
    dataset,
  }: RefreshInput['members'][number]): Step<RefreshInput, RefreshData> => ({
    name: `Retrieve ${name}`,
    async run({ input, data, job, secrets, report, signal }) {
      const definition = memberOf(input.environment, name);
      const database = databaseOf(context, definition.engine);
      const jobScratch = join(context.directories.scratch, job);
      const scratch = join(jobScratch, name);
      const tags = snapshotTags(context, snapshotOf(input.snapshot), name, dataset, 'filling');
      const { path } = await storage.create(dataset, tags, { signal });
      // The server user has to pass through.
      await host.files.makeDirectory(jobScratch, { mode: 0o711 });
      await host.files.makeDirectory(scratch, { mode: 0o700, serverUser: true });
      try {
        const retrieved = await database.retrieve(
          {
            member: name,
            definition,
            password: secrets.get(name),
            target: path,
            dataset,
            scratch,
            mark: job,
          },
          report,
          signal,
        );
        data.retrieved[name] = {
          version: retrieved.version,
          database: retrieved.database,
          dataStateAt: retrieved.dataStateAt.toISOString(),
        };
      } finally {
        await host.files.remove(jobScratch);
      }
      return undefined;
    },
    async undo({ input, job }) {
      const definition = memberOf(input.environment, name);
      await databaseOf(context, definition.engine).abandon(job, storage.path(dataset), dataset);
      await storage.destroy(dataset);
      await host.files.remove(join(context.directories.scratch, job));
      return undefined;
    },
  });

  const refreshKind: JobKind<RefreshInput, RefreshData> = {
    type: 'environment.refresh',
    input: refreshInput,
    data: refreshData,
    steps: (input) => [
      ...input.members.map(retrieveStep),
      {
        name: 'Seal',
        async run({ input: { members } }) {
          await all(members, ({ dataset }) => storage.seal(dataset));
          return undefined;
        },
      },
      {
        name: 'Hand over',
        commits: true,
        async run({ input: { members, snapshot: id, environment }, data }) {
          const moments = Object.values(data.retrieved).map(({ dataStateAt }) => dataStateAt);
          const oldest = moments.reduce((a, b) => (a < b ? a : b));
          const newest = moments.reduce((a, b) => (a > b ? a : b));
          const ready: SnapshotRecord = {
            ...snapshotOf(id),
            state: 'ready',
            dataStateAt: oldest,
            skewMs: Date.parse(newest) - Date.parse(oldest),
            bytes: await measureSnapshot(
              context,
              members.map(({ dataset }) => dataset),
            ),
            members: members.map(({ name, dataset }) => ({
              name,
              dataset,
              engine: memberOf(environment, name).engine,
              version: data.retrieved[name]?.version ?? '',
              database: data.retrieved[name]?.database ?? '',
            })),
          };
          await all(members, ({ name, dataset }) =>
            storage.tag(dataset, snapshotTags(context, ready, name, dataset, 'ready')),
          );
          return () => store.snapshots.put(ready);
        },
      },
    ],
    failed:
      ({ input }) =>
      () =>
        store.snapshots.remove(input.snapshot),
    ended: () => storage.emptyTrash(),
  };

  // --- delete ---------------------------------------------------------------------------------------------------

  const snapshotsOf = (environment: EnvironmentName): SnapshotRecord[] =>
    store.snapshots.list().filter((each) => each.environment === environment);

  const deleteSnapshotKind: JobKind<z.infer<typeof deleteSnapshotInput>, object> = {
    type: 'snapshot.delete',
    input: deleteSnapshotInput,
    data: noData,
    steps: () => [
      {
        // Journalled as committed before the first effect: a half-deleted snapshot is finished, never offered again.
        name: 'Give up',
        commits: true,
        run: () => Promise.resolve(undefined),
        undo: ({ input }) =>
          Promise.resolve(() => {
            const snapshot = store.snapshots.get(input.snapshot);
            if (snapshot !== undefined) store.snapshots.put({ ...snapshot, state: 'ready' });
          }),
      },
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

  const deleteEnvironmentKind: JobKind<z.infer<typeof deleteEnvironmentInput>, object> = {
    type: 'environment.delete',
    input: deleteEnvironmentInput,
    data: noData,
    steps: () => [
      {
        name: 'Give up',
        commits: true,
        run: () => Promise.resolve(undefined),
        undo: ({ input }) =>
          Promise.resolve(() => {
            for (const snapshot of snapshotsOf(input.environment))
              store.snapshots.put({ ...snapshot, state: 'ready' });
          }),
      },
      {
        name: 'Remove snapshots',
        async run({ input }) {
          const snapshots = snapshotsOf(input.environment);
          for (const snapshot of snapshots) await dropSnapshot(context, snapshot);
          return () => {
            for (const { id } of snapshots) store.snapshots.remove(id);
            store.environments.remove(input.environment);
          };
        },
      },
    ],
    ended: () => storage.emptyTrash(),
  };

  /** A remembered password whose key was lost is as good as none. */
  const opened = (sealed: string, member: string): string => {
    try {
      return vault.open(sealed);
    } catch (cause) {
      throw fail('source_password_missing', { member, reference: null }, { cause });
    }
  };

  // --- requests -------------------------------------------------------------------------------------------------

  const environmentLane = (name: EnvironmentName, mode: 'shared' | 'exclusive') => ({
    key: `env:${name}`,
    mode,
  });

  return {
    apply(name, { definition, passwords = {}, remember = false }) {
      refuseUnsupported(definition);
      const before = store.environments.get(name);
      const running = runner.holder([environmentLane(name, 'exclusive')]);
      if (running !== undefined) {
        if (before === undefined || canonicalText(before.definition) !== canonicalText(definition))
          throw busyWith(running, { kind: 'environment', name });
      }
      if (before !== undefined) refuseLockedChange(before, definition);
      const sealedPasswords: EnvironmentRecord['sealedPasswords'] = {};
      for (const member of Object.keys(definition.members).map((key) => memberNameSchema.parse(key))) {
        const password = passwords[member];
        const kept = before?.sealedPasswords[member];
        if (remember && password !== undefined) sealedPasswords[member] = vault.seal(password);
        else if (kept !== undefined) sealedPasswords[member] = kept;
      }
      const record: EnvironmentRecord = {
        name,
        definition,
        createdAt: before?.createdAt ?? now(),
        sealedPasswords,
      };
      const outcome =
        before === undefined
          ? 'created'
          : canonicalText(before.definition) === canonicalText(definition)
            ? 'unchanged'
            : 'changed';
      if (outcome !== 'unchanged' || (remember && Object.keys(passwords).length > 0))
        store.environments.put(record);
      return { environment: catalog.environmentEntity(record), outcome };
    },
    delete(reference, caller) {
      const { name } = catalog.environment(reference);
      const clones = store.clones.list().filter(({ environment }) => environment === name);
      if (clones.length > 0) {
        throw fail('environment_in_use', { environment: name, clones: clones.map((clone) => clone.name) });
      }
      return runner.submit({
        kind: deleteEnvironmentKind,
        title: `Delete environment ${name}`,
        input: { environment: name },
        data: {},
        lanes: [
          environmentLane(name, 'exclusive'),
          ...snapshotsOf(name).map(({ id }) => ({ key: id, mode: 'exclusive' as const })),
        ],
        fingerprint: JSON.stringify(['environment.delete', name]),
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: name,
        object: { kind: 'environment', id: name, name },
        prepare: () => {
          for (const snapshot of snapshotsOf(name)) store.snapshots.put({ ...snapshot, state: 'deleting' });
        },
      });
    },
    refresh(reference, request, caller) {
      const environment = catalog.environment(reference);
      const { name, definition } = environment;
      const fingerprint = JSON.stringify(['environment.refresh', name, request.name ?? null]);
      const taken = new Set<string>(
        store.snapshots
          .list()
          .filter((each) => each.environment === name)
          .map((each) => each.name),
      );
      const joins = store.jobs.unfinished().some((job) => job.fingerprint === fingerprint);
      if (request.name !== undefined && taken.has(request.name) && !joins) {
        throw fail('name_taken', { kind: 'snapshot', name: request.name });
      }
      const secrets = new Map<MemberName, string>();
      for (const [member, { password }] of Object.entries(definition.members)) {
        const key = memberNameSchema.parse(member);
        const sealed = environment.sealedPasswords[key];
        const known = request.passwords?.[key] ?? (sealed === undefined ? undefined : opened(sealed, member));
        if (known !== undefined) secrets.set(key, known);
        else if (password !== undefined) {
          const place = 'env' in password ? `the variable ${password.env}` : `the file ${password.file}`;
          throw fail('source_password_missing', { member, reference: place });
        }
      }
      const id = snapshotIdSchema.parse(`snapshot-${random.id()}`);
      const at = now();
      const members = Object.keys(definition.members).map((member) => ({
        name: memberNameSchema.parse(member),
        dataset: newDatasetId(context),
      }));
      const record: SnapshotRecord = {
        id,
        name: request.name ?? freeSnapshotName(at, taken),
        environment: name,
        state: 'creating',
        dataStateAt: null,
        createdAt: at,
        createdBy: caller.user,
        skewMs: 0,
        bytes: { unshared: null, logical: null },
        members: [],
        origin: 'refresh',
        message: null,
      };
      return runner.submit({
        kind: refreshKind,
        title: `Refresh environment ${name}`,
        input: { environment: name, snapshot: id, members },
        data: { retrieved: {} },
        lanes: [environmentLane(name, 'exclusive'), { key: id, mode: 'exclusive' }],
        fingerprint,
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: name,
        object: { kind: 'snapshot', id, name: record.name },
        secrets,
        prepare: () => store.snapshots.put(record),
      });
    },
    deleteSnapshot(reference, caller) {
      const snapshot = catalog.snapshot(reference);
      const clones = catalog.clonesOf(snapshot.id);
      if (clones.length > 0) {
        const names = clones.map(({ name }) => name);
        throw fail('snapshot_in_use', { snapshot: snapshot.name, clones: names });
      }
      return runner.submit({
        kind: deleteSnapshotKind,
        title: `Delete snapshot ${snapshot.name}`,
        input: { snapshot: snapshot.id },
        data: {},
        lanes: [{ key: snapshot.id, mode: 'exclusive' }],
        fingerprint: JSON.stringify(['snapshot.delete', snapshot.id]),
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: snapshot.environment,
        object: { kind: 'snapshot', id: snapshot.id, name: snapshot.name },
        prepare: () => store.snapshots.put({ ...snapshot, state: 'deleting' }),
      });
    },
    async testSource(member, password, signal) {
      refuseUnsupported({
        host: context.host.name,
        members: { [memberNameSchema.parse('source')]: member },
        clones: {},
      });
      return databaseOf(context, member.engine).testSource(member, password, signal);
    },
    kinds: [refreshKind, deleteSnapshotKind, deleteEnvironmentKind],
  };

  /** Snapshots are of the members that they were made of: names and engines stay while there are any. */
  function refuseLockedChange(before: EnvironmentRecord, definition: EnvironmentDefinition): void {
    if (!store.snapshots.list().some((snapshot) => snapshot.environment === before.name)) return;
    const fields: string[] = [];
    if (before.definition.host !== definition.host) fields.push('host');
    const engines = (members: EnvironmentDefinition['members']): string =>
      canonicalText(
        Object.entries(members)
          .map(([name, { engine }]) => [name, engine])
          .sort(),
      );
    if (engines(before.definition.members) !== engines(definition.members))
      fields.push("the members' names and engines");
    if (fields.length > 0) throw fail('environment_locked', { environment: before.name, fields });
  }
}
