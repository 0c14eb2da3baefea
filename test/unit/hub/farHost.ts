/** An engine in memory on another host, behind a bridge and a link of this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App } from '../../../engine/http/app.ts';
import { listen, type Listening } from '../../../engine/http/listen.ts';
import { serveBridge } from '../../../engine/link/bridge.ts';
import { createFakeLink, type FarEnd } from '../../../engine/link/fake/fakeLink.ts';
import type { Link, OpenOptions } from '../../../engine/link/link.ts';
import { createClient } from '../../../engine/protocol/client.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { createTransport } from '../../../engine/protocol/node/transport.ts';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { caller, cloneName, ref } from '../../support/memoryEngine.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';

export interface FarHost {
  memory: MemoryApp;
  link: Link;
  /** Links that are open. */
  open: Set<FarEnd>;
  /** Nobody gets there any more, until it is undone. */
  down: string | undefined;
  /** The protocol of its engine. */
  speaks: number;
  /** What comes before the stream is the bridge's: its questions, its refusal. */
  login: (opening: OpenOptions) => Promise<void>;
  close(): Promise<void>;
}

export async function openFarHost(name: string, seed: number): Promise<FarHost> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-far-'));
  const memory = await openMemoryApp({ seed });
  const socket = join(folder, 's');
  const app: App = async (request) => {
    if (host.speaks === protocolVersion) return memory.app(request);
    const { status, document } = fail('protocol_mismatch', { engine: host.speaks, client: protocolVersion });
    return { status, headers: {}, body: JSON.stringify({ error: document }) };
  };
  const listening: Listening = await listen(app, { socket, tcpPort: null });
  const transport = createTransport({ socketPath: socket });
  const client = createClient({ transport, user: 'bridge', token });
  const host: FarHost = {
    memory,
    open: new Set(),
    down: undefined,
    speaks: protocolVersion,
    login: async () => undefined,
    link: createFakeLink({
      name,
      async serve(end, opening) {
        if (host.down !== undefined) throw new Error(host.down);
        await host.login(opening);
        host.open.add(end);
        void serveBridge({ bytes: end.bytes, engine: async () => ({ socket, token, client }) }).then(() =>
          host.open.delete(end),
        );
      },
    }),
    async close() {
      memory.end();
      for (const end of host.open) end.end('the test is over');
      transport.close();
      await listening.close();
      await (await memory.hub).close();
      await memory.engine.close();
      await rm(folder, { recursive: true });
    },
  };
  return host;
}

export async function withClone(
  { engine }: MemoryApp,
  environment: string,
  clone: string,
  text = 'first',
): Promise<void> {
  engine.declare(environment, { orders: text });
  await engine.done(({ environments }) => environments.refresh(ref(environment), {}, caller));
  await engine.done(({ clones }) =>
    clones.create({ environment: ref(environment), name: cloneName(clone) }, caller),
  );
}
