/** The port to stable loopback addresses: each leads to one clone at a time, and is led elsewhere on a switch. */
import type { DatabaseEngine } from '../protocol/entities.ts';
import type { CloneId } from '../protocol/ids.ts';

export type EndpointTarget =
  /** `name` is for people; `port` is the server's, on 127.0.0.1. */
  | { kind: 'clone'; clone: CloneId; name: string; port: number; far?: FarServer }
  /**
   * A clone is on its way: new connections are held until the next target that is not `waiting`, for a limited time
   * and in limited number, and then refused with the reason.
   */
  | { kind: 'waiting'; reason: string }
  /** New connections are refused; people read why and what to do next, where the engine's protocol can say it. */
  | { kind: 'none'; reason: string; next: string };

/** A server of another host, behind a port that leads there. */
export interface FarServer {
  /** Why nobody reaches it now, for people; undefined: the way to its host is open. */
  problem(): { reason: string; next: string } | undefined;
}

/** Whether a connection made for one target may stay when the endpoint is led to the other. */
export function leadsToSame(one: EndpointTarget, other: EndpointTarget): boolean {
  return (
    one.kind === 'clone' && other.kind === 'clone' && one.clone === other.clone && one.port === other.port
  );
}

export interface Endpoint {
  readonly port: number;
  target(): EndpointTarget;
  /**
   * Leads the endpoint elsewhere, at once: when this returns, nothing that a connection to another clone or port sends
   * reaches that clone, and nothing that it answers from now on reaches the client. Such connections are ended with the
   * notice (where the protocol can say it at that point), connections to the same clone and port stay, held ones go on.
   *
   * Those with an open transaction (also that of a running query) may go on with their clone for up to `drainMs` and are ended in the same
   * way after it: as soon as it has ended, with its answers, and those to whatever they had asked ahead. What drains already goes on and
   * gets no more time, whatever is said then.
   */
  lead(target: EndpointTarget, notice: string, drainMs?: number): void;
  /** Client connections that lead to a clone or wait for one. */
  connections(): number;
  /** Ends all connections, each with the notice, and stops listening, within a second. Idempotent. */
  close(notice?: string): Promise<void>;
}

export interface OpenEndpointOptions {
  /** 0 takes any free one. */
  port: number;
  engine: DatabaseEngine;
  /** For people, in refusals: "orders of /work/shop". */
  title: string;
  /** Where it leads from its first connection on. */
  target: EndpointTarget;
}

export interface Endpoints {
  /** Listens on 127.0.0.1 only. Rejects with `port_taken` or `port_unusable`. */
  open(options: OpenEndpointOptions): Promise<Endpoint>;
}
