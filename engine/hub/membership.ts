/** Which hosts there are: added by a person, reached, allowed, forgotten. */
import type { Clock } from '../ports/clock.ts';
import type { Host } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import type { EventBody } from '../protocol/events.ts';
import type { HostName } from '../protocol/ids.ts';
import type { Link } from '../link/link.ts';
import type { DeclinedHosts } from './declinedHosts.ts';
import type { KnownHost, KnownHosts } from './knownHosts.ts';
import type { RemoteHost } from './remoteHost.ts';
import { uninstallThere } from './uninstall.ts';

export interface Membership {
  /** Those of files that a person said no to. */
  readonly declined: DeclinedHosts;
  /** Reaches a host, and remembers it then. Errors: those of `KnownHosts.add` and of the link. */
  add(host: Omit<KnownHost, 'addedAt'>, options: ReachOptions): Promise<Host>;
  /** Reaches a host at once. Errors: `not_found`, those of the link. */
  reconnect(name: string, options: ReachOptions): Promise<Host>;
  /** Errors: `not_found`. */
  known(name: string): RemoteHost;
  /** Keeps whether passwords of sources may go there. Errors: `not_found`. */
  allowPasswords(name: string, allow: boolean): Promise<Host>;
  /** Forgets it; what is there goes on. */
  remove(name: HostName): Promise<void>;
  /** Forgets it, after what was brought there was taken away. Errors: `not_found`, those of `uninstallThere`. */
  uninstall(name: HostName, options: ReachOptions): Promise<readonly string[]>;
}

export interface ReachOptions {
  signal: AbortSignal;
  /** Somebody is there who answers what the login asks. */
  questions?: boolean | undefined;
}

export interface MembershipOptions {
  /** Those that are worked with now. */
  hosts: ReadonlyMap<HostName, RemoteHost>;
  options: {
    known: KnownHosts;
    declined: DeclinedHosts;
    linkTo: (host: KnownHost) => Link;
    clock: Clock;
    ownEnvironments: () => readonly string[];
  };
  start: (host: KnownHost) => Promise<RemoteHost>;
  forget: (host: RemoteHost) => Promise<void>;
  publish: (event: EventBody) => void;
}

const reach = (host: RemoteHost, { signal, questions = false }: ReachOptions) =>
  host.reach(signal, { answers: questions });

/** Errors: `host_name_clash`. */
function refuseClash(host: HostName, environments: readonly string[]): void {
  const environment = environments.find((name) => name.startsWith(`${host}/`));
  if (environment !== undefined) throw fail('host_name_clash', { host, environment });
}

/** Where an engine there has data already, it stays where it is. */
function sayOtherStorage(host: RemoteHost): void {
  const { path, dataset } = host.known;
  const { storage } = host.view().host;
  const wanted = path ?? dataset;
  if (wanted === undefined || storage === null) return;
  const isThere = storage.path === wanted || (dataset !== undefined && storage.label.includes(dataset));
  if (!isThere)
    host.addCheck({
      ...{ name: 'storage', status: 'warning', fix: null },
      message: `Its engine keeps its data in ${storage.path}, not in ${wanted}.`,
      advice: 'An engine that has data or settings of its own there goes by them.',
    });
}

function namedHost(hosts: ReadonlyMap<HostName, RemoteHost>, name: string): RemoteHost {
  const host = hosts.get(name as HostName);
  if (host === undefined) throw fail('not_found', { kind: 'host', name, known: [...hosts.keys()] });
  return host;
}

export function createMembership(given: MembershipOptions): Membership {
  const { hosts, start, forget, publish } = given;
  const { known, declined, linkTo, clock, ownEnvironments } = given.options;
  return {
    declined,
    async add(asked, options) {
      const host = { ...asked, addedAt: clock.now().toISOString() };
      known.check(host);
      if (hosts.has(host.name)) throw fail('name_taken', { kind: 'host', name: host.name });
      refuseClash(host.name, ownEnvironments());
      const made = await start(host);
      publish({ kind: 'host', entity: made.view().host });
      try {
        await reach(made, options);
        sayOtherStorage(made);
        await known.add(host);
        await declined.forget(host);
      } catch (error) {
        await forget(made);
        throw error;
      }
      return made.view().host;
    },
    async remove(name) {
      const host = namedHost(hosts, name);
      await known.remove(name);
      await forget(host);
    },
    async uninstall(name, { signal, questions = false }) {
      const host = namedHost(hosts, name);
      const uninstalling = uninstallThere(host, linkTo(host.known), signal, { answers: questions });
      const left = await uninstalling.catch(async (error: unknown) => {
        if (!host.closed.aborted) throw error;
        await host.close();
        await start(host.known);
        throw error;
      });
      await known.remove(name);
      await forget(host);
      return left;
    },
    async reconnect(name, options) {
      const host = namedHost(hosts, name);
      await reach(host, options);
      return host.view().host;
    },
    known: (name) => namedHost(hosts, name),
    async allowPasswords(name, allow) {
      const host = namedHost(hosts, name);
      await known.change(host.know({ takesPasswords: allow }));
      publish({ kind: 'host', entity: host.view().host });
      return host.view().host;
    },
  };
}
