/** Follows one host, without the delay that the tree takes for its rows. */
import type { Host } from '../../engine/protocol/entities.ts';
import type { Subscription } from '../engine/emitter.ts';
import type { Services } from '../services.ts';

/** Calls with each state of the host, the present one first; undefined: there is none of this name. */
export function onHost(
  { session }: Pick<Services, 'session'>,
  name: string,
  listener: (host: Host | undefined) => void,
): Subscription {
  const now = (): void => listener(session.model.hosts.get(name));
  const subscriptions = [
    session.onEvent((event) => {
      if (event.kind === 'host' && event.entity.name === name) listener(event.entity);
    }),
    // Everything was read again.
    session.model.onDidChange(now),
  ];
  now();
  return {
    dispose() {
      for (const subscription of subscriptions) subscription.dispose();
    },
  };
}
