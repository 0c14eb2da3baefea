/** The MongoDB driver: the database port over servers that speak its protocol. */
import path from 'node:path';
import { endMarked } from '../../machine/endProcesses.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Database } from '../database.ts';
import { askServers } from './askServers.ts';
import { testSource } from './examineSource.ts';
import { readVersion } from './flavours.ts';
import { settleData } from './prepare.ts';
import { serverFor, type FindServers } from './programs.ts';
import { checkLogin, waitUntilReady } from './ready.ts';
import { retrieveData } from './retrieval/retrieve.ts';
import { buildServerSpec, socketDirectoryOf } from './serverSpec.ts';
import { mongoSource } from './source.ts';

export interface MongoOptions {
  machine: Machine;
  runtime: Runtime;
  servers: FindServers;
  /** A short path: below it lies one folder with a unix socket for each server. */
  socketRoot: string;
}

export function createMongo(options: MongoOptions): Database {
  const { machine, runtime, servers, socketRoot } = options;
  const wantedOf = (version: string, purpose: string) => {
    const wanted = readVersion(version);
    if (wanted === undefined) throw new Error(`no version of MongoDB data: ${version}`);
    return serverFor(servers, wanted, purpose);
  };
  return {
    engine: 'mongodb',
    catalogue: undefined,
    source: mongoSource,

    testSource: (definition, password, signal) =>
      testSource({ machine, servers, definition, password, signal }),

    retrieve: (request, report, signal) =>
      retrieveData({ machine, runtime, servers, socketRoot, request, report, signal }),

    async abandon(mark, dataDirectory, dataset) {
      const running = await runtime.find({ identity: dataset, dataDirectory });
      if (running !== undefined) await runtime.stop(running, 'immediate');
      await endMarked(machine.processes, [mark, dataset]);
      await machine.files.remove(socketDirectoryOf({ socketRoot, dataset, platform: machine.platform }));
    },

    async settle({ target, dataset, mark, version }, report, signal) {
      const server = await wantedOf(version, 'which the data needs');
      await settleData({ machine, runtime, server, socketRoot, target, dataset, mark, report, signal });
    },

    async server(serverOptions) {
      // Loading the driver takes 100 ms, once: let it happen while the storage makes the copy.
      void import('mongodb');
      const { flavour, version, file } = await wantedOf(
        serverOptions.version,
        `which ${serverOptions.title} needs`,
      );
      const platform = machine.platform;
      const directory = socketDirectoryOf({ socketRoot, dataset: serverOptions.dataset, platform });
      await machine.files.makeDirectory(directory, { mode: 0o700, serverUser: true });
      return buildServerSpec({ ...serverOptions, flavour, version, program: file, socketRoot, platform });
    },

    async changeSign(dataDirectory) {
      const entries = await machine.files.list(dataDirectory);
      const files = entries.filter(({ kind, name }) => kind === 'file' && !name.endsWith('-shm'));
      const signs = files.map(async ({ name }) => {
        const found = await machine.files.stat(path.join(dataDirectory, name));
        return [name, found?.modifiedAt.getTime(), found?.bytes];
      });
      return JSON.stringify(await Promise.all(signs));
    },

    async makeStartable(dataDirectory) {
      await machine.files.inside(dataDirectory).remove('mongod.lock');
    },

    async ready(spec, isAlive, login, signal, patienceMs) {
      await waitUntilReady({
        ...{ machine, spec, isAlive, login, signal, patienceMs },
        find: () => runtime.find(spec),
        logTail: (lines) => runtime.logTail(spec, lines),
      });
    },

    ...askServers(machine),

    checkLogin: (spec, login, database, signal) => checkLogin(spec, login, database, { signal }),
  };
}
