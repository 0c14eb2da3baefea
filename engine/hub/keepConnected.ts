/** Keeps the link to a host open: tries again with growing pauses, and at once when somebody asks. */
import { openSession, type LinkSession } from '../link/session.ts';
import { unlessAborted } from '../link/unlessAborted.ts';
import type { Host } from '../protocol/entities.ts';
import { fail, toFailure, type ErrorCode, type ThinClonesError } from '../protocol/errors.ts';
import { reaching, type Shared, type Trying } from './standing.ts';

/** Milliseconds between attempts to reach a host that can't be: the last one again and again. */
const pausesMs = [500, 1000, 2000, 5000, 10_000, 30_000];
/** Milliseconds between attempts where only a person can do something about it: hosts lock out who is refused often. */
const pauseForPersonMs = 300_000;
const personCodes: readonly ErrorCode[] = ['host_login', 'host_key_unknown', 'host_unanswered'];
const needsPerson: ReadonlySet<string> = new Set(personCodes);
/** Milliseconds after which a link that breaks is a new trouble, and is tried again at once: most are back by then. */
const steadyMs = 10_000;

/** Resolves when the connection is closed. */
export async function keepConnected(shared: Shared): Promise<void> {
  const { options, standing, attempt, attempts, checks, say, signal } = shared;
  const { host, clock, log } = options;
  for (let failures = 0; ;) {
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
    const { failure, readyAt } = await connectOnce(now, shared);
    const wasReady = readyAt !== undefined;
    standing.connected = undefined;
    standing.trying = undefined;
    // Who waits after a link broke waits for the next one.
    if (wasReady) attempt.anew();
    if (signal.aborted) attempt.fail(fail('shutting_down', {}));
    else if (!wasReady && !now.replaced) attempt.fail(failure);
    if (signal.aborted) return;
    if (now.replaced && !wasReady) continue;
    const stood = wasReady && clock.monotonic() - readyAt > steadyMs;
    log.warning('host', { host, problem: failure.message });
    attempts.add('warning', failure.message);
    if (now.examines && !wasReady) checks.failed(failure);
    say({
      ...{ state: stateAfter(failure), problem: failure.message, next: failure.document.next },
      ...{ doing: null, unreachableSince: standing.way.unreachableSince ?? clock.now().toISOString() },
    });
    if (stood) {
      failures = 0;
      continue;
    }
    // Ended early by who asks for it now.
    const pause = AbortSignal.any([signal, standing.hurry.signal]);
    await clock.sleep(pauseAfter(failure, failures), pause).catch(() => undefined);
    failures += 1;
  }
}

/** Resolves when the link has ended, or could not be opened. `readyAt`: when the host could be asked, if it ever could. */
async function connectOnce(
  now: Trying,
  { options, standing, attempt, attempts, questions, checks, say, signal }: Shared,
): Promise<{ failure: ThinClonesError; readyAt: number | undefined }> {
  const { host, link, work, clock } = options;
  let session: LinkSession | undefined;
  const reached: { readyAt: number | undefined } = { readyAt: undefined };
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
      if (reached.readyAt === undefined) attempts.add('info', 'Connected');
      reached.readyAt ??= clock.monotonic();
      standing.connected = opened;
      standing.way = reaching;
      attempt.succeed(opened);
    };
    const broken = opened.ended.then((reason) => Promise.reject(reason));
    await Promise.race([work(opened, ready, signal), broken]);
    const failure = fail('host_unreachable', { host, problem: 'it tells nothing any more' });
    return { failure, ...reached };
  } catch (error) {
    const given = now.ending.signal;
    const why: unknown = given.aborted && reached.readyAt === undefined ? given.reason : error;
    return { failure: toFailure(why), ...reached };
  } finally {
    session?.close();
  }
}

/** The open link, or that of the next attempt, which is made at once. Errors: those of the link. */
export async function openSessionOf(
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

const stateAfter = ({ code }: ThinClonesError): Host['state'] =>
  needsPerson.has(code) ? 'needs-login' : 'unreachable';

/** Milliseconds until the next attempt. */
const pauseAfter = (failure: ThinClonesError, failures: number): number =>
  stateAfter(failure) === 'needs-login' || failure.code === 'host_key_changed'
    ? pauseForPersonMs
    : (pausesMs[Math.min(failures, pausesMs.length - 1)] ?? 0);
