/** Looks after running clones: notices servers that ended, measures what clones occupy, lets idle ones go. */
import { isExpired } from '../domain/expiry.ts';
import { isFailure, toFailure } from '../protocol/errors.ts';
import { referenceSchema } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { Clones } from './clones.ts';
import { all, databaseOf, type ServiceContext } from './context.ts';
import type { Servers } from './servers.ts';

/** A killed server is reported within this time. */
const livenessIntervalMs = 1000;
const usageEvery = 10;
const idleEvery = 30;

export interface Watch {
  /** One look at everything, as the timer does it. */
  look(round: number): Promise<void>;
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createWatch(context: ServiceContext, servers: Servers, clones: Clones): Watch {
  const { store, storage, clock, log, catalog, runner } = context;

  /** The record as it is now, if nothing works on it: whatever a look found may be old. */
  const quiet = (clone: CloneRecord): CloneRecord | undefined => {
    const current = store.clones.get(clone.id);
    const busy = runner.holder([{ key: clone.id, mode: 'exclusive' }]) !== undefined;
    return busy || current?.generation !== clone.generation ? undefined : current;
  };

  const checkAlive = async (clone: CloneRecord): Promise<void> => {
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
    store.clones.put({
      ...current,
      state: 'stopped',
      members: current.members.map((member, index) => ({
        ...member,
        state: running[index] === true ? 'ready' : 'stopped',
      })),
      problem: `The server of ${ended.join(', ')} ended. The data is as it was; start it again.`,
    });
  };

  const measure = async (clone: CloneRecord): Promise<void> => {
    const usages = await all(clone.members, ({ dataset }) => storage.usage(dataset));
    const current = quiet(clone);
    if (current === undefined) return;
    const unshared = usages.some((usage) => usage.unshared === null)
      ? null
      : usages.reduce((sum, usage) => sum + (usage.unshared ?? 0), 0);
    const logical = usages.reduce((sum, usage) => sum + usage.logical, 0);
    if (current.bytes.unshared === unshared && current.bytes.logical === logical) return;
    store.clones.put({ ...current, bytes: { unshared, logical } });
  };

  const checkIdle = async (clone: CloneRecord): Promise<void> => {
    const { idleTtl, durable } = catalog.environment(clone.environment).definition.clones;
    if (idleTtl === undefined) return;
    if (clone.state === 'ready') {
      const counts = await all(clone.members, async (member) => {
        const spec = await servers.spec(member, { title: clone.name, durable: durable ?? true });
        return databaseOf(context, member.engine).connections(spec);
      });
      const current = quiet(clone);
      if (current !== undefined && counts.some((count) => count > 0)) {
        store.clones.put({ ...current, usedAt: clock.now().toISOString() });
      }
    }
    const current = quiet(clone);
    const now = { ms: clock.now().getTime(), text: clock.now().toISOString() };
    if (
      current === undefined ||
      !isExpired({ ...current, usedAtMs: Date.parse(current.usedAt) }, idleTtl, now)
    )
      return;
    log.info('destroying an idle clone', { clone: clone.id, name: clone.name, idleTtl });
    clones.destroy(referenceSchema.parse(clone.id), { user: `idle time-to-live of ${clone.environment}` });
  };

  const each = async (
    list: readonly CloneRecord[],
    what: string,
    look: (clone: CloneRecord) => Promise<void>,
  ) => {
    for (const clone of list) {
      try {
        await look(clone);
      } catch (error) {
        // A clone that goes away under a look is no problem; anything else is logged and seen again next time.
        if (!isFailure(error, 'not_found'))
          log.warning(what, { clone: clone.id, problem: toFailure(error).message });
      }
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

  const look = async (round: number): Promise<void> => {
    await each(withServers(), 'liveness', checkAlive);
    await slowLook(round);
  };

  return {
    look,
    async run(signal) {
      // A server that hangs, or a slow storage, must not hide that another server ended: two rows of looks.
      const rows = [slowLook, () => each(withServers(), 'liveness', checkAlive)];
      await Promise.all(rows.map((row) => repeat(row, signal)));
    },
  };

  async function slowLook(round: number): Promise<void> {
    if (round % usageEvery === 1) await each(ready(), 'usage', measure);
    if (round % idleEvery === 2) await each(store.clones.list(), 'idle', checkIdle);
  }

  async function repeat(row: (round: number) => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let round = 1; ; round++) {
      try {
        await clock.sleep(livenessIntervalMs, signal);
        await row(round);
      } catch (error) {
        if (signal.aborted) return;
        // A state that can't be read at this moment must not end the watch.
        log.error('watch', { problem: toFailure(error).message });
      }
    }
  }
}
