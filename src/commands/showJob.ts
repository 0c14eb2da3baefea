/** Opens the page of a job: what it does, how far it is, its log. */
import { jobMeant, pickJob } from '../dialogs/pickJob.ts';
import type { Services } from '../services.ts';

export async function showJob(services: Services, argument: unknown): Promise<void> {
  await services.client();
  const job =
    jobMeant(services, argument) ??
    (await pickJob(services, { title: 'Show Job', placeHolder: 'Which job?' }));
  if (job !== undefined) await services.jobPages.show(job.id);
}
