/** Starts a job, shows its progress in the view, and waits for its end. */
import * as vscode from 'vscode';
import { randomUUID } from 'node:crypto';
import type { CallOptions, Client } from '../../engine/protocol/client.ts';
import type { Job } from '../../engine/protocol/entities.ts';
import type { EngineSession } from '../engine/session.ts';
import type { Services } from '../services.ts';
import { viewId } from '../views/treeProvider.ts';
import { isUnfinished } from '../views/treeRows.ts';
import { JobFailed } from './failures.ts';

/** Resolves with the job when it has ended, however it ended. A lost engine is waited for: the job goes on there. */
export function jobEnd(session: EngineSession, started: Job): Promise<Job> {
  return new Promise((resolve) => {
    const known = session.model.jobs.get(started.id) ?? started;
    if (!isUnfinished(known)) {
      resolve(known);
      return;
    }
    const subscription = session.model.onDidChangeJob((job) => {
      if (job.id !== started.id || isUnfinished(job)) return;
      subscription.dispose();
      resolve(job);
    });
  });
}

/**
 * Runs one request that answers with a job, with progress in the view. Rejects with the request's own error, or with
 * `JobFailed` when the job fails. A canceled job answers undefined: whoever canceled it knows.
 */
export async function runJob(
  services: Services,
  start: (client: Client, options: CallOptions) => Promise<{ job: Job }>,
): Promise<Job | undefined> {
  const client = await services.client();
  const job = await vscode.window.withProgress({ location: { viewId } }, async () => {
    const { job } = await start(client, { idempotencyKey: randomUUID() });
    services.log.info(`${job.title}: ${job.id}`);
    return await jobEnd(services.session, job);
  });
  switch (job.state) {
    case 'failed':
      throw new JobFailed(job);
    case 'cancelled':
      return undefined;
    case 'succeeded': {
      const ms =
        job.startedAt && job.endedAt ? Date.parse(job.endedAt) - Date.parse(job.startedAt) : undefined;
      services.log.info(`${job.title}: done${ms === undefined ? '' : ` in ${ms} ms`}`);
      return job;
    }
    case 'queued':
    case 'running':
      return job;
  }
}
