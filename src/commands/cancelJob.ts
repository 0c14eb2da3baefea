/** Cancels a running job; what it did is undone. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { jobMeant, pickJob } from '../dialogs/pickJob.ts';
import type { Services } from '../services.ts';
import { isUnfinished } from '../views/treeRows.ts';
import type { JobReference } from './commandIds.ts';

export async function cancelJob(services: Services, reference?: JobReference): Promise<void> {
  const client = await services.client();
  const job =
    jobMeant(services, reference) ??
    (await pickJob(services, {
      title: 'Cancel Job',
      placeHolder: 'Which job? What it did is undone.',
      accept: (candidate) => isUnfinished(candidate) && candidate.cancellable,
    }));
  if (job === undefined || !isUnfinished(job)) return;
  await client.call('jobCancel', { params: { job: referenceSchema.parse(job.id) } });
}
