/** Brings the rows of clones and snapshots to what the storage holds and no job works on. */
import { atRest } from '../../domain/cloneRow.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { ServiceContext } from '../context.ts';
import { stillAtWork } from './stillAtWork.ts';

const lostProblem = 'Its data is no longer in the storage.';

/** What a job that this version could not understand, or an undo that failed, left in between. */
export function settleRows(context: ServiceContext): void {
  const { store } = context;
  const busy = stillAtWork(context);
  for (const clone of store.clones.list()) {
    if (busy.on(clone.id) || ['ready', 'stopped', 'failed'].includes(clone.state)) continue;
    // Nobody has seen it, and its copy may be half: its data is swept as unfinished.
    if (clone.state === 'creating') store.clones.remove(clone.id);
    else store.clones.put(clone.stoppedBy === null ? { ...clone, state: 'ready' } : atRest(clone));
  }
  for (const snapshot of store.snapshots.list()) {
    if (busy.on(snapshot.id) || snapshot.state === 'ready') continue;
    if (snapshot.state === 'deleting') store.snapshots.put({ ...snapshot, state: 'ready' });
    else store.snapshots.remove(snapshot.id);
  }
}

export function markLost(context: ServiceContext, lost: ReadonlySet<DatasetId>): void {
  const { store } = context;
  const busy = stillAtWork(context);
  for (const clone of store.clones.list()) {
    if (busy.on(clone.id)) continue;
    const isLost = clone.members.some(({ dataset }) => lost.has(dataset));
    if (isLost) {
      const members = clone.members.map((member) => ({ ...member, state: 'failed' as const }));
      store.clones.put({ ...clone, state: 'failed', members, problem: lostProblem });
    } else if (clone.state === 'failed' && clone.problem === lostProblem) {
      store.clones.put(
        clone.stoppedBy === null ? { ...clone, state: 'ready', problem: null } : atRest(clone),
      );
    }
  }
}

/** Nobody looked while no engine ran, so nobody knows that a clone was idle: its time begins anew. */
export function beginIdleTimeAnew({ store, catalog, clock }: ServiceContext): void {
  const now = clock.now().toISOString();
  store.transaction(() => {
    for (const clone of store.clones.list()) {
      const { idleTtl } = catalog.environment(clone.environment).definition.clones;
      if (idleTtl !== undefined) store.clones.put({ ...clone, usedAt: now });
    }
  });
}
