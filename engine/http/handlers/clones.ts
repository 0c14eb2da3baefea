/** What the routes of clones do. */
import type { HandlersOf } from '../server.ts';
import type { Binding } from '../../domain/bindings.ts';
import type { InstallationId } from '../../protocol/ids.ts';
import type { EngineAccess } from './access.ts';

/** As the engine that has the clone writes it. */
const ofHolder = ({ installation, ...binding }: Binding, own: InstallationId): Binding => ({
  ...binding,
  installation: installation === own ? null : installation,
});

export function cloneHandlers({ running, trusted, growing, once }: EngineAccess): HandlersOf<'clone'> {
  return {
    cloneList: async ({ query }) => {
      const { store, catalog } = (await running()).context;
      const within =
        query.environment === undefined ? undefined : catalog.environment(query.environment).name;
      const records = store.clones
        .list()
        .filter(({ environment }) => within === undefined || environment === within);
      return { items: records.map((record) => catalog.cloneEntity(record)) };
    },
    cloneShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.cloneEntity(catalog.clone(params.clone));
    },
    cloneConnection: async ({ params }) => {
      const { context, services } = await running();
      await services.settled(context.catalog.clone(params.clone).id);
      return { items: services.clones.connection(params.clone) };
    },
    cloneChanges: async ({ params, signal }) =>
      (await running()).services.clones.changes(params.clone, signal),
    cloneDefinitions: async ({ params, signal }) => ({
      items: await (await running()).services.clones.definitions(params.clone, signal),
    }),
    cloneRead: async ({ params, body: { member, statements }, signal }) => {
      const { context, services } = await trusted();
      const clone = context.catalog.clone(params.clone);
      const asked = statements.map(({ text, values = [] }) => ({ text, values }));
      const results = await services.clones.reads.read(clone, member, asked, signal);
      return { items: results.map((rows) => [...rows]) };
    },
    cloneCreate: ({ body, caller }) =>
      once(caller, ({ clones }, { installation }) => {
        const binding = body.binding && ofHolder(body.binding, installation);
        return clones.create({ ...body, binding }, caller);
      }),
    cloneBind: ({ params, body: { binding, password }, caller }) =>
      once(caller, ({ clones }, { installation }) =>
        clones.bind(params.clone, binding && ofHolder(binding, installation), password, caller),
      ),
    cloneCopy: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.copy(params.clone, body, caller)),
    cloneReset: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.reset(params.clone, body, caller)),
    cloneStart: ({ params, caller }) => once(caller, ({ clones }) => clones.start(params.clone, caller)),
    cloneStop: ({ params, caller }) => once(caller, ({ clones }) => clones.stop(params.clone, caller)),
    cloneDestroy: ({ params, caller }) => once(caller, ({ clones }) => clones.destroy(params.clone, caller)),
    cloneProtect: async ({ params, body }) =>
      (await growing()).services.clones.protect(params.clone, body.minutes),
    cloneRename: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.rename(params.clone, body.name, caller)),
    cloneCommit: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.commit(params.clone, body, caller)),
  };
}
