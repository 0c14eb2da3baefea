/** The stable ports of one checkout: one for each member of its environment, led to one clone together. */
import type { Endpoint as Listener } from '../../endpoint/endpoint.ts';
import type { Endpoint } from '../../protocol/entities.ts';
import { fail, isFailure, toFailure } from '../../protocol/errors.ts';
import { memberNameSchema, type MemberName } from '../../protocol/ids.ts';
import { all, type ServiceContext } from '../context.ts';
import { databaseAt, targetOf, userAt, type Destination } from './destination.ts';
import { freeNumbers } from './freeNumbers.ts';
import type { HostClones, UsedEnvironment } from './hostClones.ts';
import type { CheckoutRow } from './row.ts';

export interface CheckoutPorts {
  /** Opens what is missing and closes what is no longer a member's. A port that is taken is tried again by the next call. */
  open(environment: UsedEnvironment, at: HostClones): Promise<void>;
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
  const { endpoints, log } = context;
  const ports = new Map<MemberName, Port>();
  let environment: UsedEnvironment | undefined;
  let host: HostClones | undefined;
  let destination: Destination = { kind: 'waiting', reason: 'The engine has just started.' };

  const listen = (member: MemberName, port: Port): Promise<Listener> =>
    endpoints.open({
      port: port.number,
      engine: port.engine,
      title: `${member} of ${row.read().path}`,
      target: targetOf(destination, member),
    });

  const remember = (): void => {
    const list = [...ports].map(([member, { number }]) => ({ member, port: number }));
    if (JSON.stringify(list) !== JSON.stringify(row.read().ports)) row.change({ ports: list });
  };

  /** The first free port of those that follow from what it is for. */
  const assign = async (member: MemberName, engine: Endpoint['engine']): Promise<void> => {
    const held = [...ports.values()].map(({ number }) => number);
    for (const number of freeNumbers(context, { checkout: row.read(), environment, member, held })) {
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

  /** At a number that it had before. One that another program holds is told of once. */
  const listenAgain = async (member: MemberName, port: Port, isFirstTry: boolean): Promise<void> => {
    try {
      port.listener = await listen(member, port);
    } catch (error) {
      if (isFirstTry)
        log.warning('a port of a checkout can not be opened', {
          checkout: row.read().id,
          port: port.number,
          problem: toFailure(error).message,
        });
    }
    ports.set(member, port);
  };

  const closeAll = async (): Promise<void> => {
    const open = [...ports.values()];
    ports.clear();
    await all(open, async ({ listener }) => listener?.close());
  };

  return {
    async open(wanted, at) {
      if (environment !== undefined && environment.name !== wanted.name) await closeAll();
      environment = wanted;
      host = at;
      const members = membersOf(wanted);
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
        await listenAgain(name, { number, engine, listener: undefined }, known === undefined);
      }
      remember();
    },
    lead(to, notice, drainMs) {
      destination = to;
      for (const [member, { listener }] of ports) {
        listener?.lead(targetOf(destination, member), notice, drainMs);
      }
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
        user: userAt(destination, environment, member),
        database: host === undefined ? '' : databaseAt(context, host, destination, environment, member),
        state: listener === undefined ? 'taken' : 'listening',
      })),
    someTaken: () => [...ports.values()].some(({ listener }) => listener === undefined),
    close: closeAll,
  };
}

const membersOf = ({ definition }: UsedEnvironment): { name: MemberName; engine: Endpoint['engine'] }[] =>
  Object.entries(definition.members).map(([name, { engine }]) => ({
    name: memberNameSchema.parse(name),
    engine,
  }));
