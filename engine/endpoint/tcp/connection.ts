/** One client of an endpoint: from its first bytes over its way to a clone's server until it is parted from it. */
import type { Socket } from 'node:net';
import { partingOf } from '../../domain/draining.ts';
import { leadsToSame, type EndpointTarget } from '../endpoint.ts';
import type { Wire, WireSecurity } from '../wire.ts';
import type { Limits } from './limits.ts';
import { openLink, type CloneTarget, type Link } from './link.ts';
import type { Seat, Seats } from './seats.ts';
import type { Security } from './security.ts';

export interface ConnectionContext {
  /** Undefined for an engine whose protocol is not known: bytes are passed on, and nothing can be said. */
  wire: Wire | undefined;
  limits: Limits;
  title: string;
  /** The endpoint's own port. */
  port: number;
  target(): EndpointTarget;
  /** Whether one more may wait for a clone. */
  mayHold(): boolean;
  /** Connections that the server has not logged in yet. */
  seats: Seats;
  /** undefined: nobody goes over to TLS here. */
  security(): Security | undefined;
  /** A client goes over to TLS: it is served through this socket from now on. */
  secured(client: Socket, through: Socket, security: Security): void;
  /** Passes a client's cancel request on to the server of the session with this key, and ends the client. */
  passCancel(key: string, client: Socket): void;
  /** Cancels what a server runs for a session that was parted from its client. */
  cancel(port: number, request: Buffer): void;
}

/**
 * `greeting`: has not said what it wants; `held`: waits for a clone; `queued`: waits until fewer are on their way to be logged in;
 * `opening`: waits for the clone's server; `ending`: its server is gone, or it was told why it has none.
 */
export type Stage = 'greeting' | 'held' | 'queued' | 'opening' | 'open' | 'ending';

export interface Connection {
  stage(): Stage;
  /** The server that it talks to, and what names its session there. */
  session(): { port: number; key: string | undefined } | undefined;
  /** The endpoint leads elsewhere: see Endpoint.lead. */
  switched(target: EndpointTarget, notice: string, drainMs: number): void;
  /** Is told why, whatever it does, and ended. */
  dismiss(reason: string): void;
  destroy(): void;
}

const nothing = Buffer.alloc(0);
const again = 'Try again in a moment.';

export interface Client {
  /** Comes from a server with `allowHalfOpen`, unread. */
  socket: Socket;
  /** What is read and written: the socket itself, or TLS over it. */
  through: Socket;
  /** Of a client that has gone over to TLS. */
  security: Security | undefined;
}

