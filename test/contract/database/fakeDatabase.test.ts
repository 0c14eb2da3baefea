import assert from 'node:assert/strict';
import { createFakeDatabase } from '../../../engine/database/fake/fakeDatabase.ts';
import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import { memberDefinitionSchema } from '../../../engine/protocol/entities.ts';
import { datasetIdSchema, hostNameSchema, memberNameSchema } from '../../../engine/protocol/ids.ts';
import { createFakeRuntime } from '../../../engine/runtime/fake/fakeRuntime.ts';
import { databaseContract } from './database.contract.ts';

databaseContract('in memory', async () => {
  const machine = createFakeMachine({ name: hostNameSchema.parse('local') });
  const damaged = new Set<string>();
  const runtime = createFakeRuntime({
    refuses: (spec) => (damaged.has(spec.dataDirectory) ? 'FATAL:  damaged' : undefined),
  });
  const database = createFakeDatabase({ machine, runtime });
  let number = 0;
  const next = (): number => (number += 1);
  const newDataset = () => {
    const letters = String(next()).replace(/\d/g, (digit) => String.fromCharCode(97 + Number(digit)));
    return datasetIdSchema.parse(`data-${letters.padStart(16, 'a')}`);
  };
  return {
    database,
    runtime,
    async sourceWith(text) {
      const url = `postgresql://reader@source-${next()}/app`;
      database.sources.set(url, { text, password: 'right' });
      const target = `/target-${next()}`;
      await machine.files.makeDirectory(target);
      return {
        member: memberNameSchema.parse('orders'),
        definition: memberDefinitionSchema.parse({ engine: 'postgres', retrieval: 'logical', url }),
        password: 'right',
        target,
        dataset: newDataset(),
        scratch: '/scratch',
        mark: `job-${next()}`,
      };
    },
    withWrongPassword: (request) => ({ ...request, password: 'wrong' }),
    async copy(from) {
      const to = `/copy-${next()}`;
      await machine.files.makeDirectory(to);
      for (const { name } of await machine.files.list(from)) {
        await machine.files.writeAtomic(`${to}/${name}`, (await machine.files.read(`${from}/${name}`)) ?? '');
      }
      return to;
    },
    newDataset,
    freePort: async () => 20_000 + next(),
    logFile: () => `/log-${next()}`,
    async takePort(port) {
      database.takenPorts.add(port);
      return async () => {
        database.takenPorts.delete(port);
      };
    },
    read: (spec) => database.readText(spec.dataDirectory),
    write: (spec, _retrieved, text) => database.writeText(spec.dataDirectory, text),
    async damage(directory) {
      damaged.add(directory);
    },
    checkNothingLeft: async () => assert.equal(runtime.running.size, 0),
    close: async () => undefined,
  };
});
