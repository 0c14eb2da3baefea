/** The tags that stand on the data of snapshots and clones. */
import { canonicalText } from '../domain/canonicalText.ts';
import type { DatasetId, EnvironmentName, JobId, MemberName } from '../protocol/ids.ts';
import type { CloneRecord, SnapshotRecord } from '../state/store.ts';
import type { DatasetTags } from '../storage/storage.ts';
import { cloneEntity } from './catalog.ts';
import type { ServiceContext } from './context.ts';

type State = DatasetTags['state'];

function base(
  context: ServiceContext,
  environment: EnvironmentName,
  member: MemberName,
  dataset: DatasetId,
  state: State,
): Omit<DatasetTags, 'content'> {
  const { name, definition, createdAt } = context.catalog.environment(environment);
  const { installation } = context;
  return { format: 1, installation, dataset, state, member, environment: { name, definition, createdAt } };
}

export function snapshotTags(
  context: ServiceContext,
  snapshot: SnapshotRecord,
  member: MemberName,
  dataset: DatasetId,
  state: State,
  job?: JobId,
): DatasetTags {
  return {
    ...base(context, snapshot.environment, member, dataset, state),
    ...(job === undefined ? {} : { job }),
    content: { kind: 'snapshot', snapshot: { ...snapshot, clones: [] } },
  };
}

export function cloneTags(
  context: ServiceContext,
  clone: CloneRecord,
  member: MemberName,
  dataset: DatasetId,
  state: State,
): DatasetTags {
  const { generation, sealedPassword } = clone;
  return {
    ...base(context, clone.environment, member, dataset, state),
    content: { kind: 'clone', clone: cloneEntity(clone), generation, sealedPassword },
  };
}

/** Whether two tags say the same of what lasts; sizes and what servers do change all the time and are found anew. */
export const sayTheSame = (one: DatasetTags, other: DatasetTags): boolean =>
  canonicalText(lasting(one)) === canonicalText(lasting(other));

function lasting({ content, ...tags }: DatasetTags): unknown {
  if (content.kind === 'snapshot') {
    const { state: _state, bytes: _bytes, clones: _clones, ...snapshot } = content.snapshot;
    return { ...tags, ...content, snapshot };
  }
  const { state: _state, bytes: _bytes, problem: _problem, members, ...clone } = content.clone;
  const lastingMembers = members.map(({ state: _memberState, ...member }) => member);
  return { ...tags, ...content, clone: { ...clone, members: lastingMembers } };
}
