/** What becomes of open transactions when ports are led away from a clone: `endpoint:` in thin-clones.yaml. */
import type { Clone } from '../protocol/entities.ts';
import type { CloneId } from '../protocol/ids.ts';
import { defaultDrainSeconds, type EndpointSettings } from '../protocol/workspace.ts';

/** How long transactions with the clone that is left may go on, ms; 0: they end at once. `next`: where the ports lead now. */
export function drainMs(
  settings: EndpointSettings | undefined,
  left: Pick<Clone, 'id' | 'state'> | undefined,
  next: CloneId | null,
): number {
  if (settings?.onSwitch !== 'drain' || left === undefined || left.id === next) return 0;
  // The servers of any other end now: whoever resets, stops or destroys a clone waits for nobody.
  if (left.state !== 'ready' && left.state !== 'committing') return 0;
  return Number.parseInt(settings.drainFor ?? `${defaultDrainSeconds}s`, 10) * 1000;
}

/**
 * Of a connection whose clone is no longer the one that its port leads to. `ends` now; `drains`: when its transaction has ended, or when its
 * time is over; `goesOn` draining, and gets no more time for that.
 */
export type Parting = 'ends' | 'drains' | 'goesOn';

export function partingOf(
  { drains, inTransaction }: { drains: boolean; inTransaction: boolean },
  ms: number,
): Parting {
  if (drains) return 'goesOn';
  return inTransaction && ms > 0 ? 'drains' : 'ends';
}
