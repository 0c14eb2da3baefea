/** Which changes of a host are worth telling to everybody who shows it. */
import type { Host } from '../protocol/entities.ts';

/** As people read it: a hundredth more is no news. */
const ratioText = (ratio: number | null): string => (ratio === null ? '' : ratio.toFixed(1));

const smallestBytes = 1024 * 1024;

/** Free space is told when people would see the difference, or when little of it is left and that changed by a twentieth. */
export function isWorthTelling(told: Host, now: Host): boolean {
  const { storage: before, ...rest } = told;
  const { storage: after, ...others } = now;
  if (JSON.stringify(rest) !== JSON.stringify(others)) return true;
  if (before === null || after === null) return before !== after;
  const { freeBytes: freeBefore, compression: ratioBefore, ...place } = before;
  const { freeBytes: freeAfter, compression: ratioAfter, ...otherPlace } = after;
  if (JSON.stringify(place) !== JSON.stringify(otherPlace)) return true;
  if (ratioText(ratioBefore) !== ratioText(ratioAfter)) return true;
  const step = Math.min(after.totalBytes / 100, Math.max(freeBefore, freeAfter) / 20);
  return Math.abs(freeAfter - freeBefore) >= Math.max(smallestBytes, step);
}
