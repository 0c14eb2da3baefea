/** Reads what a host holds over an open link, then its events, for as long as it tells them. */
import type { LinkSession } from '../link/session.ts';
import { waitAtMost, type Clock } from '../ports/clock.ts';
import { fail } from '../protocol/errors.ts';
import type { EventBody } from '../protocol/events.ts';
import type { HostName } from '../protocol/ids.ts';
import type { ClockThere } from './clockThere.ts';
import { honestView, isForged, type HasElsewhere } from './forgery.ts';
import { createHostClient } from './hostClient.ts';
import type { Mirror } from './mirror.ts';
import { eventOf, viewOf } from './qualified.ts';
import { createRoom } from './room.ts';

/** Milliseconds between two readings of everything, of an engine whose events end at once; each time twice as long. */
const rereadMs = 300;
const longestRereadMs = 60_000;
/** Milliseconds of events without a reading of everything, after which there is no haste in it. */
const steadyMs = 60_000;
/** Milliseconds for an overview: one that pings but does not answer would be waited for without end. */
const overviewMs = 60_000;

export interface Followed {
  name: HostName;
  session: LinkSession;
  clock: Clock;
  clockThere: ClockThere;
  mirror: Mirror;
  hasElsewhere: HasElsewhere;
  signal: AbortSignal;
  /** Everything in the mirror may be different. */
  replaced: () => void;
  /** This is different in the mirror. */
  applied: (event: EventBody) => void;
}

/** Until the link breaks, or the signal aborts. Errors: `host_unreachable`, and what the host refuses. */
export async function followHost(followed: Followed): Promise<never> {
  const { name, session, clock, clockThere, mirror, hasElsewhere, signal, replaced, applied } = followed;
  const client = createHostClient({ host: name, clock: clockThere }, session, 'engine');
  for (let pauseMs = rereadMs; ; pauseMs = Math.min(2 * pauseMs, longestRereadMs)) {
    const startedAt = clock.monotonic();
    const overview = await inTime(name, clock, client.call('overview', {}, { signal }));
    const now = viewOf(name, overview);
    if (now === undefined) throw fail('host_unreachable', { host: name, problem: 'it tells of no host' });
    mirror.replace(honestView(now, hasElsewhere));
    const room = createRoom(name, () => mirror.view());
    room.take(now);
    replaced();
    for await (const { seq: _seq, ...told } of client.events(overview, signal)) {
      if (told.kind === 'resync') break;
      const event = eventOf(name, told);
      if (event === undefined || isForged(event, hasElsewhere)) continue;
      mirror.apply(event);
      room.take(event);
      applied(event);
    }
    if (clock.monotonic() - startedAt > steadyMs) pauseMs = rereadMs;
    await clock.sleep(pauseMs, signal);
  }
}

async function inTime<Value>(host: string, clock: Clock, answer: Promise<Value>): Promise<Value> {
  if (await waitAtMost(clock, overviewMs, answer)) return answer;
  const problem = `it does not tell what it holds in ${overviewMs / 1000} s`;
  throw fail('host_unreachable', { host, problem });
}
