import assert from 'node:assert/strict';
import { createFakeEndpoints } from '../../../engine/endpoint/fake/fakeEndpoints.ts';
import { cloneId, endpointContract, type CloneTarget } from './endpoint.contract.ts';

endpointContract('in memory', async () => {
  const clones = new Map<string, CloneTarget>();
  const endpoints = createFakeEndpoints({ answers: (target) => clones.has(target.clone) });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  let last = 0;
  return {
    endpoints,
    tells: true,
    async startClone(name) {
      last += 1;
      const clone = cloneId(String.fromCharCode('a'.charCodeAt(0) + last));
      const target: CloneTarget = { kind: 'clone', clone, name, port: 50_000 + last };
      clones.set(clone, target);
      return target;
    },
    async stopClone(target) {
      clones.delete(target.clone);
    },
    async connect(port) {
      const client = endpoints.connect(port);
      assert.ok(client !== undefined);
      const told = async (): Promise<string> => {
        for (;;) {
          const state = client.state();
          if (state.kind === 'refused') return `${state.reason} ${state.next}`;
          if (state.kind === 'parted') return state.notice;
          if (state.kind === 'closed') return 'closed';
          await turn();
        }
      };
      return {
        async ask() {
          while (client.state().kind === 'held') await turn();
          const clone = client.ask();
          if (clone === undefined) throw new Error('The connection was ended.');
          return clones.get(clone)?.name ?? '';
        },
        begin: async () => client.begin(),
        commit: async () => client.commit(),
        ended: told(),
        close: async () => client.close(),
      };
    },
    async takePort() {
      endpoints.taken.add(45_000);
      return 45_000;
    },
    passWait: async () => endpoints.giveUpWaiting(),
    drainMs: 50,
    passDrain: async () => endpoints.giveUpDraining(),
    async untilConnections(endpoint, count) {
      while (endpoint.connections() !== count) await turn();
    },
    close: async () => undefined,
  };
});
