/** When protection ends, and when an idle clone has lived long enough. */
import { durationPattern, type Clone } from '../protocol/entities.ts';
import { countedBetween } from './countedTime.ts';

const minuteMs = 60_000;
const unitMs = { m: minuteMs, h: 60 * minuteMs, d: 24 * 60 * minuteMs } as const;

/** Milliseconds of `30m`, `24h`, `7d`. */
export function durationMs(text: string): number {
  const match = durationPattern.exec(text);
  const unit = match?.[2];
  if (match === null || (unit !== 'm' && unit !== 'h' && unit !== 'd'))
    throw new Error(`not a duration: ${text}`);
  return Number(match[1]) * unitMs[unit];
}

/** `now` in RFC 3339 UTC with milliseconds, so that texts compare like times. */
export function isProtected({ protectedUntil }: Pick<Clone, 'protectedUntil'>, now: string): boolean {
  return protectedUntil === 'forever' || (protectedUntil !== null && protectedUntil > now);
}

/** How long a clone was seen without use. */
export interface Idleness {
  /** What its last use was known by: a creation, start or reset, or a client connection. */
  usedAt: string;
  /** Of the last look, by the monotonic clock. */
  lookedMs: number;
  ms: number;
}

/** Looks at connections are half a minute apart: of a longer gap nobody knows whether it was used meanwhile. */
const longestIdleGapMs = 120_000;

/** Only what lies between two looks that both found it unused counts. */
export function idleness(
  before: Idleness | undefined,
  look: { usedAt: string; isUsed: boolean; lookedMs: number },
): Idleness {
  const { usedAt, isUsed, lookedMs } = look;
  if (isUsed || before?.usedAt !== usedAt) return { usedAt, lookedMs, ms: 0 };
  return { usedAt, lookedMs, ms: before.ms + countedBetween(before.lookedMs, lookedMs, longestIdleGapMs) };
}

export interface IdleClone {
  state: Clone['state'];
  protectedUntil: Clone['protectedUntil'];
  idleMs: number;
}

/** Whether a clone may go because nobody used it for the environment's time-to-live. */
export function isExpired(clone: IdleClone, idleTtl: string | undefined, now: string): boolean {
  if (idleTtl === undefined) return false;
  if (clone.state !== 'ready' && clone.state !== 'stopped') return false;
  return !isProtected(clone, now) && clone.idleMs > durationMs(idleTtl);
}
