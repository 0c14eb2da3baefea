/** Writes what becomes of jobs: journal and state in one transaction, and never more in memory than what then stands. */
import type { Job } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Feed } from './feed.ts';
import type { Log } from '../ports/log.ts';
import type { JobRecord, Store } from '../state/store.ts';
import type { StoreChange } from './steps.ts';

export interface JournalDependencies {
  store: Store;
  clock: Clock;
  feed: Feed;
  log: Log;
}

export interface Journal {
  /**
   * Journals the job as `fields` make it, together with a change of the state, and only then says so in the record. Throws
   * when neither stands: the record is as it was.
   */
  write(record: JobRecord, fields: Partial<JobRecord>, change?: StoreChange): void;
  /** Tells the feed. */
  publish(record: JobRecord): void;
  /** The same, unless it was told of this job a moment ago: for what changes all the time. */
  publishNowAndThen(record: JobRecord): void;
  /** `write`, then `publish`. */
  save(record: JobRecord, fields?: Partial<JobRecord>, change?: StoreChange): void;
}

/** Between two words about what changes all the time. */
const momentMs = 100;

/** What people see of a job. */
export function jobEntity(record: JobRecord): Job {
  const {
    lanes: _lanes,
    fingerprint: _fingerprint,
    idempotencyKey: _key,
    input: _input,
    data: _data,
    revision: _revision,
    begun: _begun,
    weights,
    committed,
    ...entity
  } = record;
  // The runner goes on changing its tasks; what was told must not change with them.
  const tasks = record.tasks.map((task) => ({ ...task }));
  const weightOf = (index: number): number => weights?.[index] ?? 1;
  const total = tasks.reduce((sum, _task, index) => sum + weightOf(index), 0);
  const done = tasks.reduce(
    (sum, { state, progress }, index) =>
      sum + weightOf(index) * (state === 'succeeded' ? 1 : (progress ?? 0)),
    0,
  );
  const share = total === 0 ? 0 : done / total;
  return {
    ...entity,
    tasks,
    progress: record.state === 'succeeded' ? 1 : Math.min(1, share),
    cancellable: record.endedAt === null && !committed,
  };
}

export function createJournal({ store, clock, feed, log }: JournalDependencies): Journal {
  const published = new WeakMap<JobRecord, number>();

  const publish: Journal['publish'] = (record) => {
    published.set(record, clock.monotonic());
    feed.publish({ kind: 'job', entity: jobEntity(record) });
  };

  /** What an error of a transaction does not say: whether it was carried out all the same. */
  const stands = ({ id, revision }: JobRecord): boolean => {
    try {
      return store.jobs.get(id)?.revision === revision;
    } catch {
      // best effort: a state that can't be read is told by the error of the write
      return false;
    }
  };

  const write: Journal['write'] = (record, fields, change) => {
    const next: JobRecord = { ...record, ...fields, revision: record.revision + 1 };
    try {
      store.transaction(() => {
        change?.();
        store.jobs.put(next);
      });
    } catch (error) {
      if (!stands(next)) throw error;
      log.warning('a write of the state was carried out although it failed', {
        job: record.id,
        problem: toFailure(error).message,
      });
      // What changed with it was told to nobody.
      feed.publish({ kind: 'resync' });
    }
    Object.assign(record, fields, { revision: next.revision });
  };

  return {
    publish,
    publishNowAndThen(record) {
      const last = published.get(record) ?? 0;
      if (clock.monotonic() - last >= momentMs) publish(record);
    },
    write,
    save(record, fields = {}, change) {
      write(record, fields, change);
      publish(record);
    },
  };
}
