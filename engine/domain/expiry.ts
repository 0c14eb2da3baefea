/** When protection ends, and when an idle clone has lived long enough. */
import { durationPattern, type Clone } from '../protocol/entities.ts';

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

export interface IdleClone {
  state: Clone['state'];
  protectedUntil: Clone['protectedUntil'];
  /** Epoch milliseconds of the last client connection, creation or reset. */
  usedAtMs: number;
}

/** Whether a clone may go because nobody used it for the environment's time-to-live. */
export function isExpired(
  clone: IdleClone,
  idleTtl: string | undefined,
  now: { ms: number; text: string },
): boolean {
  if (idleTtl === undefined) return false;
  if (clone.state !== 'ready' && clone.state !== 'stopped') return false;
  return !isProtected(clone, now.text) && now.ms - clone.usedAtMs > durationMs(idleTtl);
}
