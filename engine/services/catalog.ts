/** What there is: finds objects by name or id, and composes entities from records. */
import { isBoundTo, type Binding } from '../domain/bindings.ts';
import { jobEntity } from '../jobs/journal.ts';
import type { Checkout, Clone, Environment, Host, Job, Snapshot } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import type { Overview } from '../protocol/events.ts';
import {
  cloneNameSchema,
  environmentNameSchema,
  type CloneId,
  type EnvironmentName,
  type Reference,
  type SnapshotId,
} from '../protocol/ids.ts';
import type { CloneRecord, EnvironmentRecord, SnapshotRecord, Store } from '../state/store.ts';
import type { Feed } from '../jobs/feed.ts';

export interface Catalog {
  environment(reference: Reference | EnvironmentName): EnvironmentRecord;
  /** By id, by name, or by environment/name. */
  snapshot(reference: Reference | SnapshotId, within?: EnvironmentName): SnapshotRecord;
  clone(reference: Reference | CloneId): CloneRecord;
  /** The newest that a refresh made; only when none did, the newest that was committed or kept. */
  latestSnapshot(environment: EnvironmentName): SnapshotRecord | undefined;
  snapshotsOf(environment: EnvironmentName): SnapshotRecord[];
  clonesOf(snapshot: SnapshotId): CloneRecord[];
  /** The clones of a branch, or of a pattern of branches that share one: one at most, unless the tags were tampered with. */
  clonesOfBranch(environment: EnvironmentName, of: Binding): CloneRecord[];
  environmentEntity(record: EnvironmentRecord): Environment;
  snapshotEntity(record: SnapshotRecord): Snapshot;
  cloneEntity(record: CloneRecord): Clone;
  overview(hosts: Host[], checkouts: Checkout[]): Overview;
}

const overviewJobs = 100;

export function cloneEntity(record: CloneRecord): Clone {
  const {
    generation: _generation,
    sealedPassword: _sealed,
    usedAt: _used,
    countedAt: _counted,
    worktree: _worktree,
    finished: _finished,
    ...entity
  } = record;
  return entity;
}

export function createCatalog({ store, feed }: { store: Store; feed: Feed }): Catalog {
  const latestSnapshot = (environment: EnvironmentName): SnapshotRecord | undefined => {
    const ready = store.snapshots
      .list()
      .filter((record) => record.environment === environment && record.state === 'ready');
    // What somebody made of a clone is for those who name it; what a branch started from is for its branch alone.
    return (
      ready.find(({ origin }) => origin === 'refresh') ?? ready.find(({ origin }) => origin !== 'branch')
    );
  };
  const environmentEntity = (record: EnvironmentRecord): Environment => ({
    name: record.name,
    definition: record.definition,
    createdAt: record.createdAt,
    latestSnapshot: latestSnapshot(record.name)?.id ?? null,
    refreshJob:
      store.jobs
        .unfinished()
        .find((job) => job.type === 'environment.refresh' && job.environment === record.name)?.id ?? null,
  });
  const clonesOf = (snapshot: SnapshotId): CloneRecord[] =>
    store.clones.list().filter((clone) => clone.snapshot === snapshot);
  const snapshotEntity = (record: SnapshotRecord): Snapshot => ({
    ...record,
    clones: clonesOf(record.id).map(({ id }) => id),
  });
  const jobsForPeople = (): Job[] => {
    const newest = store.jobs.list(overviewJobs);
    const shown = new Set(newest.map(({ id }) => id));
    return [...newest, ...store.jobs.unfinished().filter(({ id }) => !shown.has(id))].map(jobEntity);
  };

  return {
    latestSnapshot,
    snapshotsOf: (environment) => store.snapshots.list().filter((each) => each.environment === environment),
    clonesOf,
    clonesOfBranch: (environment, binding) =>
      store.clones.list().filter((clone) => clone.environment === environment && isBoundTo(clone, binding)),
    environmentEntity,
    snapshotEntity,
    cloneEntity,
    environment: (reference) => findEnvironment(store, reference),
    snapshot: (reference, within) => findSnapshot(store, reference, within),
    clone: (reference) => findClone(store, reference),
    overview: (hosts, checkouts) => ({
      epoch: feed.epoch,
      seq: feed.seq(),
      hosts,
      environments: store.environments.list().map(environmentEntity),
      snapshots: store.snapshots.list().map(snapshotEntity),
      clones: store.clones.list().map(cloneEntity),
      checkouts,
      jobs: jobsForPeople(),
    }),
  };
}

function findEnvironment(store: Store, reference: Reference | EnvironmentName): EnvironmentRecord {
  const name = environmentNameSchema.safeParse(reference);
  const record = name.success ? store.environments.get(name.data) : undefined;
  if (record !== undefined) return record;
  const known = store.environments.list().map((each) => each.name);
  throw fail('not_found', { kind: 'environment', name: reference, known });
}

function findSnapshot(
  store: Store,
  reference: Reference | SnapshotId,
  within?: EnvironmentName,
): SnapshotRecord {
  const all = store.snapshots.list();
  const byId = all.find((record) => record.id === (reference as string));
  if (byId !== undefined) return byId;
  const matches = all.filter(
    (record) =>
      (record.name === (reference as string) && (within === undefined || record.environment === within)) ||
      `${record.environment}/${record.name}` === reference,
  );
  const [match, ...others] = matches;
  if (match === undefined) {
    const known = all.filter((record) => within === undefined || record.environment === within);
    throw fail('not_found', { kind: 'snapshot', name: reference, known: known.map(({ name }) => name) });
  }
  if (others.length > 0) {
    const names = matches.map((record) => `${record.environment}/${record.name} (${record.id})`);
    throw fail('ambiguous', { kind: 'snapshot', name: reference, matches: names });
  }
  return match;
}

function findClone(store: Store, reference: Reference | CloneId): CloneRecord {
  const all = store.clones.list();
  const name = cloneNameSchema.safeParse(reference);
  const record = all.find(
    (each) => each.id === (reference as string) || (name.success && each.name === name.data),
  );
  if (record !== undefined) return record;
  throw fail('not_found', { kind: 'clone', name: reference, known: all.map((each) => each.name) });
}
