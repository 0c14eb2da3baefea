/** What was changed in a clone since its snapshot, for people who are about to lose it. */
import type { CloneChanges } from '../../protocol/entities.ts';
import { toFailure } from '../../protocol/errors.ts';
import type { Reference } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { all, databaseOf, type ServiceContext } from '../context.ts';
import { startOptions } from './cloneServers.ts';
import type { CloneParts } from './parts.ts';

/** More than are kept. */
const jobsLookedThrough = 1000;
const unknown: CloneChanges = { counted: 'no', tables: [], schema: false };

export async function readCloneChanges(
  { context, servers }: Pick<CloneParts, 'context' | 'servers'>,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<CloneChanges> {
  const clone = context.catalog.clone(reference);
  const started = firstStart(context, clone);
  if (clone.state !== 'ready' || started === undefined) return unknown;
  const options = startOptions(context, clone);
  try {
    const found = await all(clone.members, async (member) => {
      const spec = await servers.spec(member, options);
      const changes = await databaseOf(context, member.engine).changes(spec, started, signal);
      const tables = changes.tables.map((table) => ({ member: member.name, ...table }));
      return { ...changes, tables };
    });
    if (found.some(({ counted }) => counted === 'no')) return unknown;
    return {
      counted: found.every(({ counted }) => counted === 'all') ? 'all' : 'some',
      tables: found.flatMap(({ tables }) => tables),
      schema: found.some(({ schema }) => schema),
    };
  } catch (error) {
    signal?.throwIfAborted();
    // best effort: a server that does not answer tells nothing, and its clone can be reset for that very reason
    context.log.warning('changes', { clone: clone.id, problem: toFailure(error).message });
    return unknown;
  }
}

/** The job that made the present copy ran from before its first start until after it. */
function firstStart(
  { store }: ServiceContext,
  clone: CloneRecord,
): { after: Date; before: Date } | undefined {
  const job = store.jobs
    .list(jobsLookedThrough)
    .find(
      ({ type, state, object }) =>
        object.id === clone.id &&
        state === 'succeeded' &&
        (type === 'clone.create' || type === 'clone.reset'),
    );
  if (job === undefined || job.startedAt === null || job.endedAt === null) return undefined;
  return { after: new Date(job.startedAt), before: new Date(job.endedAt) };
}
