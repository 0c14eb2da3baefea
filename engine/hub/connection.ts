/** Keeps a link to a host open: tries again with growing pauses, at once when somebody asks, and says how it stands. */
import { isDeepStrictEqual } from 'node:util';
import { openSession, type LinkSession } from '../link/session.ts';
import type { Ask, Link } from '../link/link.ts';
import { unlessAborted } from '../link/unlessAborted.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { createClient } from '../protocol/client.ts';
import type { Host, HostLogLine } from '../protocol/entities.ts';
import { fail, toFailure, type ErrorCode, type ThinClonesError } from '../protocol/errors.ts';
import { createAttemptLog, type AttemptLog } from './attemptLog.ts';
import { createQuestions, type Questions } from './questions.ts';
import { createWayChecks, type WayChecks } from './wayChecks.ts';

/** How it stands with the way to a host. */
export type Way = Pick<Host, 'state' | 'problem' | 'next' | 'doing' | 'unreachableSince'>;

export interface HostConnection {
  /** Undefined while the host is connected to. */
  way(): Way | undefined;
  roundTripMs(): number | null;
  /** The open link; waits for an attempt that is made at once when there is none. Errors: those of the link. */
  session(signal?: AbortSignal): Promise<LinkSession>;
  /** As `session`, for a person. Errors: `host_unanswered` too. */
  reach(signal: AbortSignal, person: Person): Promise<LinkSession>;
  /** Looks at everything on the way there, beside the link where one is open; what is found are the `checks`. Errors: `canceled`. */
  examine(signal: AbortSignal, person: Person): Promise<void>;
  readonly checks: WayChecks;
  /** What the login asks now. */
  readonly questions: Pick<Questions, 'current' | 'answer'>;
  log(): readonly HostLogLine[];
  /** Resolves when nothing is at work any more. */
  close(): Promise<void>;
}

