/** Opens the page of a job: what it does, how far it is, its log. */
import { jobMeant, pickJob } from '../dialogs/pickJob.ts';
import type { Services } from '../services.ts';
import type { JobReference } from './commandIds.ts';

export async function showJob(services: Services, reference?: JobReference): Promise<void> {
  await services.client();
  const job =
    jobMeant(services, reference) ??
    (await pickJob(services, { title: 'Show Job', placeHolder: 'Which job?' }));
  if (job !== undefined) await services.jobPages.show(job.id);
}
