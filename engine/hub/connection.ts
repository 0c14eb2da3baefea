/** Keeps a link to a host open: tries again with growing pauses, at once when somebody asks, and says how it stands. */
import { isDeepStrictEqual } from 'node:util';
import { openSession, type LinkSession } from '../link/session.ts';
import type { Ask, Link } from '../link/link.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Host, HostLogLine } from '../protocol/entities.ts';
import { fail, toFailure, type ErrorCode, type ThinClonesError } from '../protocol/errors.ts';
import { createAttemptLog, type AttemptLog } from './attemptLog.ts';
import { createQuestions, type Questions } from './questions.ts';

/** How it stands with the way to a host. */
export type Way = Pick<Host, 'state' | 'problem' | 'next' | 'doing' | 'unreachableSince'>;

export interface HostConnection {
  /** Undefined while the host is connected to. */
  way(): Way | undefined;
  roundTripMs(): number | null;
  /** The open link; waits for an attempt that is made at once when there is none. Errors: those of the link. */
  session(signal?: AbortSignal): Promise<LinkSession>;
  /** As `session`, for a person who answers what the login asks. Errors: `host_unanswered` too. */
  login(signal: AbortSignal): Promise<LinkSession>;
  /** What the login asks now. */
  readonly questions: Pick<Questions, 'current' | 'answer'>;
  log(): readonly HostLogLine[];
  /** Resolves when nothing is at work any more. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** What the host is called here. */
  host: string;
  link: Link;
  clock: Clock;
  random: Random;
  log: Log;
  /** Works over an open link until that breaks; calls `ready` when the host may be asked by others too. */
  work: (session: LinkSession, ready: () => void, signal: AbortSignal) => Promise<void>;
  /** The way is another one. */
  onChange: () => void;
}

/** Milliseconds between attempts to reach a host that can't be: the last one again and again. */
const pausesMs = [500, 1000, 2000, 5000, 10_000, 30_000];
/** Milliseconds between attempts where only a person can do something about it: hosts lock out who is refused often. */
const pauseForPersonMs = 300_000;
const personCodes: readonly ErrorCode[] = ['host_login', 'host_key_unknown', 'host_unanswered'];
const needsPerson: ReadonlySet<string> = new Set(personCodes);
/** Milliseconds after which a link that breaks is a new trouble. */
const steadyMs = 60_000;

const reaching: Way = {
  ...{ state: 'connecting', problem: null, next: null },
  ...{ doing: null, unreachableSince: null },
};

