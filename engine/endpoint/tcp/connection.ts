/** One client of an endpoint: from its first bytes over its way to a clone's server until it is parted from it. */
import type { Socket } from 'node:net';
import { leadsToSame, type EndpointTarget } from '../endpoint.ts';
import { partOrDrain, stay } from './drain.ts';
import { greet } from './greet.ts';
import { again, drop, end, leave, part, refuse, unlink } from './parting.ts';
import { route, seatOf } from './route.ts';
import type { Security } from './security.ts';
import {
  createDeadline,
  maxEarly,
  nothing,
  type ConnectionContext,
  type Served,
  type Stage,
} from './served.ts';

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
  const served: Served = {
    ...{ context, socket, client, security },
    seat: seatOf(() => served),
    deadline: createDeadline(),
    release() {
      for (const [event, listener] of Object.entries(listeners)) client.off(event, listener);
    },
    ...{ stage: 'greeting', early: nothing, firstBytes: 0, questionBytes: 0 },
    ...{ link: undefined, loggedIn: wire === undefined, drains: undefined },
  };
  const listeners = {
    data: (chunk: Buffer) => take(served, chunk),
    drain: () => served.link?.resume(),
    end() {
      if (served.stage === 'open') served.link?.end();
      else if (served.stage !== 'ending') drop(served);
    },
    close() {
      served.deadline.met();
      leave(served);
    },
    error: () => undefined, // best effort: `close` follows, and nobody is left to be told
  };
  for (const [event, listener] of Object.entries(listeners)) client.on(event, listener);

  served.deadline.within(limits.greetingMs, () => drop(served));
  // Where nothing is known of the protocol, the server may be the one who speaks first.
  if (wire === undefined) greet(served);

  return {
    stage: () => served.stage,
    session() {
      const { stage, link } = served;
      return stage === 'open' && link !== undefined
        ? { port: link.target.port, key: link.stream?.key() }
        : undefined;
    },
    switched: (target, notice, drainMs) => follow(served, target, notice, drainMs),
    dismiss(reason) {
      if (served.stage === 'greeting') drop(served);
      else if (served.stage === 'open') part(served, reason);
      else if (served.stage !== 'ending') refuse(served, reason, again);
    },
    destroy: () => drop(served),
  };
}

/** What the client sends. */
function take(served: Served, chunk: Buffer): void {
  const { client, link, stage } = served;
  switch (stage) {
    case 'greeting':
      served.early = served.early.length === 0 ? chunk : Buffer.concat([served.early, chunk]);
      greet(served);
      return;
    case 'held':
    case 'queued':
    case 'opening':
      served.early = Buffer.concat([served.early, chunk]);
      if (served.early.length > maxEarly(served)) client.pause();
      return;
    case 'open':
      link?.stream?.asked(chunk);
      if (link?.write(chunk) === false) client.pause();
      return;
    case 'ending':
      return;
  }
}

/** The endpoint leads elsewhere. */
function follow(served: Served, target: EndpointTarget, notice: string, drainMs: number): void {
  const { context, link, seat } = served;
  if (link !== undefined && leadsToSame(link.target, target)) {
    stay(served);
    return;
  }
  switch (served.stage) {
    case 'greeting':
      return;
    case 'held':
      if (target.kind !== 'waiting') route(served);
      return;
    case 'queued':
      context.seats.leave(seat);
      route(served);
      return;
    case 'opening':
      unlink(served);
      context.seats.leave(seat);
      // What it has asked ahead was asked of the clone before.
      if (served.early.length > served.firstBytes) end(served, context.wire?.parting(notice));
      else route(served);
      return;
    case 'open':
      partOrDrain(served, notice, drainMs);
      return;
    case 'ending':
      return;
  }
}
