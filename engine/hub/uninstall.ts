/** Takes our engine away from a host that holds nothing any more. */
import type { Link } from '../link/link.ts';
import { createHostClient } from './hostClient.ts';
import { fail } from '../protocol/errors.ts';
import type { Overview } from '../protocol/events.ts';
import type { Person } from './people.ts';
import type { RemoteHost } from './remoteHost.ts';

/**
 * Resolves with paths there that are not ours and stay; the host is closed then, also after an error that comes late. Its login may ask.
 * Errors: `host_in_use`, `uninstall_refused`, `not_supported`, those of the link.
 */
export async function uninstallThere(
  host: RemoteHost,
  link: Link,
  signal: AbortSignal,
  person: Person,
): Promise<readonly string[]> {
  const uninstall = link.uninstall?.bind(link);
  if (uninstall === undefined) throw fail('not_supported', { feature: 'Taking away what was brought there' });
  const transport = await host.reach(signal, person);
  const client = createHostClient({ host: host.known.name, clock: host.clock }, transport, 'engine');
  const overview = await client.call('overview', {}, { signal });
  refuseUsed(host.known.name, overview);
  return host.logIn(signal, person, (opening) =>
    uninstall({
      ...opening,
      // Its bridge would start the engine anew.
      onBegin: () => host.close(),
    }),
  );
}

function refuseUsed(host: string, { environments, snapshots, clones, checkouts, hosts }: Overview): void {
  if (environments.length + snapshots.length + clones.length > 0)
    throw fail('host_in_use', {
      host,
      environments: environments.map(({ name }) => name),
      clones: clones.map(({ name }) => name),
    });
  if (checkouts.length > 0 || hosts.length > 1) {
    const problem = 'somebody there uses its engine for checkouts or hosts of their own';
    throw fail('uninstall_refused', { host, problem });
  }
}