/** One attempt to open the link. */
interface Trying {
  /** Somebody is there to answer. */
  asks: boolean;
  loggedIn: boolean;
  /** Another attempt takes its place. */
  replaced: boolean;
  ending: AbortController;
}

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
  const { host, clock, random, log, onChange } = options;
  const ending = new AbortController();
  const { signal } = ending;
  const attempt = createAttempt();
  const attempts = createAttemptLog(clock);
  let connected: LinkSession | undefined;
  let way = reaching;
  let hurry = new AbortController();
  let trying: Trying | undefined;
  /** How many wait for a login that they answer for. */
  let people = 0;
  const questions = createQuestions({
    ...{ host, clock, random },
    isWanted: () => people > 0,
    onChange() {
      const asked = questions.current();
      if (asked !== null) attempts.add('info', `It asks: ${asked.text}`);
      onChange();
    },
    onGivenUp: (reason) => trying?.ending.abort(reason),
  });

  const say = (next: Partial<Way>): void => {
    const before = way;
    way = { ...way, ...next };
    if (!isDeepStrictEqual(before, way)) onChange();
  };

  async function run(): Promise<void> {
    for (let failures = 0; ; failures++) {
      const startedAt = clock.monotonic();
      hurry = new AbortController();
      const now: Trying = {
        ...{ asks: people > 0, loggedIn: false, replaced: false },
        ending: new AbortController(),
      };
      trying = now;
      if (now.asks) say({ state: 'connecting', problem: null, next: null });
      const { failure, wasReady } = await connectOnce(now, {
        ...{ options, signal, ask: questions.ask, say, attempts },
        onReady(session) {
          connected = session;
          way = reaching;
          attempt.succeed(session);
        },
      });
      connected = undefined;
      trying = undefined;
      // Who waits after a link broke waits for the next one.
      if (wasReady) attempt.anew();
      if (signal.aborted) attempt.fail(fail('shutting_down', {}));
      else if (!wasReady && !now.replaced) attempt.fail(failure);
      if (signal.aborted) return;
      if (now.replaced && !wasReady) continue;
      if (clock.monotonic() - startedAt > steadyMs) failures = 0;
      log.warning('host', { host, problem: failure.message });
      attempts.add('warning', failure.message);
      say({
        ...{ state: stateAfter(failure), problem: failure.message, next: failure.document.next },
        ...{ doing: null, unreachableSince: way.unreachableSince ?? clock.now().toISOString() },
      });
      const pauseMs = pauseAfter(failure, failures);
      // Ended early by who asks for it now.
      await clock.sleep(pauseMs, AbortSignal.any([signal, hurry.signal])).catch(() => undefined);
    }
  }
  // Not before who made it has it: what is said of the way is told to them.
  const running = Promise.resolve().then(run);

  async function session(wanted?: AbortSignal): Promise<LinkSession> {
    if (signal.aborted) throw fail('shutting_down', {});
    while (connected !== undefined) {
      if (connected.isOpen) return connected;
      // It broke just now: the next one is reached for in a moment.
      await clock.sleep(1, wanted);
    }
    const next = attempt.promise();
    hurry.abort();
    return wanted === undefined ? next : unlessAborted(next, wanted);
  }

  return {
    way: () => (connected === undefined ? way : undefined),
    roundTripMs: () => connected?.roundTripMs ?? null,
    session,
    questions,
    log: () => attempts.lines(),
    async login(wanted) {
      people += 1;
      try {
        // One that can't ask is not waited for, unless it has got past what is asked.
        if (trying?.asks === false && !trying.loggedIn) {
          trying.replaced = true;
          trying.ending.abort(fail('host_unanswered', { host }));
        }
        return await session(wanted);
      } finally {
        people -= 1;
        if (people === 0 && questions.current() !== null)
          trying?.ending.abort(fail('host_unanswered', { host }));
      }
    },
    async close() {
      ending.abort();
      connected?.close();
      await running;
    },
  };
}

interface Opening {
  options: ConnectionOptions;
  /** Aborts when the connection is closed. */
  signal: AbortSignal;
  ask: Ask;
  say: (next: Partial<Way>) => void;
  attempts: AttemptLog;
  onReady: (session: LinkSession) => void;
}

/** Resolves when the link has ended, or could not be opened. */
async function connectOnce(
  now: Trying,
  { options: { host, link, work }, signal, ask, say, attempts, onReady }: Opening,
): Promise<{ failure: ThinClonesError; wasReady: boolean }> {
  let session: LinkSession | undefined;
  const reached = { ready: false };
  try {
    const opened = await openSession({
      ...{ host, link, signal: AbortSignal.any([signal, now.ending.signal]) },
      ...(now.asks && { ask }),
      onProgress(doing) {
        attempts.add('info', doing);
        say({ doing });
      },
      onLoggedIn: () => (now.loggedIn = true),
    });
    session = opened;
    const ready = (): void => {
      if (!reached.ready) attempts.add('info', 'Connected');
      reached.ready = true;
      onReady(opened);
    };
    const broken = opened.ended.then((reason) => Promise.reject(reason));
    await Promise.race([work(opened, ready, signal), broken]);
    const failure = fail('host_unreachable', { host, problem: 'it tells nothing any more' });
    return { failure, wasReady: reached.ready };
  } catch (error) {
    const given = now.ending.signal;
    const why: unknown = given.aborted && !reached.ready ? given.reason : error;
    return { failure: toFailure(why), wasReady: reached.ready };
  } finally {
    session?.close();
  }
}

const stateAfter = ({ code }: ThinClonesError): Host['state'] =>
  needsPerson.has(code) ? 'needs-login' : 'unreachable';

/** Milliseconds until the next attempt. */
const pauseAfter = (failure: ThinClonesError, failures: number): number =>
  stateAfter(failure) === 'needs-login' || failure.code === 'host_key_changed'
    ? pauseForPersonMs
    : (pausesMs[Math.min(failures, pausesMs.length - 1)] ?? 0);

function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const onAbort = (): void => reject(fail('canceled', {}, { cause: signal.reason }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
