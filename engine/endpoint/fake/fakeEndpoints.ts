/** Endpoints in memory for unit tests and simulations of services: nothing listens, and clients are objects. */
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
}

/** What an endpoint knows of a client. */
interface Guest {
  settle(target: EndpointTarget, notice: string): void;
  giveUp(): void;
  dismiss(notice: string): void;
  waitsOrLeads(): boolean;
}

export interface FakeEndpointsOptions {
  /** Whether a server listens at the target's port now. Default: always. */
  answers?: (target: CloneTarget) => boolean;
}

export function createFakeEndpoints(options: FakeEndpointsOptions = {}): FakeEndpoints {
  const { answers = () => true } = options;
  const taken = new Set<number>();
  const listening = new Map<number, Endpoint>();
  const doors = new Map<number, { connect(): FakeClient; giveUpWaiting(): void }>();
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
        lead(next, notice) {
          current = next;
          for (const client of clients) client.settle(next, notice);
        },
        connections: () => [...clients].filter((client) => client.waitsOrLeads()).length,
        async close(notice = `${title} is no longer served at port ${own}.`) {
          if (listening.get(own) !== endpoint) return;
          listening.delete(own);
          doors.delete(own);
          for (const client of clients) client.dismiss(notice);
        },
      };

      const connect = (): FakeClient => {
        let state: FakeClientState = { kind: 'held' };
        const route = (to: EndpointTarget): void => {
          if (to.kind === 'none') state = { kind: 'refused', reason: to.reason, next: to.next };
          else if (to.kind === 'waiting') state = { kind: 'held' };
          else if (answers(to)) state = { kind: 'open', target: to };
          else state = { kind: 'refused', reason: `Clone ${to.name} does not answer.`, next: 'Start it.' };
        };
        const client: Guest = {
          settle(to, notice) {
            if (state.kind === 'held') route(to);
            else if (state.kind === 'open' && !leadsToSame(state.target, to))
              state = { kind: 'parted', notice };
          },
          giveUp() {
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
        route(current);
        return {
          state: () => state,
          ask: () => (state.kind === 'open' ? state.target.clone : undefined),
          close() {
            clients.delete(client);
            if (client.waitsOrLeads()) state = { kind: 'closed' };
          },
        };
      };
      listening.set(own, endpoint);
      doors.set(own, {
        connect,
        giveUpWaiting() {
          for (const client of clients) client.giveUp();
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
  };
}
