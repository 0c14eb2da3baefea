/** The real PostgreSQL driver over the local host in a temporary folder, for tests that retrieve and run real data. */
import assert from 'node:assert/strict';
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { Database, Retrieved, RetrieveRequest } from '../../engine/database/database.ts';
import { createPostgres } from '../../engine/database/postgres/postgres.ts';
import type { FindPrograms } from '../../engine/database/postgres/programs.ts';
import type { Machine } from '../../engine/machine/machine.ts';
import { memberDefinitionSchema, type MemberDefinition } from '../../engine/protocol/entities.ts';
import { datasetIdSchema, memberNameSchema, type DatasetId } from '../../engine/protocol/ids.ts';
import { imagesOnDemand } from '../../engine/runtime/images.ts';
import { createProcessRuntime } from '../../engine/runtime/process/processRuntime.ts';
import type { RunningServer, Runtime, ServerSpec } from '../../engine/runtime/runtime.ts';
import { processesUnder } from './processesUnder.ts';
import { testHost, testPrograms } from './postgresSource.ts';
import { serverTraits } from '../../engine/database/engines.ts';

export const CLONE_USER = 'clone';
export const CLONE_PASSWORD = 'clone password';

export interface RunningClone {
  spec: ServerSpec;
  server: RunningServer;
  /** A session over TCP, as people have it. */
  connect(database: string, login?: { user: string; password: string }): Promise<pg.Client>;
  query<Row extends pg.QueryResultRow>(database: string, text: string): Promise<Row[]>;
  stop(mode?: 'clean' | 'immediate'): Promise<void>;
}

export interface PostgresBench {
  root: string;
  machine: Machine;
  runtime: Runtime;
  database: Database;
  lines: string[];
  progress: number[];
  /** Names of what was done, in order. */
  phases: string[];
  newDataset(): DatasetId;
  /** A new empty folder for data. */
  newTarget(): Promise<string>;
  request(
    definition: Omit<MemberDefinition, 'engine'>,
    more?: Partial<RetrieveRequest>,
  ): Promise<RetrieveRequest>;
  retrieve(
    definition: Omit<MemberDefinition, 'engine'>,
    more?: Partial<RetrieveRequest> & { signal?: AbortSignal },
  ): Promise<Retrieved & { target: string }>;
  copy(from: string): Promise<string>;
  specFor(
    target: string,
    version: string,
    options?: { port?: number | null; durable?: boolean; database?: string },
  ): Promise<ServerSpec>;
  start(target: string, version: string): Promise<RunningClone>;
  /** Fails when a process or a socket folder was left. */
  checkNothingLeft(): Promise<void>;
  close(): Promise<void>;
}

export async function openPostgresBench(
  programs: FindPrograms = testPrograms(),
  certificate: () => Promise<string | undefined> = async () => undefined,
): Promise<PostgresBench> {
  const root = await mkdtemp(path.join(tmpdir(), 'tc-pg-'));
  await chmod(root, 0o755);
  const socketRoot = path.join(root, 's');
  await mkdir(socketRoot, { mode: 0o755 });
  const machine = await testHost();
  const images = imagesOnDemand(() => Promise.reject(new Error('this bench has no images')));
  const runtime = createProcessRuntime({ machine, traits: serverTraits });
  const database = createPostgres({ machine, runtime, images, programs, socketRoot, certificate });
  const running = new Set<RunningServer>();
  let number = 0;

  const bench: PostgresBench = {
    root,
    machine,
    runtime,
    database,
    lines: [],
    progress: [],
    phases: [],
    newDataset() {
      number += 1;
      const letters = number
        .toString(26)
        .replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 26)));
      return datasetIdSchema.parse(`data-${letters.padStart(16, 'a')}`);
    },
    async newTarget() {
      number += 1;
      const target = path.join(root, `target-${number}`);
      await machine.files.makeDirectory(target, { mode: 0o700, serverUser: true });
      return target;
    },
    async request(definition, more = {}) {
      const scratch = path.join(root, `scratch-${++number}`);
      await mkdir(scratch, { mode: 0o755 });
      return {
        member: memberNameSchema.parse('orders'),
        definition: memberDefinitionSchema.parse({ engine: 'postgres', ...definition }),
        password: undefined,
        target: await bench.newTarget(),
        dataset: bench.newDataset(),
        scratch,
        // Of this run alone: whoever ends what is marked looks at all processes of the machine.
        mark: `job-${process.pid}-${number}`,
        ...more,
      };
    },
    async retrieve(definition, { signal = new AbortController().signal, ...more } = {}) {
      const request = await bench.request(definition, more);
      bench.lines.length = 0;
      bench.progress.length = 0;
      bench.phases.length = 0;
      const reporter = {
        line: (text: string, level = 'info') => bench.lines.push(`${level}: ${text}`),
        progress: (fraction: number) => bench.progress.push(fraction),
        phase: (name: string) => bench.phases.push(name),
      };
      try {
        return { ...(await database.retrieve(request, reporter, signal)), target: request.target };
      } finally {
        await rm(request.scratch, { recursive: true, force: true });
      }
    },
    async copy(from) {
      const target = await bench.newTarget();
      await cp(from, target, { recursive: true, verbatimSymlinks: true });
      await machine.files.giveToServerUser(target);
      return target;
    },
    async specFor(target, version, options = {}) {
      const lease = await machine.leasePort();
      await lease.release();
      return await database.server({
        dataset: bench.newDataset(),
        title: 'feature/a (orders)',
        dataDirectory: target,
        version,
        port: options.port === undefined ? lease.port : options.port,
        ...(options.database === undefined ? {} : { database: options.database }),
        durable: options.durable ?? true,
        logFile: path.join(root, `log-${++number}`),
      });
    },
    async start(target, version) {
      const spec = await bench.specFor(target, version);
      await database.makeStartable(target);
      const server = await runtime.start(spec);
      running.add(server);
      const login = { user: CLONE_USER, password: CLONE_PASSWORD };
      await database.ready(spec, () => runtime.alive(server), login);
      const clone: RunningClone = {
        spec,
        server,
        async connect(name, { user, password } = login) {
          const client = new pg.Client({
            host: '127.0.0.1',
            port: spec.port ?? 0,
            user,
            password,
            database: name,
          });
          client.on('error', () => undefined);
          await client.connect();
          return client;
        },
        async query<Row extends pg.QueryResultRow>(name: string, text: string) {
          const client = await clone.connect(name);
          try {
            return (await client.query<Row>(text)).rows;
          } finally {
            await client.end();
          }
        },
        async stop(mode = 'immediate') {
          await runtime.stop(server, mode);
          running.delete(server);
          await database.abandon('none', target, datasetIdSchema.parse(spec.identity));
        },
      };
      return clone;
    },
    async checkNothingLeft() {
      assert.deepEqual(processesUnder([root]), []);
      assert.deepEqual(await machine.files.list(socketRoot), []);
    },
    async close() {
      for (const server of running) await runtime.stop(server, 'immediate');
      await rm(root, { recursive: true, force: true });
    },
  };
  return bench;
}
