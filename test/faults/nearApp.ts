/** The engine of this machine, in memory, joined to real hosts by links. */
import type { Link } from '../../engine/link/link.ts';
import type { Clock } from '../../engine/ports/clock.ts';
import { createClient, type Client } from '../../engine/protocol/client.ts';
import { until } from '../support/workOfClient.ts';
import { openMemoryApp, token } from '../unit/http/memoryApp.ts';

export interface NearApp {
  client: Client;
  close(): Promise<void>;
}

/** Resolves when it knows one environment of each host. `clock`: of this machine. */
export async function openNearApp(links: Readonly<Record<string, Link>>, clock?: Clock): Promise<NearApp> {
  const near = await openMemoryApp({ links, ...(clock !== undefined && { clock }) });
  const client = createClient({ transport: near.transport, user: 'me', token });
  const count = Object.keys(links).length;
  await until(async () => (await client.call('overview', {})).environments.length === count, 5);
  return {
    client,
    async close() {
      near.end();
      await (await near.hub).close();
      await near.engine.close();
    },
  };
}
