/** Leads a client of an endpoint to the server of the clone that the endpoint leads to, or has it wait for one. */
import { endDrained } from './drain.ts';
import { openLink, type CloneTarget } from './link.ts';
import { again, endAfterAll, refuse, refuseStranger, refuseUnanswered } from './parting.ts';
import type { Seat } from './seats.ts';
import { nothing, type Served } from './served.ts';

/** It has said what it wants: from now on it waits for a server's answer. */
export function askForServer(served: Served): void {
  served.deadline.within(served.context.limits.answerMs, () => giveUpWaiting(served));
  route(served);
}

export function route(served: Served): void {
  const { context } = served;
  const target = context.target();
  switch (target.kind) {
    case 'none':
      refuse(served, target.reason, target.next);
      return;
    case 'waiting':
      if (context.mayHold()) served.stage = 'held';
      else refuse(served, `Too many connections wait already. ${target.reason}`, again);
      return;
    case 'clone':
      served.stage = 'queued';
      if (context.wire === undefined) open(served, target);
      else context.seats.take(served.seat);
  }
}

export function seatOf(served: () => Served): Seat {
  return {
    admit() {
      const target = served().context.target();
      if (target.kind === 'clone') open(served(), target);
    },
    dismiss: () => refuseStranger(served(), 'Too many connections log in at the same time.'),
  };
}

function giveUpWaiting(served: Served): void {
  const target = served.context.target();
  if (served.stage === 'queued') served.seat.dismiss();
  else if (served.link !== undefined) refuseUnanswered(served, served.link.target);
  else if (target.kind === 'waiting') refuse(served, target.reason, again);
}

function open(served: Served, target: CloneTarget): void {
  const { client, context, security, seat, deadline } = served;
  const { early, firstBytes } = served;
  served.stage = 'opening';
  served.link = openLink({
    ...{ target, wire: context.wire, security, ownPort: context.port },
    first: early.subarray(0, firstBytes),
    onReached: () => context.seats.begin(seat),
    onOpen: () => begin(served),
    onData(chunk) {
      if (!served.loggedIn && served.link?.stream?.loggedIn() === true) {
        served.loggedIn = true;
        deadline.met();
        context.seats.leave(seat);
      }
      const hasRoom = client.write(chunk);
      endDrained(served);
      return hasRoom;
    },
    onDrain: () => client.resume(),
    onClosed() {
      served.link = undefined;
      if (served.stage === 'opening') refuseUnanswered(served, target);
      else endAfterAll(served, undefined);
    },
  });
}

/** Its server has answered. */
function begin(served: Served): void {
  const { client, context, deadline } = served;
  served.stage = 'open';
  if (served.loggedIn) deadline.met();
  else {
    deadline.within(context.limits.loginMs, () => refuseStranger(served, 'It did not log in in time.'));
  }
  const ahead = served.early.subarray(served.firstBytes);
  if (ahead.length > 0) {
    served.link?.stream?.asked(ahead);
    served.link?.write(ahead);
  }
  served.early = nothing;
  client.resume();
}
