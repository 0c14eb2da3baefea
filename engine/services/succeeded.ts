/** Waits for a job as for a call: its end is given, and the error that it ended with is thrown. */
import type { Job } from '../protocol/entities.ts';
import { ThinClonesError } from '../protocol/errors.ts';

export async function succeeded<End extends Pick<Job, 'state' | 'error'>>(
  runner: { ended: (id: Job['id']) => Promise<End> },
  { id }: Pick<Job, 'id'>,
): Promise<End> {
  const job = await runner.ended(id);
  if (job.state !== 'succeeded' && job.error !== null) throw new ThinClonesError(job.error, 500);
  return job;
}
