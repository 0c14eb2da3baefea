/** What the parts of the runner work with. */
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../state/store.ts';
import type { History } from './history.ts';
import type { Journal } from './journal.ts';
import type { Lanes } from './lanes.ts';
import type { Reporters } from './reporter.ts';
import type { RunningJobs } from './running.ts';

/** Called around every effect, so that tests can end the engine there. Does nothing in normal use. */
export type Failpoint = (name: string) => void;

export interface JobParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly failpoint: Failpoint;
  /** Finds better words for an error of a step. */
  readonly explain: (error: unknown) => unknown;
  /** Throws when there is no room for the journal of a new job. */
  readonly demandRoom: () => void;
  readonly lanes: Lanes;
  readonly journal: Journal;
  readonly reporters: Reporters;
  readonly history: History;
  readonly running: RunningJobs;
  /** Aborts when the engine ends. */
  readonly closing: AbortSignal;
}

/** As rows of jobs say it. */
export const timeOf = (clock: Pick<Clock, 'now'>): string => clock.now().toISOString();
