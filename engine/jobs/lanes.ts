/** Who may work on which object: shared and exclusive lanes, held at once or waited for in the order of asking. */
import type { JobId } from '../protocol/ids.ts';
import type { Lane } from '../state/store.ts';

export interface Lanes {
  /** The first job that stands in the way of another one, or undefined. */
  conflict(lanes: readonly Lane[], except?: JobId): JobId | undefined;
  /** The same, where one that waits longer counts too: nobody is passed by those who come later. */
  ahead(lanes: readonly Lane[]): JobId | undefined;
  hold(job: JobId, lanes: readonly Lane[]): void;
  /** Resolves when the job holds its lanes; rejects when the signal aborts before. */
  wait(job: JobId, lanes: readonly Lane[], signal: AbortSignal): Promise<void>;
  /** Those who wait get them with the next `advance`. */
  release(job: JobId): void;
  /** Hands what is free to those whose turn it is. */
  advance(): void;
}

const clash = (one: readonly Lane[], other: readonly Lane[]): boolean =>
  one.some(({ key, mode }) =>
    other.some((each) => each.key === key && (mode === 'exclusive' || each.mode === 'exclusive')),
  );

export function createLanes(): Lanes {
  const held = new Map<JobId, readonly Lane[]>();
  /** In the order of asking. */
  const waiting = new Map<JobId, { lanes: readonly Lane[]; go: () => void }>();

  const conflict: Lanes['conflict'] = (lanes, except) => {
    for (const [job, others] of held) if (job !== except && clash(lanes, others)) return job;
    return undefined;
  };

  const advance = (): void => {
    const before: (readonly Lane[])[] = [];
    for (const [job, { lanes, go }] of waiting) {
      if (conflict(lanes) === undefined && !before.some((others) => clash(lanes, others))) {
        waiting.delete(job);
        held.set(job, lanes);
        go();
      } else before.push(lanes);
    }
  };

  return {
    conflict,
    advance,
    ahead(lanes) {
      const holder = conflict(lanes);
      if (holder !== undefined) return holder;
      for (const [job, other] of waiting) if (clash(lanes, other.lanes)) return job;
      return undefined;
    },
    hold(job, lanes) {
      held.set(job, lanes);
    },
    wait: (job, lanes, signal) =>
      new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(job);
          reject(signal.reason as Error);
          advance();
        };
        if (signal.aborted) {
          leave();
          return;
        }
        signal.addEventListener('abort', leave, { once: true });
        waiting.set(job, {
          lanes,
          go: () => {
            signal.removeEventListener('abort', leave);
            resolve();
          },
        });
      }),
    release(job) {
      held.delete(job);
    },
  };
}
