/** Tells what of an environment's refreshes people should see: the one that runs, and the last one when it failed. */
import type { Environment, Job } from '../../engine/protocol/entities.ts';
import { rowId } from './rowId.ts';

const isRefresh = ({ type }: Job): boolean => type === 'environment.refresh';

/** The rows that show a job. A refresh is of its environment first: the snapshot that it makes is not there yet. */
export function rowsOfJob(job: Job): readonly string[] {
  const own = rowId({ kind: job.object.kind, key: job.object.id });
  return isRefresh(job) && job.environment !== null
    ? [rowId({ kind: 'environment', key: job.environment }), own]
    : [own];
}

/** By environment: its newest refresh that was not canceled, where that one failed. */
export function failedRefreshes(
  jobs: Iterable<Job>,
  environments: ReadonlyMap<string, Environment>,
): ReadonlyMap<string, Job> {
  const newest = new Map<string, Job>();
  for (const job of jobs) {
    if (!isRefresh(job) || job.environment === null) continue;
    if (job.state !== 'failed' && job.state !== 'succeeded') continue;
    const known = newest.get(job.environment);
    if (known === undefined || known.createdAt < job.createdAt) newest.set(job.environment, job);
  }
  return new Map(
    [...newest].filter(([name, { state, createdAt }]) => {
      // One of this name that was deleted meanwhile was another one.
      const since = environments.get(name)?.createdAt;
      return state === 'failed' && since !== undefined && since <= createdAt;
    }),
  );
}

/** "restoring": what the job does now, where it says so. */
export const phaseOf = (job: Job): string | undefined =>
  job.tasks.find(({ state }) => state === 'running')?.phase;

/** "refresh failed: the connection was refused" */
export const failureText = (job: Job): string => `refresh failed: ${job.error?.message ?? 'see its log'}`;
