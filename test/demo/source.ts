/** The demo's source: a PostgreSQL server on loopback that outlives this process, with a shop in it. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import * as z from 'zod';
import type { Machine } from '../../engine/machine/machine.ts';
import type { ServerPrograms } from '../../engine/database/postgres/programs/locate.ts';
import { createProcessRuntime } from '../../engine/runtime/process/processRuntime.ts';
import type { RunningServer, ServerSpec } from '../../engine/runtime/runtime.ts';
import { DATA_VERSION, DATABASE, OWNER, STATEMENTS } from './data.ts';
import type { DemoPlaces } from './places.ts';
import { serverTraits } from '../../engine/database/engines.ts';

const IDENTITY = 'thin-clones-demo-source';
const START_TIMEOUT_MS = 60_000;

const factsSchema = z.object({ version: z.number(), major: z.number(), port: z.number() });
type Facts = z.infer<typeof factsSchema>;

export interface DemoSource {
  /** Without a password. */
  readonly url: string;
  readonly dataDirectory: string;
  /** True when the data was made by this call. */
  readonly isNew: boolean;
  /** Bytes of the database as the server counts them. */
  bytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface SourceOptions {
  readonly places: DemoPlaces;
  readonly machine: Machine;
  readonly programs: ServerPrograms;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Starts the source, filling it first where it is missing or of an older kind. */
export async function startSource(options: SourceOptions): Promise<DemoSource> {
  const { places, machine, programs, say, signal } = options;
  const runtime = createProcessRuntime({ machine, traits: serverTraits });
  const factsFile = join(places.source, 'facts.json');
  const dataDirectory = join(places.source, 'data');

  const known = await readFacts(factsFile);
  const isUsable = known?.version === DATA_VERSION && known.major === programs.major;
  const password = await readPassword(places.password);
  if (isUsable && password !== undefined) {
    const server = await runtime.find(specOf(options, known.port, false));
    if (server !== undefined) return answer(known, password, false);
    const port = await freePort(machine, known.port);
    const facts = { ...known, port };
    await writeFile(factsFile, JSON.stringify(facts));
    await start(specOf(options, port, false), port, password);
    return answer(facts, password, false);
  }

  say('Making the demo source: a shop with customers, products, orders and items ...');
  const old = await runtime.find(specOf(options, known?.port ?? 0, false));
  if (old !== undefined) await runtime.stop(old, 'immediate', signal);
  await rm(dataDirectory, { recursive: true, force: true });
  const fresh = randomBytes(18).toString('base64url');
  await writeFile(places.password, `${fresh}\n`, { mode: 0o600 });
  await initialize(options, dataDirectory, fresh);
  const facts = { version: DATA_VERSION, major: programs.major, port: await freePort(machine, 0) };
  const spec = specOf(options, facts.port, true);
  const loading = await start(spec, facts.port, fresh);
  try {
    await fill(facts.port, fresh, signal);
  } finally {
    await runtime.stop(loading, 'clean', undefined);
  }
  await writeFile(factsFile, JSON.stringify(facts));
  await start(specOf(options, facts.port, false), facts.port, fresh);
  return answer(facts, fresh, true);

  async function start(wanted: ServerSpec, port: number, secret: string): Promise<RunningServer> {
    await mkdir(wanted.socketDirectory, { recursive: true });
    const server = await runtime.start(wanted, signal);
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      signal.throwIfAborted();
      try {
        const client = await connect(port, secret, 'postgres');
        await client.end();
        return server;
      } catch (error) {
        const isAlive = await runtime.alive(server);
        if (!isAlive || performance.now() > deadline) {
          const log = await runtime.logTail(wanted, 10);
          throw new Error(`The demo source does not start:\n${log.join('\n')}`, { cause: error });
        }
        await delay(20);
      }
    }
  }

  function answer({ port }: Facts, secret: string, isNew: boolean): DemoSource {
    return {
      url: `postgresql://${OWNER}@127.0.0.1:${port}/${DATABASE}`,
      dataDirectory,
      isNew,
      async bytes() {
        const client = await connect(port, secret, DATABASE);
        try {
          const { rows } = await client.query<{ bytes: string }>(
            'SELECT pg_database_size(current_database())::text AS bytes',
          );
          return Number(rows[0]?.bytes ?? 0);
        } finally {
          await client.end();
        }
      },
      async stop() {
        const server = await runtime.find(specOf(options, port, false));
        if (server !== undefined) await runtime.stop(server, 'clean', undefined);
      },
    };
  }
}

function specOf({ places, programs }: SourceOptions, port: number, isLoading: boolean): ServerSpec {
  const dataDirectory = join(places.source, 'data');
  const settings: Readonly<Record<string, string>> = {
    cluster_name: IDENTITY,
    listen_addresses: '127.0.0.1',
    port: String(port),
    // The checkout's path may be too long for a unix socket.
    unix_socket_directories: '',
    shared_buffers: '64MB',
    max_connections: '30',
    // A table that is filled in the transaction that made it needs no WAL then.
    ...(isLoading ? { fsync: 'off', wal_level: 'minimal', max_wal_senders: '0', max_wal_size: '4GB' } : {}),
  };
  return {
    identity: IDENTITY,
    title: 'the demo source',
    program: programs.postgres,
    args: [
      '-D',
      dataDirectory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env: {},
    dataDirectory,
    socketDirectory: join(places.source, 'sockets'),
    port,
    logFile: join(places.source, 'server.log'),
  };
}

async function initialize(
  { machine, programs, places }: SourceOptions,
  dataDirectory: string,
  password: string,
): Promise<void> {
  await mkdir(dataDirectory, { mode: 0o700 });
  const passwordFile = join(places.source, 'initdb-password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  try {
    const user = machine.serverUser;
    if (user !== undefined) {
      await chown(dataDirectory, user.uid, user.gid);
      await chown(passwordFile, user.uid, user.gid);
    }
    await machine.run({
      program: programs.initdb,
      args: [
        ...['-D', dataDirectory, '-U', OWNER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--encoding=UTF8', '--locale=C', '--no-sync'],
      ],
      env: { LC_ALL: 'C' },
      asServerUser: true,
      parse: ({ code, stderr }) => {
        if (code !== 0) throw new Error(`initdb: ${stderr}`);
      },
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function fill(port: number, password: string, signal: AbortSignal): Promise<void> {
  const maintenance = await connect(port, password, 'postgres');
  try {
    await maintenance.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await maintenance.end();
  }
  const client = await connect(port, password, DATABASE);
  try {
    await client.query("SET maintenance_work_mem = '256MB'; SET work_mem = '128MB'");
    for (const statement of STATEMENTS) {
      signal.throwIfAborted();
      await client.query(statement);
    }
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
}

async function connect(port: number, password: string, database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: OWNER, password, database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The port of before where it is free, so that what was registered still holds. */
async function freePort(machine: Machine, wanted: number): Promise<number> {
  const lease = await machine.leasePort(wanted).catch(() => machine.leasePort());
  await lease.release();
  return lease.port;
}

async function readFacts(file: string): Promise<Facts | undefined> {
  if (!existsSync(file)) return undefined;
  const parsed = factsSchema.safeParse(JSON.parse(await readFile(file, 'utf8')));
  return parsed.success ? parsed.data : undefined;
}

async function readPassword(file: string): Promise<string | undefined> {
  return existsSync(file) ? (await readFile(file, 'utf8')).trim() : undefined;
}
