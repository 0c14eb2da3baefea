/** Lets a client of an endpoint finish its open transaction with a server that the endpoint leads away from. */
import { partingOf } from '../../domain/draining.ts';
import { endAfterAll, part } from './parting.ts';
import type { Served } from './served.ts';

/** The endpoint leads elsewhere: it is parted from its server at once, or when its transaction or the time for that is over. */
export function partOrDrain(served: Served, notice: string, drainMs: number): void {
  const inTransaction = served.link?.stream?.inTransaction() === true;
  const parting = partingOf({ drains: served.drains !== undefined, inTransaction }, drainMs);
  if (parting === 'ends') part(served, notice);
  else if (parting === 'drains') {
    served.drains = notice;
    served.deadline.within(drainMs, () => part(served, notice));
  }
}

/** The endpoint leads to its server again. */
export function stay(served: Served): void {
  if (served.drains === undefined) return;
  served.drains = undefined;
  served.deadline.met();
}

/** As soon as its transaction is over. Its time counts on until it has taken all that it was told. */
export function endDrained(served: Served): void {
  const { drains, link, context } = served;
  const stream = link?.stream;
  if (drains === undefined || stream?.inTransaction() !== false || !stream.whole()) return;
  endAfterAll(served, context.wire?.parting(drains));
}
