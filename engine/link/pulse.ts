/** Notices a peer that is gone without a word, by PING: a link that is cut in the middle says nothing by itself. */
import type { Http2Session } from 'node:http2';
import { performance } from 'node:perf_hooks';

export interface Pulse {
  /** Milliseconds of the latest PING that was answered; undefined before the first. */
  readonly roundTripMs: number | undefined;
  stop(): void;
}

export interface PulseOptions {
  session: Pick<Http2Session, 'ping'>;
  /** Milliseconds between two looks, each of which sends a PING unless one is under way. */
  everyMs: number;
  /** Milliseconds after which a PING without an answer tells that nobody is there. */
  patienceMs: number;
  onDead: () => void;
  /** Milliseconds that never jump; they may go on while the machine sleeps, or not. */
  monotonic?: () => number;
}

export function startPulse(options: PulseOptions): Pulse {
  const { session, everyMs, patienceMs, onDead, monotonic = () => performance.now() } = options;
  let roundTripMs: number | undefined;
  let waiting: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearInterval(timer);
    clearTimeout(waiting);
  };
  const wait = (): void => {
    const begunAt = monotonic();
    waiting = setTimeout(() => {
      // This machine slept, or this process was held up: the answer may be there, and was not read yet.
      if (monotonic() - begunAt > 1.5 * patienceMs) {
        wait();
        return;
      }
      stop();
      onDead();
    }, patienceMs);
    waiting.unref();
  };
  const look = (): void => {
    if (waiting !== undefined) return;
    const sentAt = monotonic();
    wait();
    // It is not sent while the session closes, which is told elsewhere.
    session.ping((error) => {
      if (error !== null) return;
      clearTimeout(waiting);
      waiting = undefined;
      roundTripMs = monotonic() - sentAt;
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
    stop,
  };
}
