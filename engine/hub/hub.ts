/** Joins other hosts to the engine of this machine: what they hold in one overview, requests to whoever has the object. */
import type { Duplex, Readable } from 'node:stream';
import type { Link } from '../link/link.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { wordsOf } from '../protocol/engineWords.ts';
import type { Connection } from '../protocol/entities.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import type { EventBody, Overview } from '../protocol/events.ts';
import type { CloneId, HostName, InstallationId } from '../protocol/ids.ts';
import type { KeptText } from '../process/keptText.ts';
import type { DeclinedHosts } from './declinedHosts.ts';
import type { KnownHost, KnownHosts } from './knownHosts.ts';
import { honestView, type HasElsewhere } from './forgery.ts';
import type { KeptDoors } from './keptDoors.ts';
import { createListeners } from './listeners.ts';
import { createMembership, type Membership } from './membership.ts';
import type { HeldKind } from './mirror.ts';
import type { HostView } from './qualified.ts';
import type { RememberedClones } from './rememberedClones.ts';
import { createRemoteHost, type RemoteHost } from './remoteHost.ts';
import type { HostClones } from '../services/checkouts/hostClones.ts';
import { createClonesThere } from './clonesThere.ts';
import { refusalBy } from './outOfReach.ts';
import { createSessionSoon, type SessionSoon } from './sessionSoon.ts';
import { createTunnels, type Doors, type TunnelKey, type Tunnels } from './tunnels.ts';

export type Held = Pick<Overview, 'hosts' | 'environments' | 'snapshots' | 'clones' | 'jobs'>;

export interface Hub extends Membership {
  hosts(): readonly RemoteHost[];
  host(name: string): RemoteHost | undefined;
  /** The host that holds an object with this id. */
  holderOf(kind: HeldKind, id: string): RemoteHost | undefined;
  /** This machine's overview with everything of the other hosts. */
  join(overview: Overview): Overview;
  /** Everything of the other hosts. */
  held(): Held;
  /** Connections to a clone of another host, by ports of this machine. */
  connections(host: RemoteHost, clone: CloneId, there: readonly Connection[]): Promise<Connection[]>;
  /** For the checkouts of this installation. */
  clonesThere(host: RemoteHost, installation: InstallationId): HostClones;
  /** Hears what the hosts tell, as it is called here. */
  subscribe(listener: (event: EventBody) => void): () => void;
  close(): Promise<void>;
}

export interface HubOptions {
  known: KnownHosts;
  declined: DeclinedHosts;
  linkTo: (host: KnownHost) => Link;
  /** Where what is known of a host is kept. */
  keptOf: (host: KnownHost) => KeptText;
  doors: Doors;
  keptDoors: KeptDoors;
  remembered: RememberedClones;
  /** Ports of this machine's own clones and checkouts. */
  ownPorts: () => ReadonlySet<number>;
  clock: Clock;
  random: Random;
  log: Log;
  publish: (event: EventBody) => void;
  /** Whether this machine has an object of this id: no other host can have one too. */
  isOwn: (id: string) => boolean;
  /** Names of this machine's environments. */
  ownEnvironments: () => readonly string[];
}

