/** Drives an engine as the extension does: the typed client over its socket, with the end of jobs told by the events. */
import type { Client } from '../../engine/protocol/client.ts';
import type { Job } from '../../engine/protocol/entities.ts';

export interface JobFollower {
  /**
   * Makes a request and waits until its job has ended. `ms`: from the request to the event that tells the end;
   * `answerMs`: to the engine's answer. Rejects with the job's error when it did not succeed.
   */
  time(request: () => Promise<{ readonly job: Job }>): Promise<{ job: Job; ms: number; answerMs: number }>;
  close(): Promise<void>;
}

/** Listens from now on. */
export async function followJobs(client: Client): Promise<JobFollower> {
  const { epoch, seq } = await client.call('overview', {});
  const abort = new AbortController();
  const ended = new Map<string, { job: Job; at: number }>();
  const waiting = new Map<string, (end: { job: Job; at: number }) => void>();
  let broken: unknown;
  let onBroken: ((reason: unknown) => void) | undefined;
  const listening = (async () => {
    for await (const event of client.events({ epoch, seq }, abort.signal)) {
      if (event.kind !== 'job' || !['succeeded', 'failed', 'cancelled'].includes(event.entity.state))
        continue;
      const end = { job: event.entity, at: performance.now() };
      const tell = waiting.get(end.job.id);
      if (tell === undefined) ended.set(end.job.id, end);
      else tell(end);
    }
    throw new Error('The engine closed the event stream.');
  })().catch((error: unknown) => {
    broken = error;
    onBroken?.(error);
  });

  return {
    async time(request) {
      const started = performance.now();
      const { job } = await request();
      const answered = performance.now();
      const known = ended.get(job.id);
      ended.delete(job.id);
      const end =
        known ??
        (await new Promise<{ job: Job; at: number }>((resolve, reject) => {
          if (broken !== undefined) reject(asError(broken));
          waiting.set(job.id, resolve);
          onBroken = (reason) => reject(asError(reason));
        }));
      waiting.delete(job.id);
      onBroken = undefined;
      if (end.job.state !== 'succeeded') {
        const why = end.job.error;
        throw new Error(
          `${end.job.title} ${end.job.state}: ${why === null ? 'no reason' : `${why.message} ${why.next}`}`,
        );
      }
      return { job: end.job, ms: end.at - started, answerMs: answered - started };
    },
    async close() {
      abort.abort();
      await listening;
    },
  };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
