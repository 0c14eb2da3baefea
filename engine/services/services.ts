/** All use cases over one context, and the order in which they come up and go down. */
import type { JobKind } from '../jobs/steps.ts';
import { createClones, type Clones } from './clones.ts';
import type { ServiceContext } from './context.ts';
import { createEnvironments, type Environments } from './environments.ts';
import { createRecovery, type RecoveryReport } from './recovery.ts';
import { createServers } from './servers.ts';
import { createWatch } from './watch.ts';

export interface Services {
  readonly clones: Clones;
  readonly environments: Environments;
  readonly kinds: readonly JobKind[];
  /** Call once, before anything else; then the clones are watched until the signal aborts. */
  start(signal: AbortSignal): Promise<RecoveryReport>;
  /** Ends jobs and the watch; servers of clones go on. */
  close(): Promise<void>;
}

export function createServices(context: ServiceContext): Services {
  const servers = createServers(context);
  const clones = createClones(context, servers);
  const environments = createEnvironments(context);
  const recovery = createRecovery(context, servers);
  const watch = createWatch(context, servers, clones);
  const kinds = [...clones.kinds, ...environments.kinds];
  let watching: Promise<void> = Promise.resolve();
  let stop = new AbortController();
  return {
    clones,
    environments,
    kinds,
    async start(signal) {
      const report = await recovery.run(kinds);
      stop = new AbortController();
      watching = watch.run(AbortSignal.any([signal, stop.signal])).catch((error: unknown) => {
        context.log.error('the watch ended', { problem: String(error) });
      });
      return report;
    },
    async close() {
      stop.abort();
      await context.runner.close();
      await watching;
    },
  };
}
