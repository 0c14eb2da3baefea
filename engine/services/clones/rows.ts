/** What jobs on clones read of the catalogue and write onto the data of clones. */
import * as z from 'zod';
import { fail } from '../../protocol/errors.ts';
import {
  datasetIdSchema,
  memberNameSchema,
  snapshotIdSchema,
  type CloneId,
  type DatasetId,
  type Reference,
} from '../../protocol/ids.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import { cloneTags } from '../tags.ts';
import type { Servers } from './servers.ts';

/** In the journal of a job: one member and its data. */
export const memberDatasetSchema = z.object({ name: memberNameSchema, dataset: datasetIdSchema });
/** In the journal of a job: the snapshot that a branch starts from, which may go with the clone's end. */
export const branchStartSchema = snapshotIdSchema.optional();

export function cloneOf({ store }: Pick<ServiceContext, 'store'>, id: CloneId): CloneRecord {
  const record = store.clones.get(id);
  if (record === undefined) throw fail('not_found', { kind: 'clone', name: id });
  return record;
}

/** A snapshot of the environment to stand on; the latest without a reference. Errors: `no_snapshot`, `snapshot_foreign`, `snapshot_not_ready`. */
export function snapshotToStandOn(
  { catalog }: ServiceContext,
  environment: SnapshotRecord['environment'],
  reference: Reference | undefined,
): SnapshotRecord {
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
}

export function memberOf<Member extends { name: string }>(
  { members }: { members: readonly Member[] },
  name: string,
): Member {
  const member = members.find((each) => each.name === name);
  if (member === undefined) throw fail('not_found', { kind: 'member', name });
  return member;
}

export const datasetOf = (snapshot: SnapshotRecord, name: string): DatasetId =>
  memberOf(snapshot, name).dataset;

export async function tagReady(context: ServiceContext, clone: CloneRecord): Promise<void> {
  await all(clone.members, ({ name, dataset }) =>
    context.storage.tag(dataset, cloneTags(context, clone, name, dataset, 'ready')),
  );
}

/** After a job: frees the blocks of what was given up, and what its servers left beside the data. */
export async function tidy(
  { storage }: ServiceContext,
  servers: Servers,
  datasets: readonly DatasetId[],
): Promise<void> {
  await servers.clear(datasets);
  await storage.emptyTrash();
}
