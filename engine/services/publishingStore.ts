/**
 * A store that tells the feed, after each commit, the entities that changed with it: also those whose entity follows
 * from another record (a snapshot's clones, an environment's latest snapshot).
 */
import type { Feed } from '../jobs/feed.ts';
import type { CloneId, EnvironmentName, SnapshotId } from '../protocol/ids.ts';
import type { CloneRecord, Store } from '../state/store.ts';
import { cloneEntity, createCatalog } from './catalog.ts';

export function publishingStore(store: Store, feed: Feed): Store {
  const changed = createChanged(store, feed);
  let depth = 0;
  const publish = (): void => {
    if (depth === 0) changed.publish();
  };

  return {
    ...store,
    transaction(change) {
      depth += 1;
      try {
        return store.transaction(change);
      } catch (error) {
        // A nested one is refused, and what the outer one changed is still to be told.
        if (depth === 1) changed.forget();
        throw error;
      } finally {
        depth -= 1;
        publish();
      }
    },
    environments: {
      ...store.environments,
      put(record) {
        store.environments.put(record);
        changed.environment(record.name);
        publish();
      },
      remove(name) {
        store.environments.remove(name);
        changed.environment(name);
        publish();
      },
    },
    snapshots: {
      ...store.snapshots,
      put(record) {
        store.snapshots.put(record);
        changed.snapshot(record.id);
        publish();
      },
      remove(id) {
        changed.snapshot(id);
        store.snapshots.remove(id);
        publish();
      },
    },
    clones: {
      ...store.clones,
      put(record) {
        const before = store.clones.get(record.id);
        store.clones.put(record);
        if (before === undefined || !isSameEntity(before, record)) changed.clone(record.id);
        if (before !== undefined && before.snapshot !== record.snapshot) changed.snapshot(before.snapshot);
        if (before?.snapshot !== record.snapshot) changed.snapshot(record.snapshot);
        publish();
      },
      remove(id) {
        const before = store.clones.get(id);
        store.clones.remove(id);
        changed.clone(id);
        if (before !== undefined) changed.snapshot(before.snapshot);
        publish();
      },
    },
    jobs: {
      ...store.jobs,
      put(record) {
        store.jobs.put(record);
        if (record.type === 'environment.refresh' && record.environment !== null) {
          if (store.environments.get(record.environment) !== undefined)
            changed.environment(record.environment);
        }
        publish();
      },
    },
  };
}

/** What the engine alone notes with a clone, such as when it was last used, is nothing to tell. */
const isSameEntity = (one: CloneRecord, other: CloneRecord): boolean =>
  JSON.stringify(cloneEntity(one)) === JSON.stringify(cloneEntity(other));

/** What is to be told when the change is made. */
interface Changed {
  environment(name: EnvironmentName): void;
  /** With its environment. One that is to go is named before it goes. */
  snapshot(id: SnapshotId): void;
  clone(id: CloneId): void;
  forget(): void;
  publish(): void;
}

function createChanged(store: Store, feed: Feed): Changed {
  const catalog = createCatalog({ store, feed });
  const environments = new Set<EnvironmentName>();
  const snapshots = new Set<SnapshotId>();
  const clones = new Set<CloneId>();
  const forget = (): void => {
    environments.clear();
    snapshots.clear();
    clones.clear();
  };
  return {
    environment: (name) => void environments.add(name),
    snapshot(id) {
      const record = store.snapshots.get(id);
      if (record === undefined) return;
      snapshots.add(id);
      environments.add(record.environment);
    },
    clone: (id) => void clones.add(id),
    forget,
    publish() {
      for (const id of clones) {
        const record = store.clones.get(id);
        feed.publish(
          record === undefined
            ? { kind: 'clone.removed', id }
            : { kind: 'clone', entity: cloneEntity(record) },
        );
      }
      for (const id of snapshots) {
        const record = store.snapshots.get(id);
        feed.publish(
          record === undefined
            ? { kind: 'snapshot.removed', id }
            : { kind: 'snapshot', entity: catalog.snapshotEntity(record) },
        );
      }
      for (const name of environments) {
        const record = store.environments.get(name);
        feed.publish(
          record === undefined
            ? { kind: 'environment.removed', name }
            : { kind: 'environment', entity: catalog.environmentEntity(record) },
        );
      }
      forget();
    },
  };
}
