/** What the routes of checkouts and of the clean-up after their branches do. */
import type { HandlersOf } from '../server.ts';
import type { EngineAccess } from './access.ts';

export function checkoutHandlers({
  running,
  trusted,
  growing,
}: EngineAccess): HandlersOf<'checkout' | 'proposal'> {
  return {
    checkoutList: async () => {
      const { checkouts } = (await running()).services;
      await checkouts.restored();
      return { items: checkouts.list() };
    },
    checkoutOpen: async ({ body, caller }) => (await growing()).services.checkouts.open(body, caller),
    checkoutShow: async ({ params }) => (await running()).services.checkouts.show(params.checkout),
    checkoutForget: async ({ params }) => {
      await (await trusted()).services.checkouts.forget(params.checkout);
      return { forgotten: true };
    },
    checkoutConnection: async ({ params }) => ({
      items: await (await running()).services.checkouts.connection(params.checkout),
    }),
    checkoutUse: async ({ params, body, caller }) =>
      (await growing()).services.checkouts.use(params.checkout, body, caller),
    checkoutUnbind: async ({ params }) => (await trusted()).services.checkouts.unbind(params.checkout),
    checkoutAnswer: async ({ params, body }) =>
      (await growing()).services.checkouts.answer(params.checkout, body),
    checkoutPorts: async ({ params }) => (await trusted()).services.checkouts.exchangePorts(params.checkout),
    checkoutEnvFile: async ({ params, body }) =>
      (await trusted()).services.checkouts.setEnvFile(params.checkout, body),
    checkoutVariable: async ({ params, body }) =>
      (await trusted()).services.checkouts.answerVariable(params.checkout, body),
    checkoutMigrations: async ({ params, signal }) => ({
      items: await (await running()).services.checkouts.migrations(params.checkout, signal),
    }),
    proposalList: async ({ signal }) => ({
      items: await (await running()).services.cleanUp.proposals(signal),
    }),
  };
}
