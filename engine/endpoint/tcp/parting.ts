/** Parts a client of an endpoint from its server, or from the hope for one, and tells it why where its protocol can. */
import type { CloneTarget, Link } from './link.ts';
import { nothing, type Served } from './served.ts';

export const again = 'Try again in a moment.';

export function drop(served: Served): void {
  served.stage = 'ending';
  served.client.destroy();
}

export function unlink(served: Served): Link | undefined {
  const before = served.link;
  served.link = undefined;
  before?.destroy();
  return before;
}

/** No server and no seat any more. */
export function leave(served: Served): void {
  unlink(served);
  served.stage = 'ending';
  served.context.seats.leave(served.seat);
}

/** Nothing is taken from the client any more, but it is read to its end: closing over unread bytes would reset what is said. */
export function end(served: Served, bytes: Buffer | undefined): void {
  const { client } = served;
  leave(served);
  served.early = nothing;
  if (bytes === undefined) client.end();
  else client.end(bytes);
  client.resume();
  linger(served);
}

/** A client may be slow to take what its server had to say. */
export function endAfterAll(served: Served, bytes: Buffer | undefined): void {
  const { client } = served;
  leave(served);
  if (bytes === undefined) client.end();
  else client.end(bytes);
  client.resume();
  if (client.writableFinished) linger(served);
  else client.once('finish', () => linger(served));
}

function linger(served: Served): void {
  served.deadline.within(served.context.limits.lingerMs, () => drop(served));
}

/** Also what the operating system has not given to the client yet is lost. */
function cut(served: Served): void {
  leave(served);
  served.socket.resetAndDestroy();
  served.client.destroy();
}

/** From a server that it talks to. */
export function part(served: Served, notice: string): void {
  const { client, context } = served;
  const { wire } = context;
  const before = unlink(served);
  const stream = before?.stream;
  const key = stream?.key();
  if (before !== undefined && wire !== undefined && key !== undefined && stream?.idle() === false) {
    context.cancel(before.target.port, wire.cancel(key));
  }
  // What a slow client has not taken yet is not for it any more, as the rest of a message is not.
  if (wire !== undefined && stream?.whole() === true && client.writableLength === 0) {
    end(served, wire.parting(notice));
  } else {
    cut(served);
  }
}

/** Instead of a server's first answer. */
export function refuse(served: Served, reason: string, next: string): void {
  end(served, served.context.wire?.refusal(reason, next));
}

export function refuseUnanswered(served: Served, { name, far }: CloneTarget): void {
  const problem = far?.problem();
  if (problem !== undefined) {
    refuse(served, problem.reason, problem.next);
    return;
  }
  refuse(
    served,
    `The server of clone ${name} (${served.context.title}) does not answer.`,
    `Start it with "thin-clones clone start ${name}", or reset it.`,
  );
}

/** One that has not logged in, whatever its server has said to it so far. */
export function refuseStranger(served: Served, reason: string): void {
  if (served.stage === 'open' && served.link?.stream?.whole() === false) cut(served);
  else refuse(served, reason, again);
}
