/** `thin-clones engine bridge`: the far end of a link to this machine's engine, on standard input and output. */
import { Duplex } from 'node:stream';
import { serveBridge, type FoundEngine } from '../link/bridge.ts';
import type { EngineConnection } from '../protocol/node/launch.ts';

/** `connect`: as `connectEngine`, which starts an engine when none runs. */
export function bridge(connect: () => Promise<EngineConnection>): Promise<void> {
  let current: Promise<EngineConnection> | undefined;
  return serveBridge({
    bytes: Duplex.from({ readable: process.stdin, writable: process.stdout }),
    async engine(anew): Promise<FoundEngine> {
      if (anew) {
        // best effort: what is replaced may never have been there
        current?.then((connection) => connection.close()).catch(() => undefined);
        current = undefined;
      }
      current ??= connect();
      try {
        const { client, discovery } = await current;
        return { client, socket: discovery.socket, token: discovery.token };
      } catch (error) {
        current = undefined;
        throw error;
      }
    },
  });
}