/** Who asks for the host. */
export interface Person {
  /** Is there to answer what the login asks. */
  answers: boolean;
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
  /** A person asked for it, and wants to know what is found. */
  examines: boolean;
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

/** How it stands, for all that works on it. */
interface Standing {
  connected: LinkSession | undefined;
  way: Way;
  trying: Trying | undefined;
  /** Ends the pause between two attempts. */
  hurry: AbortController;
  /** Who waits for the host, and how many of them answer what its login asks. */
  people: number;
  answering: number;
  /** A login beside the link. */
  beside: AbortController | undefined;
}

interface Shared {
  options: ConnectionOptions;
  standing: Standing;
  attempt: ReturnType<typeof createAttempt>;
  attempts: AttemptLog;
  questions: Questions;
  checks: WayChecks;
  say: (next: Partial<Way>) => void;
  endLogin: (reason: ThinClonesError) => void;
  /** Aborts when the connection is closed. */
  signal: AbortSignal;
}

export function createConnection(options: ConnectionOptions): HostConnection {
  const { host, clock, random, onChange } = options;
  const ending = new AbortController();
  const standing: Standing = {
    ...{ connected: undefined, way: reaching, trying: undefined, hurry: new AbortController() },
    ...{ people: 0, answering: 0, beside: undefined },
  };
  const attempts = createAttemptLog(clock);
  const checks = createWayChecks(options.link.address, onChange);
  const endLogin = (reason: ThinClonesError): void => {
    standing.trying?.ending.abort(reason);
    standing.beside?.abort(reason);
  };
  const questions = createQuestions({
    ...{ host, clock, random },
    isWanted: () => standing.answering > 0,
    onChange() {
      const asked = questions.current();
      if (asked !== null) {
        checks.reached();
        attempts.add('info', `It asks: ${asked.text}`);
      }
      onChange();
    },
    onGivenUp: endLogin,
  });
  const shared: Shared = {
    ...{ options, standing, attempts, questions, checks, endLogin },
    attempt: createAttempt(),
    signal: ending.signal,
    say(next) {
      const before = standing.way;
      standing.way = { ...before, ...next };
      if (!isDeepStrictEqual(before, standing.way)) onChange();
    },
  };
  // Not before who made it has it, and has said who asks for it: what is said of the way is told to them.
  const running = new Promise((resolve) => setImmediate(resolve)).then(() => keepConnected(shared));

  return {
    way: () => (standing.connected === undefined ? standing.way : undefined),
    roundTripMs: () => standing.connected?.roundTripMs ?? null,
    session: (wanted) => openSessionOf(shared, wanted),
    ...{ questions, checks },
    log: () => attempts.lines(),
    reach: (wanted, person) => asPerson(shared, person, () => reach(shared, wanted, person)),
    examine: (wanted, person) => asPerson(shared, person, () => examine(shared, wanted, person)),
    async close() {
      ending.abort();
      standing.connected?.close();
      await running;
    },
  };
}

/** Resolves when the connection is closed. */
async function keepConnected(shared: Shared): Promise<void> {
  const { options, standing, attempt, attempts, checks, say, signal } = shared;
  const { host, clock, log } = options;
  for (let failures = 0; ; failures++) {
    const startedAt = clock.monotonic();
    standing.hurry = new AbortController();
    const now: Trying = {
      ...{ examines: standing.people > 0, asks: standing.answering > 0 },
      ...{ loggedIn: false, replaced: false },
      ending: new AbortController(),
    };
    standing.trying = now;
    if (now.examines) {
      checks.restart();
      say({ state: 'connecting', problem: null, next: null });
    }
    const { failure, wasReady } = await connectOnce(now, shared);
    standing.connected = undefined;
    standing.trying = undefined;
    // Who waits after a link broke waits for the next one.
    if (wasReady) attempt.anew();
    if (signal.aborted) attempt.fail(fail('shutting_down', {}));
    else if (!wasReady && !now.replaced) attempt.fail(failure);
    if (signal.aborted) return;
    if (now.replaced && !wasReady) continue;
    if (clock.monotonic() - startedAt > steadyMs) failures = 0;
    log.warning('host', { host, problem: failure.message });
    attempts.add('warning', failure.message);
    if (now.examines && !wasReady) checks.failed(failure);
    say({
      ...{ state: stateAfter(failure), problem: failure.message, next: failure.document.next },
      ...{ doing: null, unreachableSince: standing.way.unreachableSince ?? clock.now().toISOString() },
    });
    // Ended early by who asks for it now.
    const pause = AbortSignal.any([signal, standing.hurry.signal]);
    await clock.sleep(pauseAfter(failure, failures), pause).catch(() => undefined);
  }
}

async function openSessionOf(
  { options: { clock }, standing, attempt, signal }: Shared,
  wanted: AbortSignal | undefined,
): Promise<LinkSession> {
  if (signal.aborted) throw fail('shutting_down', {});
  while (standing.connected !== undefined) {
    if (standing.connected.isOpen) return standing.connected;
    // It broke just now: the next one is reached for in a moment.
    await clock.sleep(1, wanted);
  }
  const next = (): Promise<LinkSession> => {
    const made = attempt.promise();
    standing.hurry.abort();
    return wanted === undefined ? made : unlessAborted(made, wanted);
  };
  const { trying, people } = standing;
  // A person wants to know what is met now, and has had another one begun.
  if (trying === undefined || trying.replaced || people > 0) return next();
  try {
    return await next();
  } catch (error) {
    // It began before anybody asked: what it met may be over.
    const { code } = toFailure(error);
    if (code === 'shutting_down' || code === 'canceled' || needsPerson.has(code)) throw error;
    return next();
  }
}

async function asPerson<Result>(
  { options: { host }, standing, questions, endLogin }: Shared,
  { answers }: Person,
  work: () => Promise<Result>,
): Promise<Result> {
  standing.people += 1;
  if (answers) standing.answering += 1;
  try {
    return await work();
  } finally {
    standing.people -= 1;
    if (answers) standing.answering -= 1;
    if (standing.answering === 0 && questions.current() !== null) endLogin(fail('host_unanswered', { host }));
  }
}

async function reach(shared: Shared, wanted: AbortSignal, { answers }: Person): Promise<LinkSession> {
  const { standing, checks, options } = shared;
  const { trying } = standing;
  // One that can't ask is not waited for, unless it has got past what is asked.
  if (trying?.loggedIn === false && (!trying.examines || (answers && !trying.asks))) {
    trying.replaced = true;
    trying.ending.abort();
  }
  const found = await openSessionOf(shared, wanted);
  await measure(found, { clock: options.clock, checks, signal: wanted });
  return found;
}

async function examine(shared: Shared, wanted: AbortSignal, { answers }: Person): Promise<void> {
  const { standing, checks, options, questions, signal } = shared;
  const ending = new AbortController();
  standing.beside = ending;
  try {
    const opening = AbortSignal.any([wanted, signal, ending.signal]);
    await lookBeside(options.link, {
      ...{ signal: opening, checks },
      ask: answers ? questions.ask : undefined,
    });
    if (standing.connected !== undefined)
      await measure(standing.connected, { clock: options.clock, checks, signal: wanted });
  } catch (error) {
    if (wanted.aborted) throw error;
    checks.failed(toFailure(ending.signal.aborted ? ending.signal.reason : error));
  } finally {
    standing.beside = undefined;
  }
}

/** Resolves when the link has ended, or could not be opened. */
async function connectOnce(
  now: Trying,
  { options, standing, attempt, attempts, questions, checks, say, signal }: Shared,
): Promise<{ failure: ThinClonesError; wasReady: boolean }> {
  const { host, link, work } = options;
  let session: LinkSession | undefined;
  const reached = { ready: false };
  try {
    const opened = await openSession({
      ...{ host, link, signal: AbortSignal.any([signal, now.ending.signal]) },
      ...(now.asks && { ask: questions.ask }),
      onProgress(doing) {
        attempts.add('info', doing);
        say({ doing });
      },
      ...(now.examines && { onCheck: (check) => checks.add(check) }),
      onLoggedIn() {
        now.loggedIn = true;
        if (now.examines) checks.loggedIn();
      },
    });
    session = opened;
    const ready = (): void => {
      if (!reached.ready) attempts.add('info', 'Connected');
      reached.ready = true;
      standing.connected = opened;
      standing.way = reaching;
      attempt.succeed(opened);
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

/** How long the engine there takes to answer the smallest request. Errors: `canceled`. */
async function measure(
  session: LinkSession,
  { clock, checks, signal }: { clock: Clock; checks: WayChecks; signal: AbortSignal },
): Promise<void> {
  const client = createClient({ transport: session, user: 'engine' });
  const sentAt = clock.monotonic();
  await client.call('engineInfo', {}, { signal });
  checks.connected(clock.monotonic() - sentAt);
}

/** Logs in once more, to look at what is there; the link that is open goes on. */
async function lookBeside(
  link: Link,
  { signal, checks, ask }: { signal: AbortSignal; checks: WayChecks; ask: Ask | undefined },
): Promise<void> {
  checks.restart();
  const stream = await link.open({
    signal,
    ...(ask !== undefined && { ask }),
    onLoggedIn: () => checks.loggedIn(),
    onCheck: (check) => checks.add(check),
  });
  stream.close();
  await stream.ended;
}

const stateAfter = ({ code }: ThinClonesError): Host['state'] =>
  needsPerson.has(code) ? 'needs-login' : 'unreachable';

/** Milliseconds until the next attempt. */
const pauseAfter = (failure: ThinClonesError, failures: number): number =>
  stateAfter(failure) === 'needs-login' || failure.code === 'host_key_changed'
    ? pauseForPersonMs
    : (pausesMs[Math.min(failures, pausesMs.length - 1)] ?? 0);
