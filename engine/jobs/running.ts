/** The jobs that have not ended, and the work on jobs that nobody may close storage and state under. */
import type { Log } from '../ports/log.ts';
import type { Job } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import type { JobId } from '../protocol/ids.ts';
import type { JobRecord } from '../state/store.ts';
import { jobEntity } from './journal.ts';
import type { Lanes } from './lanes.ts';

export interface RunningJob {
  readonly record: JobRecord;
  readonly controller: AbortController;
  /** Resolves also when its end could not be written. */
  readonly done: Promise<Job>;
}

export interface RunningJobs {
  get(id: JobId): RunningJob | undefined;
  /** In the order of their beginnings. */
  list(): RunningJob[];
  launch(record: JobRecord, controller: AbortController, work: () => Promise<void>): void;
  /** It has ended, as its journal says. */
  remove(id: JobId): void;
  /** It works no more, whatever its journal says: others may have its lanes. */
  forget(id: JobId): void;
  /** Resolves when all work is over, also what comes after the end of jobs. */
  settled(): Promise<void>;
}

export function createRunningJobs({ lanes, log }: { lanes: Lanes; log: Log }): RunningJobs {
  const running = new Map<JobId, RunningJob>();
  const underway = new Set<Promise<Job>>();

  const forget: RunningJobs['forget'] = (id) => {
    lanes.release(id);
    running.delete(id);
    lanes.advance();
  };

  return {
    get: (id) => running.get(id),
    list: () => [...running.values()],
    launch(record, controller, work) {
      const done = work().then(
        () => jobEntity(record),
        (error: unknown) => {
          // Only a failing state store ends here: the journal keeps the job, and the next start recovers it.
          forget(record.id);
          log.error('job runner failed', { job: record.id, problem: toFailure(error).message });
          return jobEntity(record);
        },
      );
      running.set(record.id, { record, controller, done });
      underway.add(done);
      void done.then(() => underway.delete(done));
    },
    remove(id) {
      running.delete(id);
    },
    forget,
    async settled() {
      await Promise.all(underway);
    },
  };
}
