/** The PostgreSQL driver (13 to 18): the database port over programs of a host and servers of a runtime. */
import path from 'node:path';
import { endMarked } from '../../machine/endProcesses.ts';
import type { Machine } from '../../machine/machine.ts';
import { createImagePrograms } from './programs/imagePrograms.ts';
import type { Images } from '../../runtime/images.ts';
import type { Runtime, ServerSpec } from '../../runtime/runtime.ts';
import type { Database } from '../database.ts';
import { APPLICATION_NAME, withAdmin } from './admin.ts';
import { postgresCatalogue } from './catalogue.ts';
import { checkLogin } from './checkLogin.ts';
import { readChanges } from './counters.ts';
import { readDefinitions } from './definitions.ts';
import { settleData } from './prepare.ts';
import type { FindPrograms } from './programs.ts';
import { readInDatabase } from './read.ts';
import { waitUntilReady } from './ready.ts';
import { newerServers } from './retrieval/newerServers.ts';
import { retrieveData } from './retrieval/retrieve.ts';
import { createServerPrograms, majorNumber } from './serverPrograms.ts';
import { buildServerSpec, majorOf, socketDirectoryOf } from './serverSpec.ts';
import { postgresSource } from './source.ts';
import { testSource } from './examineSource.ts';
import { makeSocketDirectory } from './workbench.ts';

/** Who counts connections looks at many servers, one after another: one that hangs must not keep it for long. */
const CONNECTIONS_MS = 3000;
/** Writing out all that gigabytes of shared buffers hold, to a slow disk. */
const CHECKPOINT_MS = 600_000;

export interface PostgresOptions {
  machine: Machine;
  runtime: Runtime;
  programs: FindPrograms;
  images: Images;
  /** A short path: below it lies one folder with a unix socket for each server (at most 107 bytes with the socket's name). */
  socketRoot: string;
  /** As of `EngineModule.create`. */
  certificate: () => Promise<string | undefined>;
}

export function createPostgres(options: PostgresOptions): Database {
  const { machine, runtime, images, programs, socketRoot, certificate } = options;
  const ofImages = createImagePrograms(images);
  const servers = createServerPrograms({ machine, programs, ofImages });
  const session = (spec: ServerSpec) => ({ spec, major: majorOf(spec) });

  return {
    engine: 'postgres',
    catalogue: postgresCatalogue,
    source: postgresSource,

    testSource: (definition, password, signal) =>
      testSource({ machine, programs, images, ofImages, definition, password, signal }),

    retrieve: (request, report, signal) =>
      retrieveData({
        ...{ machine, runtime, images, ofImages, programs, socketRoot, request, report, signal },
      }),

    async abandon(mark, dataDirectory, dataset) {
      const running = await runtime.find({ identity: dataset, dataDirectory });
      if (running !== undefined) await runtime.stop(running, 'immediate');
      await endMarked(machine.processes, [mark, dataset]);
      await machine.files.remove(socketDirectoryOf(socketRoot, dataset, machine.platform));
    },

    async settle({ target, dataset, mark, version, image }, report, signal) {
      if (image !== undefined) await images.require(image, report, signal);
      const server = await servers.of({ version, image });
      const bench = {
        ...{ machine, runtime, images, server, socketRoot, target, dataset, mark, report, signal },
        newerServers: () => newerServers(programs, server.major),
      };
      await settleData(bench, { thorough: false });
    },

    async flush(spec, signal) {
      signal?.throwIfAborted();
      await withAdmin({ ...session(spec), queryTimeoutMs: CHECKPOINT_MS, signal }, (client) =>
        client.query('CHECKPOINT'),
      );
    },

    async reload(spec, signal) {
      signal?.throwIfAborted();
      const bounds = { timeoutMs: CONNECTIONS_MS, queryTimeoutMs: CONNECTIONS_MS, signal };
      await withAdmin({ ...session(spec), ...bounds }, (client) => client.query('SELECT pg_reload_conf()'));
    },

    async server(serverOptions) {
      // Loading pg takes 50 ms, once: let it happen while the storage makes the copy.
      void import('pg');
      const [{ postgres }, certificateFile] = await Promise.all([
        servers.toStart(serverOptions),
        serverOptions.port === null ? undefined : certificate(),
        makeSocketDirectory(machine, socketRoot, serverOptions.dataset),
      ]);
      return buildServerSpec({
        ...serverOptions,
        major: majorNumber(serverOptions.version),
        certificateFile,
        program: postgres,
        socketRoot,
        platform: machine.platform,
      });
    },

    /** Each checkpoint writes the control file, and whoever writes much takes up new segments of the WAL before. */
    async changeSign(dataDirectory) {
      const signs = [path.join('global', 'pg_control'), 'pg_wal'].map(async (name) => {
        const found = await machine.files.stat(path.join(dataDirectory, name));
        return found?.modifiedAt.getTime() ?? null;
      });
      return JSON.stringify(await Promise.all(signs));
    },

    async makeStartable(dataDirectory) {
      await Promise.all([
        machine.files.remove(path.join(dataDirectory, 'postmaster.pid')),
        machine.files.remove(path.join(dataDirectory, 'postmaster.opts')),
      ]);
    },

    async ready(spec, isAlive, login, signal, patienceMs) {
      const logTail = (lines: number) => runtime.logTail(spec, lines);
      await waitUntilReady({ spec, isAlive, login, signal, patienceMs, logTail });
    },

    checkLogin: (spec, login, database, signal) => checkLogin(spec, { ...login, database }, { signal }),

    async connections(spec, signal) {
      signal?.throwIfAborted();
      const bounds = { timeoutMs: CONNECTIONS_MS, queryTimeoutMs: CONNECTIONS_MS, signal };
      return await withAdmin({ ...session(spec), ...bounds }, async (client) => {
        const { rows } = await client.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND application_name <> $1`,
          [APPLICATION_NAME],
        );
        return rows[0]?.count ?? 0;
      });
    },

    changes: (spec, started, signal) => readChanges({ spec, major: majorOf(spec), started, signal }),

    read: (spec, name, statements, signal) =>
      readInDatabase({ spec, major: majorOf(spec), database: name, statements, signal }),

    definitions: (spec, name, signal) => readDefinitions({ machine, programs, spec, database: name, signal }),
  };
}
