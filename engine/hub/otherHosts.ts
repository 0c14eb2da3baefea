/** Gives the checkouts of this machine what the hub has joined to it. */
import type { InstallationId } from '../protocol/ids.ts';
import type { HostClones, OtherHosts } from '../services/checkouts/hostClones.ts';
import type { Hub } from './hub.ts';
import type { RemoteHost } from './remoteHost.ts';

/** `hub` resolves when it is known which hosts there are. */
export function createOtherHosts(hub: Promise<Hub>, installation: InstallationId): OtherHosts {
  let joined: Hub | undefined;
  const ready = hub.then(
    (made) => {
      joined = made;
    },
    () => undefined, // best effort: whoever asks the hub is told why there is none
  );
  const made = new WeakMap<RemoteHost, HostClones>();
  const clonesOf = (found: Hub, host: RemoteHost): HostClones => {
    const known = made.get(host) ?? found.clonesThere(host, installation);
    made.set(host, known);
    return known;
  };
  return {
    ready: () => ready,
    list() {
      const found = joined;
      return found === undefined ? [] : found.hosts().map((host) => clonesOf(found, host));
    },
    subscribe(listener) {
      let stop: (() => void) | undefined;
      let isOver = false;
      void ready.then(() => {
        if (!isOver) stop = joined?.subscribe(listener);
      });
      return () => {
        isOver = true;
        stop?.();
      };
    },
  };
}
