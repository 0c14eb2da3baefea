/** Loopback ports of this machine that lead to servers of clones on other hosts: the same port for as long as the clone is known. */
import type { Duplex, Readable } from 'node:stream';
import { portsFor } from '../domain/ports.ts';
import type { Refusal } from '../endpoint/tcp/refuser.ts';
import { fail } from '../protocol/errors.ts';
import type { CloneId, HostName, MemberName } from '../protocol/ids.ts';
import type { KeptDoors } from './keptDoors.ts';

export interface TunnelKey {
  host: HostName;
  clone: CloneId;
  member: MemberName;
}

/** To where what comes from `from` is led, from the beginning. */
export type Lead = (from: Readable, signal: AbortSignal) => Promise<Duplex>;

/** The port to what listens: connections are accepted on loopback, and led to what `lead` gives. */
export interface Doors {
  /** Undefined when another program has the port. `port` 0: any free one. */
  open(options: {
    port: number;
    lead: Lead;
    onProblem: (error: unknown) => void;
    /** What a client is told instead. */
    refusalBy: (error: unknown) => Refusal;
  }): Promise<Door | undefined>;
}

export interface Door {
  port: number;
  close(): Promise<void>;
}

export interface Tunnels {
  /** The port here, opened when there is none yet. */
  portFor(key: TunnelKey): Promise<number>;
  /** Opens those again that an earlier engine had; where another program took one, its port is another. */
  reopen(isKnown: (key: TunnelKey) => boolean): Promise<void>;
  /** Closes those that are wanted no more. */
  keepOnly(wanted: (key: TunnelKey) => boolean): Promise<void>;
  close(): Promise<void>;
}

export interface TunnelsOptions {
  doors: Doors;
  lead: (key: TunnelKey, ...connection: Parameters<Lead>) => Promise<Duplex>;
  onProblem: (key: TunnelKey, error: unknown) => void;
  refusalBy: (key: TunnelKey, error: unknown) => Refusal;
  kept: KeptDoors;
  /** Ports of this machine's own clones and checkouts, which may not listen now. */
  taken: () => ReadonlySet<number>;
}

/** So many ports are tried before any free one is as good. */
const mostTried = 20;

const textOf = ({ host, clone, member }: TunnelKey): string => JSON.stringify([host, clone, member]);

/** The one that it had; then those that follow from its name: the same each time, also for another engine of this home. */
function* portsToTry(
  key: TunnelKey,
  before: number | undefined,
  taken: ReadonlySet<number>,
): Generator<number> {
  if (before !== undefined && !taken.has(before)) yield before;
  yield* portsFor(textOf(key), taken);
}

export function createTunnels({ doors, lead, onProblem, refusalBy, kept, taken }: TunnelsOptions): Tunnels {
  const open = new Map<string, { key: TunnelKey; door: Promise<Door>; port: number | undefined }>();

  const keep = (): void =>
    kept.write([...open.values()].flatMap(({ key, port }) => (port === undefined ? [] : { ...key, port })));

  async function openDoor(key: TunnelKey, before: number | undefined): Promise<Door> {
    const behind = {
      lead: (...connection: Parameters<Lead>) => lead(key, ...connection),
      onProblem: (error: unknown) => onProblem(key, error),
      refusalBy: (error: unknown) => refusalBy(key, error),
    };
    let tried = 0;
    for (const port of portsToTry(key, before, taken())) {
      const door = await doors.open({ port, ...behind });
      if (door !== undefined) return door;
      if (++tried === mostTried) break;
    }
    const door = await doors.open({ port: 0, ...behind });
    if (door === undefined) throw fail('port_unusable', { port: 0, problem: 'no port is free' });
    return door;
  }
  const closeAt = async (text: string): Promise<void> => {
    const found = open.get(text);
    open.delete(text);
    await (await found?.door)?.close();
  };

  const portFor = async (key: TunnelKey, before?: number): Promise<number> => {
    const text = textOf(key);
    const found = open.get(text) ?? { key, door: openDoor(key, before), port: undefined };
    if (!open.has(text)) {
      open.set(text, found);
      found.door.then(
        ({ port }) => {
          found.port = port;
          keep();
        },
        () => open.delete(text),
      );
    }
    return (await found.door).port;
  };

  return {
    portFor: (key) => portFor(key),
    async reopen(isKnown) {
      for (const { port, ...key } of await kept.read()) {
        if (!isKnown(key)) continue;
        await portFor(key, port).catch((error: unknown) => onProblem(key, error));
      }
    },
    async keepOnly(wanted) {
      const gone = [...open].filter(([, { key }]) => !wanted(key));
      for (const [text] of gone) await closeAt(text);
      if (gone.length > 0) keep();
    },
    async close() {
      for (const text of [...open.keys()]) await closeAt(text);
      await kept.quiet();
    },
  };
}
