/** Lets clones go that nobody used for the time-to-live of their environment. */
import { idleness, isExpired, type Idleness } from '../../domain/expiry.ts';
import { referenceSchema, type CloneId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { startOptions } from '../clones/cloneServers.ts';
import type { Clones } from '../clones/clones.ts';
import type { Servers } from '../clones/servers.ts';
import { all, databaseOf, type ServiceContext } from '../context.ts';
import type { CountedTime } from './countedTime.ts';
import { quiet } from './quiet.ts';

export interface IdleClones {
  readonly check: (clone: CloneRecord) => Promise<void>;
  /** What is kept of clones that are gone. */
  forgetGone(): void;
}

export function createIdleClones(
  context: ServiceContext,
  servers: Servers,
  clones: Clones,
  time: CountedTime,
): IdleClones {
  const { store, clock, log, catalog } = context;
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

  return {
    async check(clone) {
      const { idleTtl } = catalog.environment(clone.environment).definition.clones;
      if (idleTtl === undefined) {
        idle.delete(clone.id);
        return;
      }
      const used = await isUsed(clone);
      // First, since it may move the end of the protection.
      const now = time.now().toISOString();
      const current = quiet(context, clone);
      if (current === undefined) return;
      const usedAt = used ? now : current.usedAt;
      if (used) store.clones.put({ ...current, usedAt });
      const seen = idleness(idle.get(clone.id), { usedAt, isUsed: used, lookedMs: clock.monotonic() });
      idle.set(clone.id, seen);
      if (!isExpired({ ...current, idleMs: seen.ms }, idleTtl, now)) return;
      log.info('destroying an idle clone', { clone: clone.id, name: clone.name, idleTtl });
      clones.destroy(referenceSchema.parse(clone.id), { user: `idle time-to-live of ${clone.environment}` });
    },
    forgetGone() {
      for (const id of idle.keys()) if (store.clones.get(id) === undefined) idle.delete(id);
    },
  };
}
