/** Data directories of given sizes whose servers are stopped; made once and kept in `.cache/bench`. */
import { existsSync } from 'node:fs';
import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Machine } from '../../engine/machine/machine.ts';
import type { ServerPrograms } from '../../engine/database/postgres/programs/locate.ts';
import { createProcessRuntime } from '../../engine/runtime/process/processRuntime.ts';
import type { ServerSpec } from '../../engine/runtime/runtime.ts';
import { passableFolder } from '../support/passableFolder.ts';
import { serverTraits } from '../../engine/database/engines.ts';

/** Raise it when the data below changes. */
const VERSION = 1;
/** A small application: each table has a heap, a map of free space, a visibility map and an index. */
const TABLES = 40;
const OWNER = 'bench';

export interface SourceDataOptions {
  readonly machine: Machine;
  readonly programs: ServerPrograms;
  /** In units of 1000^3 bytes; an empty cluster has 0.04. */
  readonly gigabytes: number;
  readonly say: (text: string) => void;
}

/** The data directory. */
export async function sourceData(options: SourceDataOptions): Promise<string> {
  const { machine, programs, gigabytes, say } = options;
  const root = passableFolder('bench');
  const place = join(root, `postgres-${programs.major}-${gigabytes}GB-v${VERSION}`);
  if (existsSync(place)) return place;
  say(`making a data directory of ${gigabytes} GB`);
  const unfinished = `${place}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(root, { recursive: true, mode: 0o711 });
  await mkdir(unfinished, { mode: 0o700 });
  const user = machine.serverUser;
  if (user !== undefined) await chown(unfinished, user.uid, user.gid);
  await machine.run({
    program: programs.initdb,
    args: [...['-D', unfinished, '-U', OWNER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']],
    env: { LC_ALL: 'C' },
    asServerUser: true,
    parse: ({ code, stderr }) => {
      if (code !== 0) throw new Error(`initdb: ${stderr}`);
    },
  });
  const runtime = createProcessRuntime({ machine, traits: serverTraits });
  const lease = await machine.leasePort();
  await lease.release();
  const spec = specOf(unfinished, root, programs.postgres, lease.port);
  await mkdir(spec.socketDirectory, { recursive: true });
  const server = await runtime.start(spec);
  try {
    const client = await connect(lease.port);
    try {
      await fill(client, gigabytes);
    } finally {
      await client.end();
    }
  } finally {
    await runtime.stop(server, 'clean');
    await rm(spec.logFile, { force: true });
  }
  await rename(unfinished, place);
  return place;
}

function specOf(dataDirectory: string, root: string, program: string, port: number): ServerSpec {
  const identity = 'thin-clones-bench-source';
  const settings = {
    cluster_name: identity,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
    // Left over segments would count as data.
    min_wal_size: '32MB',
    max_wal_size: '64MB',
    autovacuum: 'off',
  };
  return {
    identity,
    title: 'the benchmark source',
    program,
    args: [
      '-D',
      dataDirectory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env: {},
    dataDirectory,
    socketDirectory: join(root, 'sockets'),
    port,
    logFile: join(root, 'source.log'),
  };
}

/** With tables of about that size in all. */
export async function fill(client: pg.Client, gigabytes: number): Promise<void> {
  // An empty cluster with its WAL; a row of 840 bytes and its index entry.
  const rows = Math.max(1000, Math.floor((gigabytes * 1e9 - 40e6) / TABLES / 880));
  for (let table = 1; table <= TABLES; table += 1) {
    await client.query(
      `CREATE TABLE filler_${table} AS
         SELECT id, repeat(md5((id * ${table})::text), 25) AS payload FROM generate_series(1, ${rows}) AS id`,
    );
    await client.query(`ALTER TABLE filler_${table} ADD PRIMARY KEY (id)`);
  }
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
}

async function connect(port: number): Promise<pg.Client> {
  for (let tries = 0; ; tries += 1) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: OWNER, database: 'postgres' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (tries > 500) throw error;
      await delay(20);
    }
  }
}
