/** What the routes of jobs do. */
import { fail } from '../../protocol/errors.ts';
import { jobIdSchema, type JobId } from '../../protocol/ids.ts';
import type { HandlersOf } from '../server.ts';
import type { EngineAccess } from './access.ts';

export function jobHandlers({ running, trusted }: EngineAccess): HandlersOf<'job'> {
  return {
    jobList: async ({ query }) => ({ items: (await running()).context.runner.list(query.limit ?? 100) }),
    jobShow: async ({ params }) => {
      const job = (await running()).context.runner.get(jobId(params.job));
      if (job === undefined) throw fail('not_found', { kind: 'job', name: params.job });
      return job;
    },
    jobLines: async ({ params, query }) => {
      const { runner } = (await running()).context;
      const id = jobId(params.job);
      if (runner.get(id) === undefined) throw fail('not_found', { kind: 'job', name: params.job });
      return { items: runner.lines(id, query.after ?? 0) };
    },
    jobCancel: async ({ params }) => (await trusted()).context.runner.cancel(jobId(params.job)),
  };
}

function jobId(reference: string): JobId {
  const id = jobIdSchema.safeParse(reference);
  if (!id.success) throw fail('not_found', { kind: 'job', name: reference });
  return id.data;
}
