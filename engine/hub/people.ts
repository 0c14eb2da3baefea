/** What people want of the way to a host, who may be there to answer what its login asks: to reach it, to have it examined, to log in beside the link. */
import type { LinkSession } from '../link/session.ts';
import type { OpenOptions } from '../link/link.ts';
import type { Clock } from '../ports/clock.ts';
import { createClient } from '../protocol/client.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import { openSessionOf } from './keepConnected.ts';
import type { Shared } from './standing.ts';
import type { WayChecks } from './wayChecks.ts';

/** Who asks for the host. */
export interface Person {
  /** Is there to answer what the login asks. */
  answers: boolean;
}

export interface People {
  /** As the connection's `session`, told step by step. Errors: `host_unanswered` too. */
  reach(signal: AbortSignal, person: Person): Promise<LinkSession>;
  /** Looks at everything on the way there, beside the link where one is open; what is found are the `checks`. Errors: `canceled`. */
  examine(signal: AbortSignal, person: Person): Promise<void>;
  /** Has another login made, which may outlive the link. Errors: those of the work; `host_unanswered`. */
  logIn<Result>(
    signal: AbortSignal,
    person: Person,
    work: (opening: OpenOptions) => Promise<Result>,
  ): Promise<Result>;
}

export const createPeople = (shared: Shared): People => ({
  reach: (wanted, person) => asPerson(shared, person, () => reach(shared, wanted, person)),
  examine: (wanted, person) => asPerson(shared, person, () => examine(shared, wanted, person)),
  logIn: (wanted, person, work) => asPerson(shared, person, () => logIn(shared, wanted, person, work)),
});

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

/** Beside the link, which goes on. */
async function logIn<Result>(
  { standing, questions }: Shared,
  wanted: AbortSignal,
  { answers }: Person,
  work: (opening: OpenOptions) => Promise<Result>,
): Promise<Result> {
  const ending = new AbortController();
  standing.beside = ending;
  const signal = AbortSignal.any([wanted, ending.signal]);
  try {
    return await work({ signal, ...(answers && { ask: questions.ask }) });
  } catch (error) {
    // Given up by who was asked.
    throw ending.signal.aborted && !wanted.aborted ? toFailure(ending.signal.reason) : error;
  } finally {
    standing.beside = undefined;
  }
}

async function examine(shared: Shared, wanted: AbortSignal, person: Person): Promise<void> {
  const { standing, checks, options, signal } = shared;
  try {
    await logIn(shared, AbortSignal.any([wanted, signal]), person, (opening) => lookAround(shared, opening));
    if (standing.connected !== undefined)
      await measure(standing.connected, { clock: options.clock, checks, signal: wanted });
  } catch (error) {
    if (wanted.aborted) throw error;
    checks.failed(toFailure(error));
  }
}

/** At all that is there. */
async function lookAround({ options: { link }, checks }: Shared, opening: OpenOptions): Promise<void> {
  checks.restart();
  const stream = await link.open({
    ...opening,
    onLoggedIn: () => checks.loggedIn(),
    onCheck: (check) => checks.add(check),
  });
  stream.close();
  await stream.ended;
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
