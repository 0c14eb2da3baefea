/** Loopback ports of this machine that lead to servers of clones on other hosts: the same port for as long as the clone is known. */
import type { Duplex } from 'node:stream';
import { portsFor } from '../domain/ports.ts';
import { fail } from '../protocol/errors.ts';
import type { CloneId, HostName, MemberName } from '../protocol/ids.ts';

export interface TunnelKey {
  host: HostName;
  clone: CloneId;
  member: MemberName;
}

/** The port to what listens: connections are accepted on loopback, and led to what `lead` gives. */
export interface Doors {
  /** Undefined when another program has the port. `port` 0: any free one. */
  open(options: {
    port: number;
    lead: (signal: AbortSignal) => Promise<Duplex>;
    onProblem: (error: unknown) => void;
  }): Promise<Door | undefined>;
}

export interface Door {
  port: number;
  close(): Promise<void>;
}

export interface Tunnels {
  /** The port here, opened when there is none yet. */
  portFor(key: TunnelKey): Promise<number>;
  /** Closes those that are wanted no more. */
  keepOnly(wanted: (key: TunnelKey) => boolean): Promise<void>;
  close(): Promise<void>;
}

export interface TunnelsOptions {
  doors: Doors;
  lead: (key: TunnelKey, signal: AbortSignal) => Promise<Duplex>;
  onProblem: (key: TunnelKey, error: unknown) => void;
}

/** So many ports are tried before any free one is as good. */
const mostTried = 20;

export function createTunnels({ doors, lead, onProblem }: TunnelsOptions): Tunnels {
  const open = new Map<string, { key: TunnelKey; door: Promise<Door> }>();
  const textOf = ({ host, clone, member }: TunnelKey): string => JSON.stringify([host, clone, member]);

  async function openDoor(key: TunnelKey): Promise<Door> {
    const behind = {
      lead: (signal: AbortSignal) => lead(key, signal),
      onProblem: (error: unknown) => onProblem(key, error),
    };
    // By name: the same port each time, also for another engine of this home.
    let tried = 0;
    for (const port of portsFor(textOf(key), new Set())) {
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

  return {
    async portFor(key) {
      const text = textOf(key);
      let found = open.get(text);
      if (found === undefined) {
        found = { key, door: openDoor(key) };
        open.set(text, found);
        found.door.catch(() => open.delete(text));
      }
      return (await found.door).port;
    },
    async keepOnly(wanted) {
      for (const [text, { key }] of open) if (!wanted(key)) await closeAt(text);
    },
    async close() {
      for (const text of [...open.keys()]) await closeAt(text);
    },
  };
}
