/** The MongoDB driver over the local machine in a temporary folder, and real servers that tests use as sources. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { MongoClient } from 'mongodb';
import type { Database, RetrieveRequest } from '../../engine/database/database.ts';
import { serverTraits } from '../../engine/database/engines.ts';
import { flavours } from '../../engine/database/mongodb/flavours.ts';
import { createMongo } from '../../engine/database/mongodb/mongodb.ts';
import { findServers, type FindServers } from '../../engine/database/mongodb/programs.ts';
import type { Machine } from '../../engine/machine/machine.ts';
import { memberDefinitionSchema, type MemberDefinition } from '../../engine/protocol/entities.ts';
import { datasetIdSchema, memberNameSchema, type DatasetId } from '../../engine/protocol/ids.ts';
import { createProcessRuntime } from '../../engine/runtime/process/processRuntime.ts';
import type { Runtime } from '../../engine/runtime/runtime.ts';
import { buildFerretDb } from './mongo/buildServers.ts';
import { passableFolder } from './passableFolder.ts';
import { testHost } from './postgresSource.ts';
import { processesUnder } from './processesUnder.ts';

export const SOURCE_USER = 'owner';
export const SOURCE_PASSWORD = 'correct horse & battery';

export interface MongoBench {
  root: string;
  machine: Machine;
  runtime: Runtime;
  database: Database;
  servers: FindServers;
  newDataset(): DatasetId;
  newTarget(): Promise<string>;
  request(definition: Omit<MemberDefinition, 'engine'>, password?: string): Promise<RetrieveRequest>;
  copy(from: string): Promise<string>;
  freePort(): Promise<number>;
  newLog(): string;
  checkNothingLeft(): Promise<void>;
  close(): Promise<void>;
}

export async function openMongoBench(): Promise<MongoBench> {
  const root = await mkdtemp(path.join(tmpdir(), 'tc-mongo-'));
  await chmod(root, 0o755);
  const socketRoot = path.join(root, 's');
  await mkdir(socketRoot, { mode: 0o755 });
  const machine = await testHost();
  const [first] = serverTraits;
  const runtime = createProcessRuntime({ machine, traits: [first, ...flavours.map(({ traits }) => traits)] });
  const variables = { ...process.env, THIN_CLONES_FERRETDB: await buildFerretDb() };
  const servers = findServers({
    ...{ machine, settings: {}, variables, engineDirectory: root },
    programsDirectory: passableFolder('programs'),
  });
  const database = createMongo({ machine, runtime, servers, socketRoot });
  let number = 0;
  const bench: MongoBench = {
    ...{ root, machine, runtime, database, servers },
    newDataset() {
      number += 1;
      return datasetIdSchema.parse(
        `data-${number.toString(2).replaceAll('0', 'a').replaceAll('1', 'b').padStart(16, 'a')}`,
      );
    },
    async newTarget() {
      const target = path.join(root, `target-${++number}`);
      await machine.files.makeDirectory(target, { mode: 0o700, serverUser: true });
      return target;
    },
    async request(definition, password) {
      const scratch = path.join(root, `scratch-${++number}`);
      await mkdir(scratch, { mode: 0o755 });
      return {
        member: memberNameSchema.parse('sessions'),
        definition: memberDefinitionSchema.parse({ engine: 'mongodb', ...definition }),
        ...{ password, scratch, target: await bench.newTarget(), dataset: bench.newDataset() },
        mark: `job-${process.pid}-${number}`,
      };
    },
    async copy(from) {
      const target = await bench.newTarget();
      await cp(from, target, { recursive: true, verbatimSymlinks: true });
      await machine.files.giveToServerUser(target);
      return target;
    },
    async freePort() {
      const lease = await machine.leasePort();
      await lease.release();
      return lease.port;
    },
    newLog: () => path.join(root, `log-${++number}`),
    async checkNothingLeft() {
      assert.deepEqual(processesUnder([root]), []);
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
  return bench;
}

export interface MongoSource {
  port: number;
  dataDirectory: string;
  /** Without a password, as definitions have it. */
  url(database?: string): string;
  inSession<Value>(work: (client: MongoClient) => Promise<Value>): Promise<Value>;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

/** A FerretDB that asks for passwords, with a user of its own. */
export async function startMongoSource(
  bench: Pick<MongoBench, 'servers' | 'machine' | 'freePort'>,
): Promise<MongoSource> {
  const server = (await bench.servers()).find(({ flavour }) => flavour.name === 'ferretdb');
  assert.ok(server, 'FerretDB was not found: THIN_CLONES_FERRETDB names it');
  const folder = await mkdtemp(path.join(tmpdir(), 'tc-mongo-source-'));
  await chmod(folder, 0o755);
  const dataDirectory = path.join(folder, 'data');
  await mkdir(dataDirectory, { mode: 0o700 });
  const user = bench.machine.serverUser;
  if (user !== undefined) await chown(dataDirectory, user.uid, user.gid);
  const port = await bench.freePort();
  const started = spawn(
    server.file,
    [
      ...['--handler=sqlite', `--sqlite-url=file:${dataDirectory}/`, `--state-dir=${dataDirectory}`],
      ...[
        `--listen-addr=127.0.0.1:${port}`,
        '--test-enable-new-auth',
        '--debug-addr=-',
        '--telemetry=disable',
      ],
      ...['--log-level=error', '--setup-database=admin', `--setup-username=${SOURCE_USER}`],
    ],
    {
      ...{ stdio: 'ignore', env: { FERRETDB_SETUP_PASSWORD: SOURCE_PASSWORD } },
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    },
  );
  const ended = new Promise<void>((resolve) => started.once('exit', () => resolve()));
  const inSession: MongoSource['inSession'] = async (work) => {
    const client = new MongoClient(`mongodb://127.0.0.1:${port}/`, {
      ...{ auth: { username: SOURCE_USER, password: SOURCE_PASSWORD }, authMechanism: 'SCRAM-SHA-256' },
      ...{ directConnection: true, serverSelectionTimeoutMS: 60_000 },
    });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };
  await inSession((client) => client.db('admin').command({ ping: 1 }));
  const stop = async (): Promise<void> => {
    started.kill('SIGTERM');
    await ended;
  };
  return {
    ...{ port, dataDirectory, inSession, stop },
    url: (database = '') => `mongodb://${SOURCE_USER}@127.0.0.1:${port}/${database}?authSource=admin`,
    async remove() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Holds a port as a stranger. */
export async function takePort(port: number): Promise<() => Promise<void>> {
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(port, '127.0.0.1', resolve));
  return () => new Promise<void>((resolve) => stranger.close(() => resolve()));
}
