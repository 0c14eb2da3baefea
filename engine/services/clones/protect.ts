/** Protects a clone from being destroyed, for a time or for ever, or ends that. */
import { busyWith } from '../../jobs/runner.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { Reference } from '../../protocol/ids.ts';
import type { CloneParts } from './parts.ts';
import { exclusiveLane } from '../laneKeys.ts';

/** Resolves when it stands on the data as well: a state that is lost must not lose it. Errors: `busy`. */
export async function protectClone(
  { context, tagging, time }: CloneParts,
  reference: Reference,
  minutes: number | 'forever' | null,
): Promise<Clone> {
  const { store, catalog, runner } = context;
  const clone = catalog.clone(reference);
  const holder = clone.state === 'destroying' ? runner.holder([exclusiveLane(clone)]) : undefined;
  if (holder !== undefined) throw busyWith(holder, { kind: 'clone', name: clone.name });
  const from = time.now();
  const protectedUntil =
    typeof minutes === 'number' ? new Date(from.getTime() + minutes * 60_000).toISOString() : minutes;
  // The jumps until now were not of this protection's time.
  const changed = { ...catalog.clone(clone.id), protectedUntil, countedAt: from.toISOString() };
  store.clones.put(changed);
  await tagging.write(clone.id);
  return catalog.cloneEntity(changed);
}
