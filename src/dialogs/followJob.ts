/** Starts a job, shows its progress in the view, and waits for its end. */
import * as vscode from 'vscode';
import { randomUUID } from 'node:crypto';
import type { CallOptions, Client } from '../../engine/protocol/client.ts';
import type { Job } from '../../engine/protocol/entities.ts';
import { isFailure, toFailure } from '../../engine/protocol/errors.ts';
import type { EngineSession } from '../engine/session.ts';
import type { Services } from '../services.ts';
import { viewId } from '../views/treeProvider.ts';
import { isUnfinished } from '../views/treeRows.ts';
import { JobFailed } from './failures.ts';

/**
 * Resolves with the job when it has ended, however it ended. A lost engine is waited for: the job goes on there. Rejects
 * with `not_found` when the engine no longer knows the job, e.g. after its state was rebuilt.
 */
export function jobEnd(session: EngineSession, started: Job): Promise<Job> {
  const { model } = session;
  return new Promise((resolve, reject) => {
    const known = model.jobs.get(started.id) ?? started;
    if (!isUnfinished(known)) {
      resolve(known);
      return;
    }
    let asking = false;
    const look = (job: Job): void => {
      if (job.id !== started.id || isUnfinished(job)) return;
      end();
      resolve(job);
    };
    // An overview that was read anew may not hold the job: then nobody will tell of it.
    const askWhenUnknown = async (): Promise<void> => {
      if (asking || model.jobs.has(started.id) || session.state.kind !== 'connected') return;
      asking = true;
      try {
        const client = await session.connect();
        look(await client.call('jobShow', { params: { job: started.id } }));
      } catch (error) {
        if (isFailure(error, 'engine_unreachable')) return;
        end();
        reject(toFailure(error));
      } finally {
        asking = false;
      }
    };
    const subscriptions = [
      model.onDidChangeJob(look),
      model.onDidChange(() => {
        void askWhenUnknown();
      }),
    ];
    const end = (): void => {
      for (const subscription of subscriptions) subscription.dispose();
    };
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
        job.startedAt && job.endedAt
          ? Math.max(0, Date.parse(job.endedAt) - Date.parse(job.startedAt))
          : undefined;
      services.log.info(`${job.title}: done${ms === undefined ? '' : ` in ${ms} ms`}`);
      return job;
    }
    case 'queued':
    case 'running':
      return job;
  }
}
