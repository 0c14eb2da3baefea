/** What the routes of environments and their sources do. */
import type { HandlersOf } from '../server.ts';
import type { EngineAccess } from './access.ts';

export function environmentHandlers({
  running,
  trusted,
  growing,
  once,
}: EngineAccess): HandlersOf<'environment' | 'sourceTest'> {
  return {
    environmentList: async () => {
      const { store, catalog } = (await running()).context;
      return { items: store.environments.list().map((record) => catalog.environmentEntity(record)) };
    },
    environmentShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.environmentEntity(catalog.environment(params.environment));
    },
    environmentApply: async ({ params, body }) =>
      (await growing()).services.environments.apply(params.name, body),
    environmentDelete: ({ params, caller }) =>
      once(caller, ({ environments }) => environments.delete(params.environment, caller)),
    environmentRefresh: ({ params, body, caller }) =>
      once(caller, ({ environments }) => environments.refresh(params.environment, body, caller)),
    sourceTest: async ({ body, signal }) =>
      (await trusted()).services.environments.testSource(body.member, body.password, signal),
  };
}
