/** Looks after running clones and the host: when which look is due, and that none keeps another from its own. */
import { isWorthTelling } from '../../domain/hostChange.ts';
import type { Host } from '../../protocol/entities.ts';
import { isFailure, toFailure } from '../../protocol/errors.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { Clones } from '../clones/clones.ts';
import type { Servers } from '../clones/servers.ts';
import type { ServiceContext } from '../context.ts';
import { createCertificateLook } from './certificates.ts';
import type { CountedTime } from './countedTime.ts';
import { hostEntity } from './hosts.ts';
import { createIdleClones } from './idleClones.ts';
import { checkAlive, withServers } from './liveness.ts';
import { createLooks } from './looks.ts';
import { createUsage } from './usage.ts';

/** A killed server is reported within this time. */
const livenessIntervalMs = 1000;
const usageIntervalMs = 10_000;
const idleIntervalMs = 30_000;
const hostIntervalMs = 10_000;
const certificateIntervalMs = 3_600_000;
const looksAtOnce = 12;
/** Each opens a session, for which the server starts a process. */
const sessionsAtOnce = 4;

export interface Watch {
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface Row {
  everyMs: number;
  look: () => Promise<void>;
}

export function createWatch(
  context: ServiceContext,
  servers: Servers,
  clones: Clones,
  time: CountedTime,
): Watch {
  const { store, clock, log } = context;
  const usage = createUsage(context);
  const idle = createIdleClones(context, servers, clones, time);

  const saying =
    (what: string, look: (clone: CloneRecord) => Promise<void>) =>
    async (clone: CloneRecord): Promise<void> => {
      try {
        await look(clone);
      } catch (error) {
        // A clone that goes away under a look is no problem; anything else is logged and seen again next time.
        if (!isFailure(error, 'not_found'))
          log.warning(what, { clone: clone.id, problem: toFailure(error).message });
      }
    };

  const looks = {
    alive: createLooks(clock, 1000),
    usage: createLooks(clock, 30_000),
    idle: createLooks(clock, 5000),
  };
  const alive = saying('liveness', (clone) => checkAlive(context, servers, clone));
  /** What is slow or hangs in one row must not hide what another would see. */
  const rows: readonly Row[] = [
    {
      everyMs: livenessIntervalMs,
      look: () => looks.alive.at(withServers(context), looksAtOnce, alive),
    },
    {
      everyMs: livenessIntervalMs,
      look: async () => void time.now(),
    },
    {
      everyMs: usageIntervalMs,
      async look() {
        usage.forgetGone();
        const ready = store.clones.list().filter(({ state }) => state === 'ready');
        // One after another: measuring reads a lot.
        await looks.usage.at(ready, 1, saying('usage', usage.measure));
      },
    },
    {
      everyMs: idleIntervalMs,
      async look() {
        idle.forgetGone();
        time.note();
        await looks.idle.at(store.clones.list(), sessionsAtOnce, saying('idle', idle.check));
      },
    },
    { everyMs: hostIntervalMs, look: createHostNews(context) },
    { everyMs: certificateIntervalMs, look: createCertificateLook(context, servers) },
  ];

  async function repeat({ everyMs, look }: Row, signal: AbortSignal): Promise<void> {
    for (let ms = livenessIntervalMs; ; ms = everyMs) {
      try {
        await clock.sleep(ms, signal);
        await look();
      } catch (error) {
        if (signal.aborted) return;
        // A state that can't be read at this moment must not end the watch.
        log.error('watch', { problem: toFailure(error).message });
      }
    }
  }

  return {
    async run(signal) {
      await Promise.all(rows.map((row) => repeat(row, signal)));
    },
  };
}

function createHostNews({ machine, storage, feed, version }: ServiceContext): () => Promise<void> {
  let told: Host | undefined;
  return async () => {
    const entity = await hostEntity(machine, storage, null, version);
    const isNews = told !== undefined && isWorthTelling(told, entity);
    if (isNews) feed.publish({ kind: 'host', entity });
    if (told === undefined || isNews) told = entity;
  };
}
