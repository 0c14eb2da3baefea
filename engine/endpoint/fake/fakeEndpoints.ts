/** Endpoints in memory for unit tests and simulations of services: nothing listens, and clients are objects. */
import { partingOf } from '../../domain/draining.ts';
import { fail } from '../../protocol/errors.ts';
import type { CloneId } from '../../protocol/ids.ts';
import { withFaults, type CallOf, type Faults } from '../../machine/fake/faults.ts';
import { leadsToSame, type Endpoint, type Endpoints, type EndpointTarget } from '../endpoint.ts';

type CloneTarget = Extract<EndpointTarget, { kind: 'clone' }>;

export type FakeClientState =
  | { kind: 'held' }
  | { kind: 'open'; target: CloneTarget }
  | { kind: 'refused'; reason: string; next: string }
  | { kind: 'parted'; notice: string }
  /** By the client itself. */
  | { kind: 'closed' };

export interface FakeClient {
  state(): FakeClientState;
  /** The clone that answers a query sent now; undefined when none does. */
  ask(): CloneId | undefined;
  /** Opens a transaction, and ends it. */
  begin(): void;
  commit(): void;
  /** The client closes its connection. */
  close(): void;
}

export interface FakeEndpoints extends Endpoints {
  readonly faults: Faults<CallOf<Endpoints>>;
  /** Ports that other programs hold. */
  readonly taken: Set<number>;
  /** Open endpoints by port. */
  readonly listening: ReadonlyMap<number, Endpoint>;
  /** A client connects to a port; undefined when nothing listens there. */
  connect(port: number): FakeClient | undefined;
  /** The longest wait is over for every connection that is held. */
  giveUpWaiting(): void;
  /** The time is over of every connection that may finish its transaction. */
  giveUpDraining(): void;
}

/** What an endpoint knows of a client. */
interface Guest {
  settle(target: EndpointTarget, notice: string, drainMs: number): void;
  giveUp(): void;
  giveUpDraining(): void;
  dismiss(notice: string): void;
  waitsOrLeads(): boolean;
}

interface Door {
  clients: Set<Guest>;
  answers: (target: CloneTarget) => boolean;
  target: () => EndpointTarget;
}

export interface FakeEndpointsOptions {
  /** Whether a server listens at the target's port now. Default: always. */
  answers?: (target: CloneTarget) => boolean;
}

export function createFakeEndpoints(options: FakeEndpointsOptions = {}): FakeEndpoints {
  const { answers = () => true } = options;
  const taken = new Set<number>();
  const listening = new Map<number, Endpoint>();
  const doors = new Map<number, { connect(): FakeClient; giveUpWaiting(): void; giveUpDraining(): void }>();
  let lastPort = 40_000;

  const freePort = (): number => {
    do lastPort += 1;
    while (taken.has(lastPort) || listening.has(lastPort));
    return lastPort;
  };

  const port: Endpoints = {
    async open({ port: wanted, title, target }) {
      if (taken.has(wanted) || listening.has(wanted)) throw fail('port_taken', { port: wanted });
      const own = wanted === 0 ? freePort() : wanted;
      let current = target;
      const clients = new Set<Guest>();

      const endpoint: Endpoint = {
        port: own,
        target: () => current,
        lead(next, notice, drainMs = 0) {
          current = next;
          for (const client of clients) client.settle(next, notice, drainMs);
        },
        connections: () => [...clients].filter((client) => client.waitsOrLeads()).length,
        async close(notice = `${title} is no longer served at port ${own}.`) {
          if (listening.get(own) !== endpoint) return;
          listening.delete(own);
          doors.delete(own);
          for (const client of clients) client.dismiss(notice);
        },
      };

      listening.set(own, endpoint);
      doors.set(own, {
        connect: () => connectTo({ clients, answers, target: () => current }),
        giveUpWaiting() {
          for (const client of clients) client.giveUp();
        },
        giveUpDraining() {
          for (const client of clients) client.giveUpDraining();
        },
      });
      return endpoint;
    },
  };

  const faulty = withFaults(port, () =>
    fail('port_unusable', { port: 0, problem: 'fault ordered by the test' }),
  );
  return {
    ...faulty,
    taken,
    listening,
    connect: (to) => doors.get(to)?.connect(),
    giveUpWaiting() {
      for (const door of doors.values()) door.giveUpWaiting();
    },
    giveUpDraining() {
      for (const door of doors.values()) door.giveUpDraining();
    },
  };
}

/** A client that joins the others of an endpoint. */
function connectTo({ clients, answers, target }: Door): FakeClient {
  let state: FakeClientState = { kind: 'held' };
  let inTransaction = false;
  /** What it is told when it is over, of one that may finish its transaction. */
  let drains: string | undefined;
  const route = (to: EndpointTarget): void => {
    if (to.kind === 'none') state = { kind: 'refused', reason: to.reason, next: to.next };
    else if (to.kind === 'waiting') state = { kind: 'held' };
    else if (answers(to)) state = { kind: 'open', target: to };
    else state = { kind: 'refused', reason: `Clone ${to.name} does not answer.`, next: 'Start it.' };
  };
  const endDrained = (): void => {
    if (drains !== undefined && state.kind === 'open') state = { kind: 'parted', notice: drains };
  };
  const client: Guest = {
    settle(to, notice, drainMs) {
      if (state.kind === 'held') route(to);
      if (state.kind !== 'open') return;
      if (leadsToSame(state.target, to)) {
        drains = undefined;
        return;
      }
      const parting = partingOf({ drains: drains !== undefined, inTransaction }, drainMs);
      if (parting === 'ends') state = { kind: 'parted', notice };
      else if (parting === 'drains') drains = notice;
    },
    giveUpDraining: endDrained,
    giveUp() {
      const current = target();
      if (state.kind !== 'held' || current.kind !== 'waiting') return;
      state = { kind: 'refused', reason: current.reason, next: 'Try again in a moment.' };
    },
    dismiss(notice) {
      if (state.kind === 'held') {
        state = { kind: 'refused', reason: notice, next: 'Try again in a moment.' };
      } else if (state.kind === 'open') {
        state = { kind: 'parted', notice };
      }
    },
    waitsOrLeads: () => state.kind === 'held' || state.kind === 'open',
  };
  clients.add(client);
  route(target());
  return {
    state: () => state,
    ask: () => (state.kind === 'open' ? state.target.clone : undefined),
    begin() {
      inTransaction = true;
    },
    commit() {
      inTransaction = false;
      endDrained();
    },
    close() {
      clients.delete(client);
      if (client.waitsOrLeads()) state = { kind: 'closed' };
    },
  };
}
