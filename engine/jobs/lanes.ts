/** Who may work on which object: shared and exclusive lanes, decided without waiting. */
import type { JobId } from '../protocol/ids.ts';
import type { Lane } from '../state/store.ts';

export interface Lanes {
  /** The first job that stands in the way of another one, or undefined. */
  conflict(lanes: readonly Lane[], except?: JobId): JobId | undefined;
  hold(job: JobId, lanes: readonly Lane[]): void;
  release(job: JobId): void;
}

export function createLanes(): Lanes {
  const held = new Map<JobId, readonly Lane[]>();
  return {
    conflict(lanes, except) {
      for (const [job, others] of held) {
        if (job === except) continue;
        for (const other of others) {
          const clash = lanes.some(
            (lane) => lane.key === other.key && (lane.mode === 'exclusive' || other.mode === 'exclusive'),
          );
          if (clash) return job;
        }
      }
      return undefined;
    },
    hold(job, lanes) {
      held.set(job, lanes);
    },
    release(job) {
      held.delete(job);
    },
  };
}
