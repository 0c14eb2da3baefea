/** What a host holds, kept up to date by its events: pure, and the same after a restart from what was kept of it. */
import type { Host } from '../protocol/entities.ts';
import type { EventBody } from '../protocol/events.ts';
import type { HostView } from './qualified.ts';

/** Finished jobs that are kept of a host, as its own overview has them. */
const mostJobs = 100;

/** What has an id. */
export type HeldKind = 'snapshots' | 'clones' | 'jobs';

export interface Mirror {
  view(): HostView;
  holds(kind: HeldKind, id: string): boolean;
  replace(view: HostView): void;
  /** Events as they are called here. */
  apply(event: EventBody): void;
}

export function createMirror(first: HostView): Mirror {
  let host: Host = first.host;
  const environments = byKey(first.environments, ({ name }) => name);
  const snapshots = byKey(first.snapshots, ({ id }) => id);
  const clones = byKey(first.clones, ({ id }) => id);
  const jobs = byKey(first.jobs, ({ id }) => id);
  const held = { snapshots, clones, jobs };

  return {
    holds: (kind, id) => held[kind].has(id),
    view: () => ({
      host,
      environments: environments.list(),
      snapshots: snapshots.list(),
      clones: clones.list(),
      jobs: jobs.list(),
    }),
    replace(view) {
      host = view.host;
      environments.replace(view.environments);
      snapshots.replace(view.snapshots);
      clones.replace(view.clones);
      jobs.replace(view.jobs);
    },
    apply(event) {
      switch (event.kind) {
        case 'host':
          host = event.entity;
          break;
        case 'environment':
          environments.put(event.entity);
          break;
        case 'environment.removed':
          environments.remove(event.name);
          break;
        case 'snapshot':
          snapshots.put(event.entity);
          break;
        case 'snapshot.removed':
          snapshots.remove(event.id);
          break;
        case 'clone':
          clones.put(event.entity);
          break;
        case 'clone.removed':
          clones.remove(event.id);
          break;
        case 'job':
          jobs.put(event.entity);
          jobs.forget(({ endedAt }) => endedAt !== null, mostJobs);
          break;
        case 'job.removed':
          jobs.remove(event.id);
          break;
        case 'jobLine':
        case 'checkout':
        case 'checkout.removed':
        case 'resync':
          break;
      }
    },
  };
}

/** Entities in the order of the overview: the newest first, as far as they were told of in the order of their making. */
function byKey<Entity>(first: readonly Entity[], keyOf: (entity: Entity) => string) {
  let entities = new Map(first.map((entity) => [keyOf(entity), entity]));
  return {
    list: (): Entity[] => [...entities.values()],
    has: (key: string): boolean => entities.has(key),
    replace(next: readonly Entity[]): void {
      entities = new Map(next.map((entity) => [keyOf(entity), entity]));
    },
    put(entity: Entity): void {
      const key = keyOf(entity);
      if (entities.has(key)) entities.set(key, entity);
      else entities = new Map([[key, entity], ...entities]);
    },
    remove(key: string): void {
      entities.delete(key);
    },
    /** The oldest of those that may go, where there are more than this of them. */
    forget(mayGo: (entity: Entity) => boolean, most: number): void {
      const those = [...entities].filter(([, entity]) => mayGo(entity));
      for (const [key] of those.slice(most)) entities.delete(key);
    },
  };
}
