/** All use cases over one context, and the order in which they come up and go down. */
import type { JobKind } from '../jobs/steps.ts';
import type { CloneId } from '../protocol/ids.ts';
import { createCheckouts, type Checkouts } from './checkouts/checkouts.ts';
import { createClones, type Clones } from './clones/clones.ts';
import type { ServiceContext } from './context.ts';
import { createCountedTime } from './upkeep/countedTime.ts';
import { createEnvironments, type Environments } from './environments/environments.ts';
import { createCleanUp, type CleanUp } from './upkeep/cleanUp.ts';
import { createHosts } from './checkouts/hosts.ts';
import { createOwnClones } from './checkouts/ownClones.ts';
import { createMigrations } from './checkouts/migrationReports.ts';
import { createRecovery, type RecoveryReport } from './recovery/recovery.ts';
import { createServers } from './clones/servers.ts';
import { createWatch } from './upkeep/watch.ts';

export interface Services {
  readonly clones: Clones;
  readonly environments: Environments;
  readonly checkouts: Checkouts;
  readonly cleanUp: CleanUp;
  readonly kinds: readonly JobKind[];
  /**
   * Call once, before anything else. Resolves when state and storage agree; the clones that should run are brought up
   * meanwhile, and all are watched until the signal aborts.
   */
  start(signal: AbortSignal): Promise<RecoveryReport>;
  /** Resolves when the clone is not being brought up: for requests that are of no use before. */
  settled(clone: CloneId): Promise<void>;
  /** Resolves when everything was brought up that should run. */
  broughtUp(): Promise<void>;
  /** Ends jobs and the watch; servers of clones go on. */
  close(): Promise<void>;
}

export function createServices(context: ServiceContext): Services {
  const servers = createServers(context);
  const time = createCountedTime(context, (jumpMs, now) => {
    for (const at of context.otherHosts.list()) at.moveTimes(jumpMs, now);
  });
  const clones = createClones(context, servers, time);
  const environments = createEnvironments(context);
  const own = createOwnClones(context, clones, environments);
  const hosts = createHosts(own, context.otherHosts);
  const checkouts = createCheckouts({
    ...{ context, hosts },
    migrations: createMigrations(context),
  });
  const cleanUp = createCleanUp({ context, hosts, followed: () => checkouts.followed(), time });
  const recovery = createRecovery(context, servers);
  const watch = createWatch(context, servers, clones, time);
  const kinds = [...clones.kinds, ...environments.kinds];
  let watching: Promise<void> = Promise.resolve();
  let following: Promise<void> = Promise.resolve();
  let cleaningUp: Promise<void> = Promise.resolve();
  let bringingUp: Promise<void> = Promise.resolve();
  let stop = new AbortController();
  return {
    clones,
    environments,
    checkouts,
    cleanUp,
    kinds,
    async start(signal) {
      time.resume();
      const report = await recovery.run(kinds);
      stop = new AbortController();
      const stopped = AbortSignal.any([signal, stop.signal]);
      const logged = (what: string) => (error: unknown) => {
        context.log.error(what, { problem: String(error) });
      };
      bringingUp = recovery.bringUp(stopped).catch(logged('bringing clones up ended'));
      watching = watch.run(stopped).catch(logged('the watch ended'));
      following = checkouts.start().catch(logged('following checkouts'));
      cleaningUp = cleanUp.run(stopped).catch(logged('the clean-up ended'));
      return report;
    },
    settled: (clone) => recovery.settled(clone),
    broughtUp: () => bringingUp,
    async close() {
      stop.abort();
      await following;
      await context.runner.close();
      await checkouts.close();
      await cleaningUp;
      await bringingUp;
      await watching;
    },
  };
}
