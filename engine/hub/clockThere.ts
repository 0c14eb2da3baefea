/** The clock of another host, which may be another time: what its engine tells is told here by the time of this machine. */
import type { Clock } from '../ports/clock.ts';
import type { Transport } from '../protocol/client.ts';
import { timeHeader } from '../protocol/wire.ts';

export interface ClockThere {
  /** The same transport, whose answers tell what time it is there. */
  heardThrough(transport: Transport): Transport;
  /** The same document with its times as they are here. */
  here<Value>(value: Value): Value;
}

/** Fields of entities that are a time; what is valid by a certificate is so by everybody's clock. */
export const timeFields: ReadonlySet<string> = new Set([
  ...['createdAt', 'startedAt', 'endedAt', 'dataStateAt', 'resetAt', 'switchedAt', 'destroyAt'],
  ...['protectedUntil', 'unreachableSince', 'since', 'until', 'at'],
]);

export function createClockThere({ now }: Pick<Clock, 'now'>): ClockThere {
  let aheadMs = 0;
  /** It is ahead by something between these. */
  let bounds = { least: -Infinity, most: Infinity };

  /** The answer was written there after it was asked for, and before it came: two clocks of one time are never told apart. */
  const heard = (askedAt: number, there: number, cameAt: number): void => {
    const [least, most] = [there - cameAt, there - askedAt];
    const both = { least: Math.max(bounds.least, least), most: Math.min(bounds.most, most) };
    // One of the two clocks was set.
    bounds = both.least > both.most ? { least, most } : both;
    if (aheadMs < bounds.least || aheadMs > bounds.most)
      aheadMs = Math.round((bounds.least + bounds.most) / 2);
  };

  return {
    heardThrough: (transport) => ({
      stream: (request) => transport.stream(request),
      async request(request) {
        const askedAt = now().getTime();
        const answer = await transport.request(request);
        const there = Number(answer.header(timeHeader));
        const cameAt = now().getTime();
        // Set back meanwhile, the clock here says nothing.
        if (Number.isFinite(there) && there > 0 && cameAt >= askedAt) heard(askedAt, there, cameAt);
        return answer;
      },
    }),
    here: (value) => (aheadMs === 0 ? value : (moved(value, aheadMs) as typeof value)),
  };
}

function moved(value: unknown, aheadMs: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => moved(each, aheadMs));
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      timeFields.has(key) && typeof each === 'string' ? timeHere(each, aheadMs) : moved(each, aheadMs),
    ]),
  );
}

/** What is no time stays: a protection may be "forever". */
function timeHere(text: string, aheadMs: number): string {
  const here = new Date(Date.parse(text) - aheadMs);
  return Number.isNaN(here.getTime()) ? text : here.toISOString();
}
