import { createFakeRuntime } from '../../../engine/runtime/fake/fakeRuntime.ts';
import type { ServerSpec } from '../../../engine/runtime/runtime.ts';
import { runtimeContract } from './runtime.contract.ts';

runtimeContract('in memory', async () => {
  const runtime = createFakeRuntime({ refuses: (spec) => spec.env['REFUSES'] });
  const newSpec = async (identity: string): Promise<ServerSpec> => ({
    identity,
    title: identity,
    program: 'fake',
    args: [],
    env: {},
    dataDirectory: `/data/${identity}`,
    socketDirectory: `/sockets/${identity}`,
    port: null,
    logFile: `/logs/${identity}`,
  });
  return {
    runtime,
    restarted: () => runtime,
    newSpec,
    untilUp: async () => undefined,
    crash: async (server) => runtime.crash(server.identity),
    brokenSpec: async (identity) => ({
      ...(await newSpec(identity)),
      env: { REFUSES: 'FATAL:  it is broken' },
    }),
    close: async () => undefined,
  };
});
