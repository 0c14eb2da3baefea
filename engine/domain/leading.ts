/** Where the ports of a checkout lead, and what people are told of it: follows from the clone that belongs to its branch. */
import type { Checkout, Clone } from '../protocol/entities.ts';

/** What a checkout says of the database that it leads to. */
export type Situation = Pick<Checkout, 'state' | 'key' | 'clone' | 'job' | 'reason' | 'next' | 'question'>;

export type LeadsTo =
  { kind: 'clone' } | { kind: 'waiting'; reason: string } | { kind: 'none'; reason: string; next: string };

export interface Lead {
  readonly situation: Situation;
  readonly to: LeadsTo;
}

const nothing = { key: null, clone: null, job: null, question: null } as const;

const makeAnother = 'Make another one: thin-clones use';

/** Why nobody reaches the engine that has a clone, and so what works there. */
export interface OutOfReach {
  reason: string;
  next: string;
  /** It was not given up yet: what needs it may wait for a moment. */
  isBeingReached: boolean;
  /** Only a person can do something about it: nobody else is to try. */
  needsPerson: boolean;
}

export const notLookedAt: Situation = {
  ...nothing,
  state: 'none',
  reason: 'It was not looked at yet.',
  next: null,
};

export const leadNowhere = (
  state: Situation['state'],
  reason: string,
  next: string,
  rest: Partial<Situation> = {},
): Lead => ({
  situation: { ...nothing, ...rest, state, reason, next },
  to: { kind: 'none', reason, next },
});

/** Connections wait until the clone is there. */
export const leadLater = (
  key: string,
  reason: string,
  clone: Situation['clone'],
  job: Situation['job'],
): Lead => ({
  situation: { state: 'switching', key, clone, job, reason, next: null, question: null },
  to: { kind: 'waiting', reason },
});

/**
 * To what is on a host that nobody reaches. A server that answered there when it was last heard of is led to all the same: whoever
 * connects has the host reached for, and is told when that fails.
 */
export function leadOutOfReach(
  { reason, next, isBeingReached, needsPerson }: OutOfReach,
  { key, clone }: { key: string; clone: Pick<Clone, 'id' | 'state'> | null },
): Lead {
  const id = clone?.id ?? null;
  if (isBeingReached) return leadLater(key, reason, id, null);
  const { situation, to } = leadNowhere('none', reason, next, { key, clone: id });
  return { situation, to: clone?.state === 'ready' && !needsPerson ? { kind: 'clone' } : to };
}

/** To a clone, in whichever state it is. */
export function leadTo(
  {
    id,
    name,
    state,
    problem,
    stoppedBy,
  }: Pick<Clone, 'id' | 'state' | 'problem' | 'stoppedBy'> & { name: string },
  about: {
    key: string;
    job: Situation['job'];
    /** Why it could not be started, when that was tried. */
    failure: { reason: string; next: string } | undefined;
    /** Of one that a person stopped: it is being started all the same. */
    isWanted?: boolean;
  },
): Lead {
  const { key, job, failure, isWanted = false } = about;
  const start = `Start it: thin-clones clone start ${name}`;
  switch (state) {
    case 'ready':
      return {
        situation: { state: 'ready', key, clone: id, job: null, reason: null, next: null, question: null },
        to: { kind: 'clone' },
      };
    case 'committing':
      return leadLater(key, `Clone ${name} is being committed.`, id, job);
    case 'creating':
      return leadLater(key, `The clone of ${key} is being made.`, id, job);
    case 'resetting':
      return leadLater(key, `Clone ${name} is being reset.`, id, job);
    case 'stopping':
      return leadNowhere('none', `Clone ${name} is being stopped.`, start, { key, clone: id, job });
    case 'stopped':
      if (stoppedBy !== null && !isWanted && failure === undefined)
        return leadNowhere('none', `Clone ${name} was stopped by ${stoppedBy}.`, start, { key, clone: id });
      return failure === undefined
        ? leadLater(key, `Clone ${name} is being started.`, id, job)
        : leadNowhere('failed', failure.reason, failure.next, { key, clone: id });
    case 'destroying':
      return leadNowhere('none', `Clone ${name} is being destroyed.`, makeAnother, { key });
    case 'failed':
      return leadNowhere(
        'failed',
        problem ?? `Clone ${name} failed.`,
        `Reset it: thin-clones clone reset ${name}`,
        { key, clone: id },
      );
  }
}
