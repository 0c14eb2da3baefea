/** The stable ports of one checkout: one for each member of its environment, led to one clone together. */
import { portsFor } from '../../domain/ports.ts';
import { userOf } from '../../domain/naming.ts';
import type { Endpoint as Listener, EndpointTarget } from '../../endpoint/endpoint.ts';
import type { Endpoint } from '../../protocol/entities.ts';
import { fail, isFailure, toFailure } from '../../protocol/errors.ts';
import { memberNameSchema, type CheckoutId, type MemberName } from '../../protocol/ids.ts';
import type { CloneRecord, EnvironmentRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import type { CheckoutRow } from './row.ts';

/** Where all ports of a checkout lead. */
export type Destination =
  { kind: 'clone'; clone: CloneRecord } | Extract<EndpointTarget, { kind: 'waiting' | 'none' }>;

export interface CheckoutPorts {
  /** Opens what is missing and closes what is no longer a member's. A port that is taken is tried again by the next call. */
  open(environment: EnvironmentRecord): Promise<void>;
  /** At once; the notice is what connections are told that end with it. `drainMs`: as Endpoint.lead has it. */
  lead(destination: Destination, notice: string, drainMs: number): void;
  /** New numbers for the ports that another program took; the next `open` listens on them. */
  exchangeTaken(): Promise<void>;
  list(): readonly Endpoint[];
  someTaken(): boolean;
  close(): Promise<void>;
}

interface Port {
  number: number;
  engine: Endpoint['engine'];
  listener: Listener | undefined;
}

export function createCheckoutPorts(context: ServiceContext, row: CheckoutRow): CheckoutPorts {
  const { store, endpoints, log, catalog } = context;
  const ports = new Map<MemberName, Port>();
  let environment: EnvironmentRecord | undefined;
  let destination: Destination = { kind: 'waiting', reason: 'The engine has just started.' };

  /** Members that this checkout has no more leave their ports: after the state is lost nobody would know of them. */
  const isUsed = (checkout: CheckoutId, member: MemberName): boolean =>
    checkout !== row.read().id || environment?.definition.members[member] !== undefined;

  /** Ports that are somebody's already, whether or not anything listens on them now. */
  const used = (): Set<number> =>
    new Set([
      ...store.checkouts
        .list()
        .flatMap((each) => each.ports.filter(({ member }) => isUsed(each.id, member)))
        .map(({ port }) => port),
      ...store.clones.list().flatMap(({ members }) => members.map(({ port }) => port)),
      ...[...ports.values()].map(({ number }) => number),
    ]);

  const targetFor = (member: MemberName): EndpointTarget => {
    if (destination.kind !== 'clone') return destination;
    const { clone } = destination;
    const found = clone.members.find(({ name }) => name === member);
    if (found === undefined) {
      const reason = `Clone ${clone.name} has no member ${member}: it was made before that was added.`;
      return { kind: 'none', reason, next: `Reset it to the latest snapshot.` };
    }
    return { kind: 'clone', clone: clone.id, name: clone.name, port: found.port };
  };

  const titleFor = (member: MemberName): string => `${member} of ${row.read().path}`;

  const listen = (member: MemberName, port: Port): Promise<Listener> =>
    endpoints.open({
      port: port.number,
      engine: port.engine,
      title: titleFor(member),
      target: targetFor(member),
    });

  const remember = (): void => {
    const list = [...ports].map(([member, { number }]) => ({ member, port: number }));
    if (JSON.stringify(list) !== JSON.stringify(row.read().ports)) row.change({ ports: list });
  };

  /** The first free port of those that follow from what it is for. */
  const assign = async (member: MemberName, engine: Endpoint['engine']): Promise<void> => {
    const { path } = row.read();
    // Not of the environment, which may change under an address: after the state is lost only the last one would be known.
    for (const number of portsFor(`${path}\n${member}`, used())) {
      const port: Port = { number, engine, listener: undefined };
      try {
        port.listener = await listen(member, port);
      } catch (error) {
        if (isFailure(error, 'port_taken') || isFailure(error, 'port_unusable')) continue;
        throw error;
      }
      ports.set(member, port);
      return;
    }
    throw fail('internal', { problem: 'no port is free' });
  };

  const closeAll = async (): Promise<void> => {
    const open = [...ports.values()];
    ports.clear();
    await all(open, async ({ listener }) => listener?.close());
  };

  return {
    async open(wanted) {
      if (environment !== undefined && environment.name !== wanted.name) await closeAll();
      environment = wanted;
      const members = Object.entries(wanted.definition.members).map(([name, { engine }]) => ({
        name: memberNameSchema.parse(name),
        engine,
      }));
      for (const [name, port] of [...ports]) {
        if (members.some((member) => member.name === name)) continue;
        ports.delete(name);
        await port.listener?.close();
      }
      for (const { name, engine } of members) {
        const known = ports.get(name);
        const number = known?.number ?? row.read().ports.find(({ member }) => member === name)?.port;
        if (known?.listener !== undefined) continue;
        if (number === undefined) {
          await assign(name, engine);
          continue;
        }
        const port: Port = { number, engine, listener: undefined };
        try {
          port.listener = await listen(name, port);
        } catch (error) {
          if (known === undefined)
            log.warning('a port of a checkout can not be opened', {
              checkout: row.read().id,
              port: number,
              problem: toFailure(error).message,
            });
        }
        ports.set(name, port);
      }
      remember();
    },
    lead(to, notice, drainMs) {
      destination = to;
      for (const [member, { listener }] of ports) listener?.lead(targetFor(member), notice, drainMs);
    },
    async exchangeTaken() {
      for (const [member, port] of [...ports]) {
        if (port.listener === undefined) await assign(member, port.engine);
      }
      remember();
    },
    list: () =>
      [...ports].map(([member, { number, engine, listener }]) => ({
        member,
        engine,
        host: '127.0.0.1',
        port: number,
        user: userAt(member),
        database: databaseOf(member),
        state: listener === undefined ? 'taken' : 'listening',
      })),
    someTaken: () => [...ports.values()].some(({ listener }) => listener === undefined),
    close: closeAll,
  };

  /** Who may log in where it leads; before there is a clone, whom a new one would let in. */
  function userAt(member: MemberName): string {
    const clone = destination.kind === 'clone' ? destination.clone : undefined;
    const found = clone?.members.find((each) => each.name === member);
    return found?.user ?? userOf(environment?.definition.members[member]);
  }

  /** As the clone has it; before there is one, as the latest snapshot has it. */
  function databaseOf(member: MemberName): string {
    if (environment === undefined) return '';
    const { name, definition } = environment;
    const holders = [
      destination.kind === 'clone' ? destination.clone : undefined,
      catalog.latestSnapshot(name),
      ...store.clones.list().filter((clone) => clone.environment === name),
    ];
    for (const holder of holders) {
      const found = holder?.members.find((each) => each.name === member);
      if (found !== undefined) return found.database;
    }
    const declared = definition.members[member];
    if (declared === undefined) return '';
    return declared.database ?? context.databases[declared.engine]?.source.defaultDatabase ?? '';
  }
}
