/** One client of an endpoint while it is served: what greeting it, leading it to a server and parting it from that share. */
import type { Socket } from 'node:net';
import type { EndpointTarget } from '../endpoint.ts';
import type { Wire } from '../wire.ts';
import type { Limits } from './limits.ts';
import type { Link } from './link.ts';
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

export interface Served {
  readonly context: ConnectionContext;
  /** Comes from a server with `allowHalfOpen`. */
  readonly socket: Socket;
  /** What is read and written: the socket itself, or TLS over it. */
  readonly client: Socket;
  /** Of a client that has gone over to TLS. */
  readonly security: Security | undefined;
  /** Its place among those who log in. */
  readonly seat: Seat;
  readonly deadline: Deadline;
  /** Nothing of the client is heard here any more: it is served elsewhere. */
  readonly release: () => void;
  stage: Stage;
  /** What the client has sent that no server has answered yet. */
  early: Buffer;
  /** Its start that asks for a server: given to one server after the other until one answers, and the rest to that one. */
  firstBytes: number;
  /** Of questions that the endpoint has answered itself. */
  questionBytes: number;
  link: Link | undefined;
  /** The server has let it in, or nothing is known of when it does. */
  loggedIn: boolean;
  /** The endpoint leads elsewhere, and this is told when the transaction is over that it may finish first. */
  drains: string | undefined;
}

export const nothing = Buffer.alloc(0);

/** How much of a client is read before a server answers, bytes. */
export const maxEarly = ({ context: { wire } }: Served): number => wire?.maxGreeting ?? 0;

/** The one time that is running: for what the client or its server has to do next. */
export interface Deadline {
  /** Takes the place of the one before. */
  within(ms: number, otherwise: () => void): void;
  met(): void;
}

export function createDeadline(): Deadline {
  let timer: NodeJS.Timeout | undefined;
  return {
    within(ms, otherwise) {
      clearTimeout(timer);
      timer = setTimeout(otherwise, ms);
    },
    met: () => clearTimeout(timer),
  };
}
