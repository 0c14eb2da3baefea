/** Submits one job at a time for a branch, whatever is looked at meanwhile, and remembers what failed. */
import type { Log } from '../../ports/log.ts';
import type { Job } from '../../protocol/entities.ts';
import { isFailure, ThinClonesError, toFailure } from '../../protocol/errors.ts';
import { jobIdSchema } from '../../protocol/ids.ts';
import type { HostClones } from './hostClones.ts';

export interface OnceByKey {
  /** Unless something is on its way for the key. What `submit` answers undefined is not wanted any more. */
  run(at: WhereJobsRun, key: string, head: string, submit: () => Promise<Job | undefined>): void;
  isAtWork(key: string): boolean;
  jobOf(key: string): Job['id'] | undefined;
  /** Resolves with the job once it is accepted; undefined when nothing is on its way or it was refused. */
  submitted(key: string): Promise<Job | undefined>;
  /** Counts while HEAD stands at what it stood at then. */
  failureOf(key: string, head: string): ThinClonesError | undefined;
  forgetFailures(): void;
  /** Resolves when every job is accepted or refused. */
  allSubmitted(): Promise<void>;
}

type WhereJobsRun = Pick<HostClones, 'ended'>;

/** The job that a request was refused for: what it is for is free when that has ended. */
export function holderIn(error: unknown): Job['id'] | undefined {
  return isFailure(error, 'busy') ? jobIdSchema.safeParse(error.document.details['job']).data : undefined;
}

export interface OnceByKeyOptions {
  log: Log;
  /** After it nothing counts as failed. */
  signal: AbortSignal;
  onChange: () => void;
}

interface Underway {
  job: Job | undefined;
  submitted: Promise<Job | undefined>;
}

export function createOnceByKey({ log, signal, onChange }: OnceByKeyOptions): OnceByKey {
  const underway = new Map<string, Underway>();
  const failures = new Map<string, { head: string; failure: ThinClonesError }>();

  return {
    run(at, key, head, submit) {
      if (underway.has(key)) return;
      const entry: Underway = { job: undefined, submitted: Promise.resolve(undefined) };
      underway.set(key, entry);
      const fails = (failure: ThinClonesError): void => {
        if (!signal.aborted) failures.set(key, { head, failure });
      };
      let holder: Job['id'] | undefined;
      entry.submitted = submit().then(
        (job) => {
          entry.job = job;
          if (job !== undefined) onChange();
          return job;
        },
        (error: unknown) => {
          const failure = toFailure(error);
          holder = holderIn(failure);
          // Another checkout makes the same one: the binding is there.
          if (failure.code !== 'binding_taken' && holder === undefined) fails(failure);
          return undefined;
        },
      );
      const done = entry.submitted.then(async (job) => {
        if (holder !== undefined) await at.ended(holder);
        if (job !== undefined) {
          const { state, error } = await at.ended(job.id);
          if (state !== 'succeeded' && error !== null) fails(new ThinClonesError(error, 500));
        }
        underway.delete(key);
        onChange();
      });
      done.catch((error: unknown) =>
        log.error('the clone of a branch', { key, problem: toFailure(error).message }),
      );
    },
    isAtWork: (key) => underway.has(key),
    jobOf: (key) => underway.get(key)?.job?.id,
    submitted: async (key) => underway.get(key)?.submitted,
    failureOf(key, head) {
      const found = failures.get(key);
      return found?.head === head ? found.failure : undefined;
    },
    forgetFailures: () => failures.clear(),
    async allSubmitted() {
      await Promise.all([...underway.values()].map(({ submitted }) => submitted));
    },
  };
}
