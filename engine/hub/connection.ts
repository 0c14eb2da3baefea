/** Keeps a link to a host open: tries again with growing pauses, at once when somebody asks, and says how it stands. */
import { isDeepStrictEqual } from 'node:util';
import { openSession, type LinkSession } from '../link/session.ts';
import type { Link } from '../link/link.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Host } from '../protocol/entities.ts';
import { fail, toFailure, type ThinClonesError } from '../protocol/errors.ts';

/** How it stands with the way to a host. */
export type Way = Pick<Host, 'state' | 'problem' | 'doing' | 'unreachableSince'>;

export interface HostConnection {
  /** Undefined while the host is connected to. */
  way(): Way | undefined;
  roundTripMs(): number | null;
  /** The open link; waits for an attempt that is made at once when there is none. Errors: those of the link. */
  session(signal?: AbortSignal): Promise<LinkSession>;
  /** Resolves when nothing is at work any more. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** What the host is called here. */
  host: string;
  link: Link;
  clock: Clock;
  log: Log;
  /** Works over an open link until that breaks; calls `ready` when the host may be asked by others too. */
  work: (session: LinkSession, ready: () => void, signal: AbortSignal) => Promise<void>;
  /** The way is another one. */
  onChange: () => void;
}

/** Milliseconds between attempts to reach a host that can't be: the last one again and again. */
const pausesMs = [500, 1000, 2000, 5000, 10_000, 30_000];
/** Milliseconds after which a link that breaks is a new trouble. */
const steadyMs = 60_000;

const reaching: Way = { state: 'connecting', problem: null, doing: null, unreachableSince: null };

/** An attempt that callers may wait for; the next one once it has failed. */
function createAttempt() {
  let current = Promise.withResolvers<LinkSession>();
  const anew = (): void => {
    current = Promise.withResolvers<LinkSession>();
    // best effort: nobody may be waiting; whoever does is told
    current.promise.catch(() => undefined);
  };
  anew();
  return {
    promise: () => current.promise,
    succeed: (session: LinkSession) => current.resolve(session),
    fail(error: unknown) {
      current.reject(error);
      anew();
    },
    anew,
  };
}

export function createConnection(options: ConnectionOptions): HostConnection {
  const { host, link, clock, log, work, onChange } = options;
  const ending = new AbortController();
  const { signal } = ending;
  const attempt = createAttempt();
  let connected: LinkSession | undefined;
  let way = reaching;
  let hurry = new AbortController();

  const say = (next: Partial<Way>): void => {
    const before = way;
    way = { ...way, ...next };
    if (!isDeepStrictEqual(before, way)) onChange();
  };

  /** Resolves when the link has ended, or could not be opened. */
  async function connectOnce(): Promise<{ failure: ThinClonesError; wasReady: boolean }> {
    let session: LinkSession | undefined;
    let wasReady = false;
    try {
      const opened = await openSession({ host, link, signal, onProgress: (doing) => say({ doing }) });
      session = opened;
      const ready = (): void => {
        wasReady = true;
        connected = opened;
        way = reaching;
        attempt.succeed(opened);
      };
      const broken = opened.ended.then((reason) => Promise.reject(reason));
      await Promise.race([work(opened, ready, signal), broken]);
      return { failure: fail('host_unreachable', { host, problem: 'it tells nothing any more' }), wasReady };
    } catch (error) {
      return { failure: toFailure(error), wasReady };
    } finally {
      connected = undefined;
      session?.close();
    }
  }

  async function run(): Promise<void> {
    for (let failures = 0; ; failures++) {
      const startedAt = clock.monotonic();
      hurry = new AbortController();
      const { failure, wasReady } = await connectOnce();
      // Who waits after a link broke waits for the next one.
      if (wasReady) attempt.anew();
      if (signal.aborted) attempt.fail(fail('shutting_down', {}));
      else if (!wasReady) attempt.fail(failure);
      if (signal.aborted) return;
      log.warning('host', { host, problem: failure.message });
      const unreachableSince = way.unreachableSince ?? clock.now().toISOString();
      say({ state: 'unreachable', problem: failure.message, doing: null, unreachableSince });
      if (clock.monotonic() - startedAt > steadyMs) failures = 0;
      const pauseMs = pausesMs[Math.min(failures, pausesMs.length - 1)];
      // Ended early by who asks for it now.
      await clock.sleep(pauseMs ?? 0, AbortSignal.any([signal, hurry.signal])).catch(() => undefined);
    }
  }
  // Not before who made it has it: what is said of the way is told to them.
  const running = Promise.resolve().then(run);

  return {
    way: () => (connected === undefined ? way : undefined),
    roundTripMs: () => connected?.roundTripMs ?? null,
    async session(wanted) {
      while (connected !== undefined) {
        if (connected.isOpen) return connected;
        // It broke just now: the next one is reached for in a moment.
        await clock.sleep(1, wanted);
      }
      const next = attempt.promise();
      hurry.abort();
      return wanted === undefined ? next : unlessAborted(next, wanted);
    },
    async close() {
      ending.abort();
      connected?.close();
      await running;
    },
  };
}

function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const onAbort = (): void => reject(fail('canceled', {}, { cause: signal.reason }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
