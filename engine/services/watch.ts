/** Looks after running clones and the host: notices servers that ended, measures what changed, lets idle ones go. */
import { tellServers } from '../domain/cloneRow.ts';
import { idleness, isExpired, type Idleness } from '../domain/expiry.ts';
import { isWorthTelling } from '../domain/hostChange.ts';
import type { Host } from '../protocol/entities.ts';
import { isFailure, toFailure } from '../protocol/errors.ts';
import { referenceSchema, type CloneId } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import { startOptions } from './clones/cloneServers.ts';
import type { Clones } from './clones/clones.ts';
import { all, databaseOf, type ServiceContext } from './context.ts';
import type { CountedTime } from './countedTime.ts';
import { hostEntity } from './hosts.ts';
import { createLooks } from './looks.ts';
import type { Servers } from './clones/servers.ts';

/** A killed server is reported within this time. */
const livenessIntervalMs = 1000;
const usageIntervalMs = 10_000;
const idleIntervalMs = 30_000;
const hostIntervalMs = 10_000;
/** What no sign tells, such as rows that were only marked as read, is measured after this long. */
const remeasureAfterMs = 600_000;
const looksAtOnce = 12;
/** Each opens a session, for which the server starts a process. */
const sessionsAtOnce = 4;

export interface Watch {
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createWatch(
  context: ServiceContext,
  servers: Servers,
  clones: Clones,
  time: CountedTime,
): Watch {
  const { store, storage, clock, log, catalog, runner, feed } = context;

  /** The record as it is now, if nothing works on it: whatever a look found may be old. */
  const quiet = (clone: CloneRecord): CloneRecord | undefined => {
    const current = store.clones.get(clone.id);
    const busy = runner.holder([{ key: clone.id, mode: 'exclusive' }]) !== undefined;
    return busy || current?.generation !== clone.generation ? undefined : current;
  };

  const checkAlive = async (clone: CloneRecord): Promise<void> => {
    // Whoever is at work on it tells what comes of that, and may take as long as it likes.
    if (quiet(clone) === undefined || clone.members.some((member) => servers.isAtWork(member))) return;
    const running = await all(clone.members, (member) => servers.running(member));
    const current = quiet(clone);
    // Nothing ended that was not known to be stopped.
    if (
      current === undefined ||
      current.members.every(({ state }, index) => state !== 'ready' || running[index])
    )
      return;
    if (current.state !== 'ready' && current.state !== 'stopped') return;
    const ended = clone.members.filter((_, index) => running[index] !== true).map(({ name }) => name);
    log.warning('a server ended by itself', { clone: clone.id, members: ended });
    const problem = `The server of ${ended.join(', ')} ended. The data is as it was; start it again.`;
    store.clones.put(tellServers(current, running, problem));
  };

  const measured = new Map<CloneId, { sign: string; atMs: number }>();

  /** Differs when what the clone occupies, or shares with snapshots, may have changed. */
  const signOf = async ({ environment, members }: CloneRecord): Promise<string> => {
    const signs = await all(members, async ({ engine, dataset }) => [
      dataset,
      await databaseOf(context, engine).changeSign(storage.path(dataset)),
    ]);
    const sharers = store.snapshots.list().filter((snapshot) => snapshot.environment === environment);
    return JSON.stringify([signs, sharers.map(({ id, state }) => [id, state])]);
  };

  const measure = async (clone: CloneRecord): Promise<void> => {
    const before = measured.get(clone.id);
    const sign = await signOf(clone);
    const atMs = clock.monotonic();
    if (before?.sign === sign && atMs - before.atMs < remeasureAfterMs) return;
    const usages = await all(clone.members, ({ dataset }) => storage.usage(dataset));
    const current = quiet(clone);
    if (current === undefined) return;
    measured.set(clone.id, { sign, atMs });
    const unshared = usages.some((usage) => usage.unshared === null)
      ? null
      : usages.reduce((sum, usage) => sum + (usage.unshared ?? 0), 0);
    const logical = usages.reduce((sum, usage) => sum + usage.logical, 0);
    if (current.bytes.unshared === unshared && current.bytes.logical === logical) return;
    store.clones.put({ ...current, bytes: { unshared, logical } });
  };

  const idle = new Map<CloneId, Idleness>();

  const isUsed = async (clone: CloneRecord): Promise<boolean> => {
    if (clone.state !== 'ready') return false;
    const options = startOptions(context, clone);
    const counts = await all(clone.members, async (member) => {
      const spec = await servers.spec(member, options);
      return databaseOf(context, member.engine).connections(spec);
    });
    return counts.some((count) => count > 0);
  };

  const checkIdle = async (clone: CloneRecord): Promise<void> => {
    const { idleTtl } = catalog.environment(clone.environment).definition.clones;
    if (idleTtl === undefined) {
      idle.delete(clone.id);
      return;
    }
    const used = await isUsed(clone);
    // First, since it may move the end of the protection.
    const now = time.now().toISOString();
    const current = quiet(clone);
    if (current === undefined) return;
    const usedAt = used ? now : current.usedAt;
    if (used) store.clones.put({ ...current, usedAt });
    const seen = idleness(idle.get(clone.id), { usedAt, isUsed: used, lookedMs: clock.monotonic() });
    idle.set(clone.id, seen);
    if (!isExpired({ ...current, idleMs: seen.ms }, idleTtl, now)) return;
    log.info('destroying an idle clone', { clone: clone.id, name: clone.name, idleTtl });
    clones.destroy(referenceSchema.parse(clone.id), { user: `idle time-to-live of ${clone.environment}` });
  };

  let told: Host | undefined;
  const tellHost = async (): Promise<void> => {
    const entity = await hostEntity(context.host, storage, null);
    const isNews = told !== undefined && isWorthTelling(told, entity);
    if (isNews) feed.publish({ kind: 'host', entity });
    if (told === undefined || isNews) told = entity;
  };

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

  /** Whoever starts a clone tells how that ended. */
  const isStarting = ({ members }: CloneRecord): boolean => members.some(({ state }) => state === 'starting');
  const ready = (): readonly CloneRecord[] => store.clones.list().filter(({ state }) => state === 'ready');

  /** Of a stopped clone some servers may still run. */
  const withServers = (): readonly CloneRecord[] =>
    store.clones
      .list()
      .filter(({ state, members }) =>
        state === 'stopped' ? members.some((member) => member.state === 'ready') : state === 'ready',
      )
      .filter((clone) => !isStarting(clone));

  const forgetGone = (kept: Map<CloneId, unknown>): void => {
    for (const id of kept.keys()) if (store.clones.get(id) === undefined) kept.delete(id);
  };

  const looks = {
    alive: createLooks(clock, 1000),
    usage: createLooks(clock, 30_000),
    idle: createLooks(clock, 5000),
  };
  /** What is slow or hangs in one row must not hide what another would see. */
  const rows: readonly { everyMs: number; look: () => Promise<void> }[] = [
    {
      everyMs: livenessIntervalMs,
      look: () => looks.alive.at(withServers(), looksAtOnce, saying('liveness', checkAlive)),
    },
    {
      everyMs: livenessIntervalMs,
      look: async () => void time.now(),
    },
    {
      everyMs: usageIntervalMs,
      async look() {
        forgetGone(measured);
        // One after another: measuring reads a lot.
        await looks.usage.at(ready(), 1, saying('usage', measure));
      },
    },
    {
      everyMs: idleIntervalMs,
      async look() {
        forgetGone(idle);
        time.note();
        await looks.idle.at(store.clones.list(), sessionsAtOnce, saying('idle', checkIdle));
      },
    },
    { everyMs: hostIntervalMs, look: tellHost },
  ];

  async function repeat({ everyMs, look }: (typeof rows)[number], signal: AbortSignal): Promise<void> {
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
