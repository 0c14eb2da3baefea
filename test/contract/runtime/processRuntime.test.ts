import path from 'node:path';
import { writeFile } from 'node:fs/promises';
import { createProcessRuntime } from '../../../engine/runtime/process/processRuntime.ts';
import { findServerProcesses } from '../../../engine/runtime/process/serverProcesses.ts';
import { retrieveNew } from '../../support/benchWithSource.ts';
import { openPostgresBench } from '../../support/postgresBench.ts';
import { runtimeContract } from './runtime.contract.ts';
import { serverTraits } from '../../../engine/database/engines.ts';

runtimeContract('processes of this machine', async () => {
  const bench = await openPostgresBench();
  const { machine, runtime, database } = bench;
  const golden = await retrieveNew(bench);
  const newSpec = async (identity: string) => {
    const spec = await bench.specFor(await bench.copy(golden.target), golden.version, { port: null });
    const args = spec.args.map((arg) =>
      arg === `cluster_name=${spec.identity}` ? `cluster_name=${identity}` : arg,
    );
    return { ...spec, identity, args };
  };
  return {
    runtime,
    restarted: () => createProcessRuntime({ machine, traits: serverTraits }),
    newSpec,
    untilUp: (spec, server) => database.ready(spec, () => runtime.alive(server), undefined),
    async crash(server) {
      const children = await findServerProcesses(machine, serverTraits[0], server.identity, server.pid);
      await machine.processes.signal(server, 'SIGKILL');
      for (const child of children) await machine.processes.signal(child, 'SIGKILL');
      for (const gone of [server, ...children]) {
        while ((await machine.processes.identify(gone.pid)) !== undefined) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    },
    async brokenSpec(identity) {
      const spec = await newSpec(identity);
      await writeFile(path.join(spec.dataDirectory, 'PG_VERSION'), '9.1\n');
      return spec;
    },
    close: () => bench.close(),
  };
});
