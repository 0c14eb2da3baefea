/** What a host tells of things that are another's: ids are random, so who tells of one wants to be taken for its holder. */
import type { EventBody } from '../protocol/events.ts';
import type { HeldKind } from './mirror.ts';
import type { HostView } from './qualified.ts';

/** Whether another host, or this machine, has an object of this id. */
export type HasElsewhere = (kind: HeldKind, id: string) => boolean;

export function isForged(event: EventBody, hasElsewhere: HasElsewhere): boolean {
  switch (event.kind) {
    case 'snapshot':
      return hasElsewhere('snapshots', event.entity.id);
    case 'clone':
      return hasElsewhere('clones', event.entity.id);
    case 'job':
      return hasElsewhere('jobs', event.entity.id);
    case 'snapshot.removed':
      return hasElsewhere('snapshots', event.id);
    case 'clone.removed':
      return hasElsewhere('clones', event.id);
    case 'job.removed':
      return hasElsewhere('jobs', event.id);
    case 'jobLine':
      return hasElsewhere('jobs', event.entity.job);
    case 'host':
    case 'environment':
    case 'environment.removed':
      // They carry the name of the host that tells of them.
      return false;
    case 'checkout':
    case 'checkout.removed':
    case 'resync':
      return false;
  }
}

/** A view without what is another's. */
export const honestView = (view: HostView, hasElsewhere: HasElsewhere): HostView => ({
  ...view,
  snapshots: view.snapshots.filter(({ id }) => !hasElsewhere('snapshots', id)),
  clones: view.clones.filter(({ id }) => !hasElsewhere('clones', id)),
  jobs: view.jobs.filter(({ id }) => !hasElsewhere('jobs', id)),
});
