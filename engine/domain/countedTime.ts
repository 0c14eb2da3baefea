/** Which time counts for lives and protections: what passed while somebody looked, whatever the wall clock did meanwhile. */
import type { Clone } from '../protocol/entities.ts';

/** Wall and monotonic time in milliseconds, read at one moment. */
export interface Moment {
  wallMs: number;
  monotonicMs: number;
}

/**
 * Looks are a second apart. After a longer gap the machine slept or the engine was stopped: CLOCK_MONOTONIC of Linux
 * leaves that out by itself (clock_gettime(2)), the clocks of macOS and Windows do not.
 */
const longestGapMs = 60_000;
/** What a clock that is corrected slowly goes off between two looks, and the moment between two readings, with room. */
const toleranceMs = 2000;

/** What counts between two looks at these times of the monotonic clock. */
export const countedBetween = (beforeMs: number, nowMs: number, longestMs: number): number =>
  Math.min(Math.max(0, nowMs - beforeMs), longestMs);

/** How far the wall clock went beside the time that counts: set forward or back, or nobody looked. 0: not worth a word. */
export function jumpBetween(before: Moment, now: Moment): number {
  const counted = countedBetween(before.monotonicMs, now.monotonicMs, longestGapMs);
  return noteworthy(now.wallMs - before.wallMs - counted);
}

/** The same when no engine ran between the two times of the wall clock: none of it counts. */
export const gapBetween = (before: string, now: string): number =>
  noteworthy(Date.parse(now) - Date.parse(before));

const noteworthy = (ms: number): number => (Math.abs(ms) > toleranceMs ? ms : 0);

/** The times of a clone that something ends at. */
export interface Timed {
  protectedUntil: Clone['protectedUntil'];
  finished: { since: string } | null;
}

/** Whether any time counts for it. */
export const isTimed = ({ protectedUntil, finished }: Timed): boolean =>
  finished !== null || (protectedUntil !== null && protectedUntil !== 'forever');

/** The same clone after a jump: what was left of its protection is still left, and what counted of its grace period still counts. */
export function movedAlong<Of extends Timed>(clone: Of, jumpMs: number): Of {
  const moved = (time: string): string => new Date(Date.parse(time) + jumpMs).toISOString();
  const { protectedUntil, finished } = clone;
  return {
    ...clone,
    protectedUntil:
      protectedUntil === null || protectedUntil === 'forever' ? protectedUntil : moved(protectedUntil),
    finished: finished === null ? null : { ...finished, since: moved(finished.since) },
  };
}

/** The creation time of what must be the newest of its kind, also after the clock was set back. */
export function newestTime(now: string, others: readonly string[]): string {
  const newest = others.reduce((one, other) => (one > other ? one : other), '');
  return newest < now ? now : new Date(Date.parse(newest) + 1).toISOString();
}
