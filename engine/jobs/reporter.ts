/** Lines and progress of a job, for one of its tasks or for the whole. Neither can make the job fail. */
import type { Reporter } from '../database/database.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { JobLine, Task } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import type { JobRecord, Store } from '../state/store.ts';
import type { Feed } from './feed.ts';
import type { Journal } from './journal.ts';

export interface ReporterDependencies {
  store: Store;
  clock: Clock;
  feed: Feed;
  log: Log;
  journal: Journal;
}

export type Reporters = (record: JobRecord, task: Task | undefined) => Reporter;

export function createReporters({ store, clock, feed, log, journal }: ReporterDependencies): Reporters {
  return (record, task) => {
    let line = store.jobs.lastLine(record.id);
    return {
      line(text, level = 'info') {
        const next = Math.max(line, store.jobs.lastLine(record.id)) + 1;
        const entity: JobLine = {
          ...{ job: record.id, line: next, at: clock.now().toISOString() },
          ...{ task: task?.name ?? null, level, text },
        };
        try {
          store.jobs.addLine(entity);
        } catch (error) {
          // best effort: history decides nothing, and the words are not lost
          log.warning('a line of a job could not be written', {
            ...{ job: record.id, line: text },
            problem: toFailure(error).message,
          });
          return;
        }
        line = next;
        feed.publish({ kind: 'jobLine', entity });
      },
      progress(fraction) {
        if (task === undefined || !Number.isFinite(fraction)) return;
        task.progress = Math.max(task.progress ?? 0, Math.min(1, Math.max(0, fraction)));
        journal.publishNowAndThen(record);
      },
      phase(name) {
        if (task === undefined || task.phase === name) return;
        task.phase = name;
        journal.publish(record);
      },
    };
  };
}
