/** Measures what clones occupy, of those alone that may have changed. */
import type { CloneId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { all, databaseOf, type ServiceContext } from '../context.ts';
import { quiet } from './quiet.ts';

export interface Usage {
  readonly measure: (clone: CloneRecord) => Promise<void>;
  /** What is kept of clones that are gone. */
  forgetGone(): void;
}

/** What no sign tells, such as rows that were only marked as read, is measured after this long. */
const remeasureAfterMs = 600_000;

export function createUsage(context: ServiceContext): Usage {
  const { store, storage, clock } = context;
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

  return {
    async measure(clone) {
      const before = measured.get(clone.id);
      const sign = await signOf(clone);
      const atMs = clock.monotonic();
      if (before?.sign === sign && atMs - before.atMs < remeasureAfterMs) return;
      const usages = await all(clone.members, ({ dataset }) => storage.usage(dataset));
      const current = quiet(context, clone);
      if (current === undefined) return;
      measured.set(clone.id, { sign, atMs });
      const unshared = usages.some((usage) => usage.unshared === null)
        ? null
        : usages.reduce((sum, usage) => sum + (usage.unshared ?? 0), 0);
      const logical = usages.reduce((sum, usage) => sum + usage.logical, 0);
      if (current.bytes.unshared === unshared && current.bytes.logical === logical) return;
      store.clones.put({ ...current, bytes: { unshared, logical } });
    },
    forgetGone() {
      for (const id of measured.keys()) if (store.clones.get(id) === undefined) measured.delete(id);
    },
  };
}
