/** The link to a host, and how it stands with it. */
import { isDeepStrictEqual } from 'node:util';
import type { LinkSession } from '../link/session.ts';
import type { HostLogLine } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';
import { createAttemptLog } from './attemptLog.ts';
import { keepConnected, openSessionOf } from './keepConnected.ts';
import { createPeople, type People } from './people.ts';
import { createQuestions, type Questions } from './questions.ts';
import {
  createAttempt,
  reaching,
  type ConnectionOptions,
  type Shared,
  type Standing,
  type Way,
} from './standing.ts';
import { createWayChecks, type WayChecks } from './wayChecks.ts';

export interface HostConnection extends People {
  /** Undefined while the host is connected to. */
  way(): Way | undefined;
  roundTripMs(): number | null;
  /** The open link; waits for an attempt that is made at once when there is none. Errors: those of the link. */
  session(signal?: AbortSignal): Promise<LinkSession>;
  readonly checks: WayChecks;
  /** What the login asks now. */
  readonly questions: Pick<Questions, 'current' | 'answer'>;
  log(): readonly HostLogLine[];
  /** Resolves when nothing is at work any more. */
  close(): Promise<void>;
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
    ...createPeople(shared),
    async close() {
      ending.abort();
      standing.connected?.close();
      await running;
    },
  };
}
