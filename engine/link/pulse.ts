/** Notices a peer that is gone without a word, by PING: a link that is cut in the middle says nothing by itself. */
import type { Http2Session } from 'node:http2';
import { performance } from 'node:perf_hooks';

export interface Pulse {
  /** Milliseconds of the latest PING that was answered; undefined before the first. */
  readonly roundTripMs: number | undefined;
  stop(): void;
}

export interface PulseOptions {
  session: Http2Session;
  /** Milliseconds between two looks, each of which sends a PING unless one is under way. */
  everyMs: number;
  /** Milliseconds after which a PING without an answer tells, at the next look, that nobody is there. */
  patienceMs: number;
  onDead: () => void;
}

export function startPulse({ session, everyMs, patienceMs, onDead }: PulseOptions): Pulse {
  let roundTripMs: number | undefined;
  let sentAt: number | undefined;
  const look = (): void => {
    const now = performance.now();
    if (sentAt !== undefined) {
      if (now - sentAt < patienceMs) return;
      clearInterval(timer);
      onDead();
      return;
    }
    sentAt = now;
    // It is not sent while the session closes, which is told elsewhere.
    session.ping((error) => {
      if (error !== null) return;
      sentAt = undefined;
      roundTripMs = performance.now() - now;
    });
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  // Answered before whatever is asked next: who asks knows from the beginning how far away the host is.
  look();
  return {
    get roundTripMs() {
      return roundTripMs;
    },
    stop: () => clearInterval(timer),
  };
}
