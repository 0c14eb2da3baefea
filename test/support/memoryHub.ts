/** A hub without files: other hosts behind links that a test gives, and what is kept of them in memory. */
import { createHub, type Hub } from '../../engine/hub/hub.ts';
import { openDeclinedHosts } from '../../engine/hub/declinedHosts.ts';
import { openKnownHosts, type KnownHost } from '../../engine/hub/knownHosts.ts';
import { keptDoorsIn } from '../../engine/hub/keptDoors.ts';
import { loopbackDoors } from '../../engine/hub/loopbackDoors.ts';
import { openRememberedClones } from '../../engine/hub/rememberedClones.ts';
import type { Life } from '../../engine/life.ts';
import type { Link } from '../../engine/link/link.ts';
import type { Clock } from '../../engine/ports/clock.ts';
import type { Log } from '../../engine/ports/log.ts';
import { systemClock, systemRandom } from '../../engine/process/clock.ts';
import type { KeptText } from '../../engine/process/keptText.ts';
import { fail } from '../../engine/protocol/errors.ts';
import { ownEnvironments, ownIds, ownPorts, refuser } from '../../engine/startHub.ts';

export interface MemoryHubOptions {
  /** By the name of the host; those that are known from the start. */
  links: Readonly<Record<string, Link>>;
  life: Pick<Life, 'present'>;
  log: Log;
  /** What an earlier hub kept, by the name of the host; this one's own goes there too. */
  kept?: Map<string, string>;
  /** Default: real time. */
  clock?: Clock;
}

export const textIn = (kept: Map<string, string>, name: string): KeptText => ({
  read: async () => kept.get(name),
  write: async (text) => void kept.set(name, text),
  remove: async () => void kept.delete(name),
});

export async function openMemoryHub(options: MemoryHubOptions): Promise<Hub> {
  const { links, life, log, kept = new Map<string, string>(), clock = systemClock } = options;
  const addedAt = '2026-11-20T03:00:00.000Z';
  const hosts = Object.entries(links).map(([name, { address }]) => ({ name, kind: 'ssh', address, addedAt }));
  if (!kept.has('hosts')) kept.set('hosts', JSON.stringify({ format: 1, hosts }));
  return createHub({
    known: await openKnownHosts(textIn(kept, 'hosts'), 'hosts.json'),
    declined: await openDeclinedHosts(textIn(kept, 'declined'), log),
    linkTo(host: KnownHost) {
      const link = links[host.name];
      if (link === undefined)
        throw fail('host_unreachable', { host: host.name, problem: 'no link leads there' });
      return link;
    },
    keptOf: ({ name }) => textIn(kept, `host ${name}`),
    doors: loopbackDoors(refuser(life)),
    remembered: await openRememberedClones(textIn(kept, 'remembered'), systemClock.now().toISOString(), log),
    keptDoors: keptDoorsIn(textIn(kept, 'doors'), log),
    ownPorts: () => ownPorts(life),
    ...{ clock, random: systemRandom, log },
    publish: (event) => life.present()?.context.feed.publish(event),
    isOwn: ownIds(life),
    ownEnvironments: () => ownEnvironments(life),
  });
}
