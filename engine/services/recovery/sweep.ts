/** Removes data that was never finished or was given up, with the processes that work on it. */
import { endMarked } from '../../machine/endProcesses.ts';
import type { DatabaseEngine } from '../../protocol/entities.ts';
import type { DatasetId, JobId } from '../../protocol/ids.ts';
import type { Dataset } from '../../storage/storage.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import { looksAtOnce, type RecoveryParts } from './parts.ts';
import { stillAtWork } from './stillAtWork.ts';

/** What was never finished; one that could not be removed stays among the datasets. */
export async function sweepUnfinished(
  { context, looks, bestEffort }: RecoveryParts,
  datasets: Map<DatasetId, Dataset>,
  unfinished: readonly DatasetId[],
): Promise<void> {
  const found = unfinished.map((id) => datasets.get(id)).filter((each) => each !== undefined);
  await looks.at(found, looksAtOnce, (dataset) =>
    bestEffort('an unfinished dataset could not be removed', { dataset: dataset.id }, async () => {
      await sweep(context, dataset);
      datasets.delete(dataset.id);
    }),
  );
}

/**
 * Data in use that is tagged as doomed, or a snapshot that was being deleted and whose data is partly gone: somebody
 * gave it up, and the job that removed it failed. It is never offered again, so the rest goes too.
 */
export async function finishGivenUp(
  { context, looks, bestEffort }: RecoveryParts,
  datasets: Map<DatasetId, Dataset>,
): Promise<void> {
  const { store } = context;
  const busy = stillAtWork(context);
  const isDoomed = ({ dataset }: { dataset: DatasetId }): boolean =>
    datasets.get(dataset)?.tags.state === 'doomed';
  const remove = async (members: readonly { dataset: DatasetId }[]): Promise<void> => {
    for (const { dataset } of members) {
      const found = datasets.get(dataset);
      if (found !== undefined) await sweep(context, found);
      datasets.delete(dataset);
    }
  };
  const clones = store.clones.list().filter(({ id, members }) => !busy.on(id) && members.some(isDoomed));
  await looks.at(clones, looksAtOnce, ({ id, members }) =>
    bestEffort('a clone that was given up could not be removed', { clone: id }, async () => {
      await remove(members);
      store.clones.remove(id);
    }),
  );
  const snapshots = store.snapshots.list().filter(({ id, state, members }) => {
    if (busy.on(id)) return false;
    const isPartlyGone = state === 'deleting' && members.some(({ dataset }) => !datasets.has(dataset));
    return isPartlyGone || members.some(isDoomed);
  });
  await looks.at(snapshots, looksAtOnce, ({ id, members }) =>
    bestEffort('a snapshot that was given up could not be removed', { snapshot: id }, async () => {
      await remove(members);
      store.snapshots.remove(id);
    }),
  );
}

const over = (context: ServiceContext, jobs: readonly { id: JobId }[]): readonly { id: JobId }[] => {
  const busy = stillAtWork(context);
  return jobs.filter(({ id }) => !busy.job(id));
};

/** What an undo that failed, or a job that this version does not understand, left running. */
export const endProcessesOf = (
  { context, looks, bestEffort }: RecoveryParts,
  jobs: readonly { id: JobId }[],
): Promise<void> =>
  looks.at(over(context, jobs), looksAtOnce, ({ id }) =>
    bestEffort('the processes of a job could not be ended', { job: id }, () =>
      endMarked(context.machine.processes, [id]),
    ),
  );

async function sweep(context: ServiceContext, { id, path, tags }: Dataset): Promise<void> {
  const engine = engineOf(tags);
  if (engine === undefined) await endMarked(context.machine.processes, [tags.job ?? id, id]);
  else await databaseOf(context, engine).abandon(tags.job ?? id, path, id);
  await context.storage.destroy(id);
}

/** Each dataset is of one member, whose engine is its own. A snapshot that is being filled does not tell its members yet. */
const engineOf = ({ member, content, environment }: Dataset['tags']): DatabaseEngine | undefined => {
  const { members } = content.kind === 'clone' ? content.clone : content.snapshot;
  return (
    members.find(({ name }) => name === member)?.engine ?? environment.definition.members[member]?.engine
  );
};
