/** What the routes of snapshots do. */
import type { HandlersOf } from '../server.ts';
import type { EngineAccess } from './access.ts';

export function snapshotHandlers({ running, once }: EngineAccess): HandlersOf<'snapshot'> {
  return {
    snapshotList: async ({ query }) => {
      const { store, catalog } = (await running()).context;
      const within =
        query.environment === undefined ? undefined : catalog.environment(query.environment).name;
      const records = store.snapshots
        .list()
        .filter(({ environment }) => within === undefined || environment === within);
      return { items: records.map((record) => catalog.snapshotEntity(record)) };
    },
    snapshotShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.snapshotEntity(catalog.snapshot(params.snapshot));
    },
    snapshotEdit: ({ params, body, caller }) =>
      once(caller, ({ environments }) => environments.editSnapshot(params.snapshot, body, caller)),
    snapshotDelete: ({ params, caller }) =>
      once(caller, ({ environments }) => environments.deleteSnapshot(params.snapshot, caller)),
  };
}
