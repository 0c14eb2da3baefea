/** How it stands with the link to a host, shared by what keeps it open and by the people who ask for it. */
import type { LinkSession } from '../link/session.ts';
import type { Link } from '../link/link.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Host } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';
import type { AttemptLog } from './attemptLog.ts';
import type { Questions } from './questions.ts';
import type { WayChecks } from './wayChecks.ts';

/** How it stands with the way to a host. */
export type Way = Pick<Host, 'state' | 'problem' | 'next' | 'doing' | 'unreachableSince'>;

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

export const reaching: Way = {
  ...{ state: 'connecting', problem: null, next: null },
  ...{ doing: null, unreachableSince: null },
};

/** One attempt to open the link. */
export interface Trying {
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
export interface Attempt {
  promise(): Promise<LinkSession>;
  succeed(session: LinkSession): void;
  fail(error: unknown): void;
  anew(): void;
}

export function createAttempt(): Attempt {
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
export interface Standing {
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

export interface Shared {
  options: ConnectionOptions;
  standing: Standing;
  attempt: Attempt;
  attempts: AttemptLog;
  questions: Questions;
  checks: WayChecks;
  say: (next: Partial<Way>) => void;
  endLogin: (reason: ThinClonesError) => void;
  /** Aborts when the connection is closed. */
  signal: AbortSignal;
}
