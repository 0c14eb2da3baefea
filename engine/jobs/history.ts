/** Forgets old jobs: history is for people to look at, and must not grow for as long as an engine runs. */
import type { Log } from '../ports/log.ts';
import { toFailure } from '../protocol/errors.ts';
import type { JobId } from '../protocol/ids.ts';
import type { Store } from '../state/store.ts';
import type { Feed } from './feed.ts';

export interface History {
  noteEnd(job: JobId): void;
  prune(): void;
}

const keptJobs = 500;
/** Those that ended last stay, however long ago they began: somebody may be about to ask how they ended. */
const sparedJobs = 50;

export function createHistory({ store, feed, log }: { store: Store; feed: Feed; log: Log }): History {
  const lately: JobId[] = [];
  return {
    noteEnd(job) {
      lately.push(job);
      lately.splice(0, lately.length - sparedJobs);
    },
    prune() {
      try {
        const removed = store.transaction(() => store.jobs.prune(keptJobs, lately));
        for (const id of removed) feed.publish({ kind: 'job.removed', id });
      } catch (error) {
        // best effort: the next job that ends tries again
        log.warning('old jobs could not be forgotten', { problem: toFailure(error).message });
      }
    },
  };
}