export async function createHub(options: HubOptions): Promise<Hub> {
  const { known, linkTo, keptOf, remembered, clock, random, log, isOwn } = options;
  const { tell: publish, subscribe } = createListeners((event) => options.publish(event));
  const hosts = new Map<HostName, RemoteHost>();
  const elsewhere =
    (name: HostName): HasElsewhere =>
    (kind, id) =>
      isOwn(id) || [...hosts.values()].some((other) => other.known.name !== name && other.holds(kind, id));
  const held = (): Held =>
    heldOf([...hosts.values()].map((host) => honestView(host.view(), elsewhere(host.known.name))));
  const start = async (host: KnownHost): Promise<RemoteHost> => {
    const made = await createRemoteHost({
      ...{ known: host, clock, random, log },
      ...{ link: linkTo(host), kept: keptOf(host), hasElsewhere: elsewhere(host.name) },
      publish(event) {
        publish(event);
        if (event.kind === 'clone.removed' || event.kind === 'resync') letGo();
      },
    });
    hosts.set(host.name, made);
    return made;
  };
  const sessionSoon = createSessionSoon(clock);
  const tunnels = tunnelsTo(hosts, sessionSoon, options);
  const isThere = (host: HostName, clone: CloneId): boolean =>
    hosts.get(host)?.holds('clones', clone) === true;
  /** What belongs to clones that are gone. */
  const letGo = (): void => {
    void tunnels.keepOnly(({ host, clone }) => isThere(host, clone));
    remembered.keepOnly(isThere);
  };

  const forget = async (host: RemoteHost): Promise<void> => {
    const { name } = host.known;
    hosts.delete(name);
    await tunnels.keepOnly((key) => key.host !== name);
    remembered.keepOnly((host) => host !== name);
    await host.close();
    await keptOf(host.known).remove();
    publish({ kind: 'resync' });
  };

  for (const host of known.list())
    await start(host).catch((error: unknown) => {
      // It stays known, and the others are reached.
      log.error('a host can not be reached', { host: host.name, problem: toFailure(error).message });
    });
  await tunnels.reopen(({ host, clone }) => isThere(host, clone));

  return {
    hosts: () => [...hosts.values()],
    host: (name) => hosts.get(name as HostName),
    holderOf(kind, id) {
      if (isOwn(id)) return undefined;
      return [...hosts.values()].find((host) => host.holds(kind, id));
    },
    held,
    join: (overview) => joinHeld(overview, held()),
    ...createMembership({ hosts, options, start, forget, publish }),
    connections: (host, clone, there) =>
      Promise.all(
        there.map(async (connection) => ({
          ...connection,
          host: '127.0.0.1',
          port: await tunnels.portFor({ host: host.known.name, clone, member: connection.name }),
        })),
      ),
    clonesThere: (host, installation) =>
      createClonesThere({
        ...{ host, installation, log },
        view: () => honestView(host.view(), elsewhere(host.known.name)),
        hasElsewhere: elsewhere(host.known.name),
        sessionSoon,
        portFor: (key) => tunnels.portFor(key),
        memory: remembered.of(host.known.name),
      }),
    subscribe,
    async close() {
      await tunnels.close();
      await Promise.all([...hosts.values()].map((host) => host.close()));
      await remembered.quiet();
    },
  };
}

/** Ports of this machine that lead to clones of these hosts. */
function tunnelsTo(
  hosts: ReadonlyMap<HostName, RemoteHost>,
  sessionSoon: SessionSoon,
  { doors, log, keptDoors: kept, ownPorts }: Pick<HubOptions, 'doors' | 'log' | 'keptDoors' | 'ownPorts'>,
): Tunnels {
  const lead = async (
    { host, clone, member }: TunnelKey,
    from: Readable,
    signal: AbortSignal,
  ): Promise<Duplex> => {
    const found = hosts.get(host);
    if (found === undefined) throw fail('not_found', { kind: 'host', name: host });
    return (await sessionSoon(found, signal)).tunnel({ clone, member }, from, signal);
  };
  return createTunnels({
    ...{ doors, kept, lead, taken: ownPorts },
    onProblem: ({ host, clone }, error) =>
      log.warning('a connection to a clone of another host', {
        ...{ host, clone, problem: toFailure(error).message },
      }),
    refusalBy({ host, clone, member }, error) {
      const view = hosts.get(host)?.view();
      const failure = toFailure(error);
      const servers = view?.clones.find(({ id }) => id === clone)?.members ?? [];
      return {
        engine: (servers.find(({ name }) => name === member) ?? servers[0])?.engine ?? wordsOf().key,
        ...(view === undefined
          ? { reason: failure.message, next: failure.document.next }
          : refusalBy(view.host, failure)),
      };
    },
  });
}

const heldOf = (views: readonly HostView[]): Held => ({
  hosts: views.map(({ host }) => host),
  environments: views.flatMap(({ environments }) => environments),
  snapshots: views.flatMap(({ snapshots }) => snapshots),
  clones: views.flatMap(({ clones }) => clones),
  jobs: views.flatMap(({ jobs }) => jobs),
});

const joinHeld = (overview: Overview, held: Held): Overview => ({
  ...overview,
  hosts: [...overview.hosts, ...held.hosts],
  environments: [...overview.environments, ...held.environments],
  snapshots: [...overview.snapshots, ...held.snapshots],
  clones: [...overview.clones, ...held.clones],
  jobs: [...overview.jobs, ...held.jobs],
});
