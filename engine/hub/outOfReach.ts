/** Says to people that a host is out of reach: why, since when, and what to do. */
import type { OutOfReach } from '../domain/leading.ts';
import type { Host } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';

/** Undefined: it is reached. */
export function outOfReach({ name, state, problem, next }: Host): OutOfReach | undefined {
  const needsPerson = state === 'needs-login';
  if (state === 'connecting')
    return {
      ...{ reason: `Host ${name} is being reached.`, next: 'Wait a moment.' },
      ...{ isBeingReached: true, needsPerson },
    };
  if (state !== 'unreachable' && !needsPerson) return undefined;
  return {
    reason: problem ?? `Host ${name} can't be reached.`,
    next: next ?? `It is tried again by itself: thin-clones host show ${name}`,
    ...{ isBeingReached: false, needsPerson },
  };
}

/** Why a connection to one of its clones came to nothing, for who reads it in a program of theirs. */
export function refusalBy(
  { name, unreachableSince }: Host,
  { message, document }: ThinClonesError,
): { reason: string; next: string } {
  if (unreachableSince === null) return { reason: message, next: document.next };
  const since = `${unreachableSince.slice(0, 19).replace('T', ' ')} UTC`;
  return {
    reason: `${sentence(message)} Host ${name} is out of reach since ${since}.`,
    next: `It is tried again by itself, and at once by: thin-clones host reconnect ${name}. ${document.next}`.trim(),
  };
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