export function serveClient(
  { socket, through: client, security }: Client,
  context: ConnectionContext,
): Connection {
  const { wire, limits } = context;
  const maxEarly = wire?.maxGreeting ?? 0;
  let stage: Stage = 'greeting';
  /** What the client has sent that no server has answered yet. */
  let early: Buffer = nothing;
  /** Its beginning that asks for a server: given to one server after the other until one answers, and the rest to that one. */
  let firstBytes = 0;
  let questionBytes = 0;
  let link: Link | undefined;
  /** The server has let it in, or nothing is known of when it does. */
  let loggedIn = wire === undefined;
  /** The endpoint leads elsewhere, and this is told when the transaction is over that it may finish first. */
  let drains: string | undefined;
  let timer: NodeJS.Timeout | undefined;

  const within = (ms: number, otherwise: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(otherwise, ms);
  };
  const drop = (): void => {
    stage = 'ending';
    client.destroy();
  };

  const unlink = (): Link | undefined => {
    const before = link;
    link = undefined;
    before?.destroy();
    return before;
  };
  /** Nothing is taken from the client any more, but it is read to its end: closing over unread bytes would reset what is said. */
  const end = (bytes: Buffer | undefined): void => {
    unlink();
    stage = 'ending';
    context.seats.leave(seat);
    early = nothing;
    if (bytes === undefined) client.end();
    else client.end(bytes);
    client.resume();
    within(limits.lingerMs, drop);
  };
  const refuse = (reason: string, next: string): void => end(wire?.refusal(reason, next));
  const refuseUnanswered = ({ name }: CloneTarget): void =>
    refuse(
      `The server of clone ${name} (${context.title}) does not answer.`,
      `Start it with "thin-clones clone start ${name}", or reset it.`,
    );

  const greet = (): void => {
    for (;;) {
      const greeting = wire?.greet(early) ?? { kind: 'start', length: 0 };
      switch (greeting.kind) {
        case 'more':
          return;
        case 'question':
          early = early.subarray(greeting.length);
          questionBytes += greeting.length;
          if (questionBytes > maxEarly) {
            drop();
            return;
          }
          client.write(greeting.answer);
          break;
        case 'secure': {
          const others = context.security();
          early = early.subarray(greeting.length);
          // What follows the question was not said under TLS, and must not pass for that.
          if (
            security !== undefined ||
            (others !== undefined && greeting.agree !== undefined && early.length > 0)
          ) {
            drop();
            return;
          }
          if (wire !== undefined && others !== undefined) {
            secure(greeting.agree, wire.security, others);
            return;
          }
          questionBytes += greeting.length;
          if (greeting.decline === undefined || questionBytes > maxEarly) {
            drop();
            return;
          }
          client.write(greeting.decline);
          break;
        }
        case 'cancel':
          stage = 'ending';
          clearTimeout(timer);
          context.passCancel(greeting.key, client);
          return;
        case 'unsupported':
          end(greeting.answer);
          return;
        case 'garbage':
          drop();
          return;
        case 'start':
          firstBytes = greeting.length;
          within(limits.answerMs, giveUpWaiting);
          route();
          return;
      }
    }
  };

  /** This connection goes on as another one, which reads and writes through TLS. */
  const secure = (agree: Buffer | undefined, security: WireSecurity, others: Security): void => {
    clearTimeout(timer);
    for (const [event, listener] of Object.entries(listeners)) client.off(event, listener);
    client.pause();
    // Whoever closes it meanwhile is heard through TLS.
    client.on('error', () => undefined);
    if (agree !== undefined) client.write(agree);
    context.secured(client, others.withClient(client, early, security, agree === undefined), others);
  };

  const seat: Seat = {
    admit() {
      const target = context.target();
      if (target.kind === 'clone') open(target);
    },
    dismiss: () => refuseStranger('Too many connections log in at the same time.'),
  };
  const refuseStranger = (reason: string): void => {
    if (stage === 'open' && link?.stream?.whole() === false) cut();
    else refuse(reason, again);
  };

  const giveUpWaiting = (): void => {
    const target = context.target();
    if (stage === 'queued') seat.dismiss();
    else if (link !== undefined) refuseUnanswered(link.target);
    else if (target.kind === 'waiting') refuse(target.reason, again);
  };

  const route = (): void => {
    const target = context.target();
    switch (target.kind) {
      case 'none':
        refuse(target.reason, target.next);
        return;
      case 'waiting':
        if (context.mayHold()) stage = 'held';
        else refuse(`Too many connections wait already. ${target.reason}`, again);
        return;
      case 'clone':
        stage = 'queued';
        if (wire === undefined) open(target);
        else context.seats.take(seat);
    }
  };

  const open = (target: CloneTarget): void => {
    stage = 'opening';
    link = openLink({
      ...{ target, wire, security, ownPort: context.port },
      first: early.subarray(0, firstBytes),
      onReached: () => context.seats.begin(seat),
      onOpen() {
        stage = 'open';
        if (loggedIn) clearTimeout(timer);
        else within(limits.loginMs, () => refuseStranger('It did not log in in time.'));
        if (early.length > firstBytes) link?.write(early.subarray(firstBytes));
        early = nothing;
        client.resume();
      },
      onData(chunk) {
        if (!loggedIn && link?.stream?.loggedIn() === true) {
          loggedIn = true;
          clearTimeout(timer);
          context.seats.leave(seat);
        }
        const hasRoom = client.write(chunk);
        if (drains !== undefined) endDrained(drains);
        return hasRoom;
      },
      onDrain: () => client.resume(),
      onClosed() {
        link = undefined;
        if (stage === 'opening') {
          refuseUnanswered(target);
          return;
        }
        endAfterAll(undefined);
      },
    });
  };

  /** A client may be slow to take what the server had to say. */
  const endAfterAll = (bytes: Buffer | undefined): void => {
    stage = 'ending';
    context.seats.leave(seat);
    if (bytes === undefined) client.end();
    else client.end(bytes);
    client.resume();
    if (client.writableFinished) within(limits.lingerMs, drop);
    else client.once('finish', () => within(limits.lingerMs, drop));
  };

  const drain = (notice: string, ms: number): void => {
    drains = notice;
    within(ms, () => part(notice));
  };
  const stay = (): void => {
    if (drains === undefined) return;
    drains = undefined;
    clearTimeout(timer);
  };
  /** As soon as its transaction is over. Its time counts on until it has taken all that it was told. */
  const endDrained = (notice: string): void => {
    const stream = link?.stream;
    if (stream?.inTransaction() !== false || !stream.whole()) return;
    unlink();
    endAfterAll(wire?.parting(notice));
  };

  const onData = (chunk: Buffer): void => {
    switch (stage) {
      case 'greeting':
        early = early.length === 0 ? chunk : Buffer.concat([early, chunk]);
        greet();
        return;
      case 'held':
      case 'queued':
      case 'opening':
        early = Buffer.concat([early, chunk]);
        if (early.length > maxEarly) client.pause();
        return;
      case 'open':
        link?.stream?.asked();
        if (link?.write(chunk) === false) client.pause();
        return;
      case 'ending':
        return;
    }
  };
  const listeners = {
    data: onData,
    drain: () => link?.resume(),
    end() {
      if (stage === 'open') link?.end();
      else if (stage !== 'ending') drop();
    },
    close() {
      clearTimeout(timer);
      stage = 'ending';
      context.seats.leave(seat);
      unlink();
    },
    error: () => undefined, // best effort: `close` follows, and nobody is left to be told
  };
  for (const [event, listener] of Object.entries(listeners)) client.on(event, listener);

  within(limits.greetingMs, drop);
  // Where nothing is known of the protocol, the server may be the one who speaks first.
  if (wire === undefined) greet();

  const part = (notice: string): void => {
    const before = unlink();
    const stream = before?.stream;
    const key = stream?.key();
    if (before !== undefined && wire !== undefined && key !== undefined && stream?.idle() === false) {
      context.cancel(before.target.port, wire.cancel(key));
    }
    // What a slow client has not taken yet is not for it any more, as the rest of a message is not.
    if (wire !== undefined && stream?.whole() === true && client.writableLength === 0) {
      end(wire.parting(notice));
    } else {
      cut();
    }
  };
  /** Also what the operating system has not given to the client yet is lost. */
  const cut = (): void => {
    unlink();
    stage = 'ending';
    context.seats.leave(seat);
    socket.resetAndDestroy();
    client.destroy();
  };

  return {
    stage: () => stage,
    session: () =>
      stage === 'open' && link !== undefined
        ? { port: link.target.port, key: link.stream?.key() }
        : undefined,
    switched(target, notice, drainMs) {
      if (link !== undefined && leadsToSame(link.target, target)) {
        stay();
        return;
      }
      switch (stage) {
        case 'greeting':
          return;
        case 'held':
          if (target.kind !== 'waiting') route();
          return;
        case 'queued':
          context.seats.leave(seat);
          route();
          return;
        case 'opening':
          unlink();
          context.seats.leave(seat);
          // What it has asked ahead was asked of the clone before.
          if (early.length > firstBytes) end(wire?.parting(notice));
          else route();
          return;
        case 'open': {
          const inTransaction = link?.stream?.inTransaction() === true;
          const parting = partingOf({ drains: drains !== undefined, inTransaction }, drainMs);
          if (parting === 'ends') part(notice);
          else if (parting === 'drains') drain(notice, drainMs);
          return;
        }
        case 'ending':
          return;
      }
    },
    dismiss(reason) {
      if (stage === 'greeting') drop();
      else if (stage === 'open') part(reason);
      else if (stage !== 'ending') refuse(reason, again);
    },
    destroy: drop,
  };
}
