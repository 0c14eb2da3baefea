/** Starts real PostgreSQL servers on loopback that tests use as sources, with their data in a temporary folder. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  spawn,
  type ChildProcess,
  type SpawnOptionsWithStdioTuple,
  type StdioNull,
  type StdioPipe,
} from 'node:child_process';
import pg from 'pg';
import type { Machine } from '../../engine/machine/machine.ts';
import { createLocalMachine } from '../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../engine/machine/local/serverUser.ts';
import { localProgramHost } from '../../engine/database/postgres/programs/local/programHost.ts';
import { stagePrograms } from '../../engine/database/postgres/programs/local/stage.ts';
import { developmentFolder } from '../../engine/database/postgres/programs/fetch/fetch.ts';
import {
  locatePrograms,
  locateServer,
  type ClientPrograms,
  type Located,
  type ServerPrograms,
} from '../../engine/database/postgres/programs/locate.ts';
import { platformOf } from '../../engine/database/postgres/programs/fetch/pinned.ts';
import type { FindPrograms } from '../../engine/database/postgres/programs.ts';
import { hostNameSchema } from '../../engine/protocol/ids.ts';
import { passableFolder } from './passableFolder.ts';

export const SOURCE_USER = 'owner';
export const SOURCE_PASSWORD = 'correct horse & battery';

export interface PostgresSource {
  major: number;
  port: number;
  dataDirectory: string;
  /** Without a password, as definitions have it. */
  url(database?: string): string;
  /** A session of the owner, who is a superuser. */
  connect(database?: string): Promise<pg.Client>;
  /** Runs statements one after the other. */
  run(database: string, ...statements: readonly string[]): Promise<void>;
  /** Fast shutdown; the data stays until `remove`. */
  stop(): Promise<void>;
  /** As a crash: nothing is written any more. */
  kill(): Promise<void>;
  /** Stops and removes everything. */
  remove(): Promise<void>;
}

export interface SourceOptions {
  major?: number;
  /** Lines of postgresql.conf. */
  settings?: Readonly<Record<string, string>>;
  initdb?: readonly string[];
  /** The server that travels with us, also where the machine has one of its own. */
  bundledOnly?: boolean;
  /** As in a container: its processes have other numbers than here. Needs root and util-linux. */
  pidNamespace?: boolean;
}

/** The machine as the engine sees it, with the server user where we are root. */
export async function testHost(): Promise<Machine> {
  const environment = process.env;
  return createLocalMachine({
    name: hostNameSchema.parse('local'),
    serverUser: await findServerUser({ environment }),
    environment,
  });
}

/** The machine's own programs and those that `programs/fetch/fetch.ts` made. */
export function testPrograms(
  setting?: { serverDirectory?: string; clientDirectory?: string },
  host = programHost,
): FindPrograms {
  return async (major) => {
    const found = await locatePrograms({ host, setting, bundledDirectory: bundled(), major });
    return { server: await runnable(found.server), client: await runnable(found.client) };
  };
}

/** As the engine does: servers of root run as another user, whom a checkout in root's own folder does not let in. */
async function runnable<Kind extends ServerPrograms | ClientPrograms>(
  found: Located<Kind>,
): Promise<Located<Kind>> {
  if (!found.ok || process.getuid?.() !== 0) return found;
  const intoDirectory = passableFolder('programs');
  return { ok: true, programs: await stagePrograms(found.programs, { intoDirectory }) };
}

const programHost = localProgramHost({ PATH: process.env['PATH'] });

/** No PATH, and a platform with no known folders: what is found can only be ours. */
export const bundledHost = { ...localProgramHost({}), platform: 'openbsd' as const };

function bundled(): string | undefined {
  const platform = platformOf(process);
  return platform === undefined ? undefined : developmentFolder(platform);
}

/** Major versions with a server here: tests over versions run on these. */
export async function presentMajors(): Promise<readonly number[]> {
  const majors: number[] = [];
  for (let major = 13; major <= 18; major += 1) {
    const found = await locateServer({ host: programHost, bundledDirectory: bundled(), major });
    if (found.ok) majors.push(major);
  }
  return majors;
}

export async function startPostgresSource(options: SourceOptions = {}): Promise<PostgresSource> {
  const found = await runnable(
    await locateServer({
      host: options.bundledOnly === true ? bundledHost : programHost,
      bundledDirectory: bundled(),
      ...(options.major === undefined ? {} : { major: options.major }),
    }),
  );
  if (!found.ok) throw new Error(`${found.missing.what} was not found. ${found.missing.install}`);
  const programs = found.programs;
  const machine = await testHost();
  const folder = await mkdtemp(path.join(tmpdir(), 'tc-source-'));
  await chmod(folder, 0o755);
  try {
    return await startIn(folder, machine, programs, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(
  folder: string,
  machine: Machine,
  programs: ServerPrograms,
  options: SourceOptions,
): Promise<PostgresSource> {
  const dataDirectory = path.join(folder, 'data');
  const socketDirectory = path.join(folder, 'socket');
  const user = machine.serverUser;
  for (const directory of [dataDirectory, socketDirectory]) {
    await mkdir(directory, { mode: 0o700 });
    if (user !== undefined) await chown(directory, user.uid, user.gid);
  }
  const passwordFile = path.join(socketDirectory, 'password');
  await writeFile(passwordFile, SOURCE_PASSWORD, { mode: 0o600 });
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid);
  await machine.run({
    program: programs.initdb,
    args: [
      ...['-D', dataDirectory, '-U', SOURCE_USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['--encoding=UTF8', '--locale=C', '--no-sync', ...(options.initdb ?? [])],
    ],
    env: { LC_ALL: 'C' },
    asServerUser: true,
    parse: ({ code, stderr }) => {
      if (code !== 0) throw new Error(`initdb: ${stderr}`);
    },
  });
  const lease = await machine.leasePort();
  const { port } = lease;
  await lease.release();
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: socketDirectory,
    fsync: 'off',
    shared_buffers: '32MB',
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  await writeFile(path.join(dataDirectory, 'postgresql.conf'), `${lines.join('\n')}\n`, { flag: 'a' });

  const command = [programs.postgres, '-D', dataDirectory] as const;
  const surroundings: SpawnOptionsWithStdioTuple<StdioNull, StdioNull, StdioPipe> = {
    cwd: dataDirectory,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  };
  const apart = options.pidNamespace === true;
  const ids = user === undefined ? [] : [`--setgid=${user.gid}`, `--setuid=${user.uid}`];
  const server = apart
    ? spawn('unshare', ['--pid', '--fork', ...ids, '--', ...command], surroundings)
    : spawn(command[0], command.slice(1), {
        ...surroundings,
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      });
  let log = '';
  server.stderr.on('data', (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-20_000)));
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) {
      // unshare passes no signals on; a killed first process takes its namespace along.
      const [inside] = apart ? await childrenOf(server.pid) : [];
      if (inside === undefined) server.kill(signal);
      else process.kill(inside, signal);
    }
    await ended;
  };

  const connect = async (database = 'postgres'): Promise<pg.Client> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: SOURCE_USER,
      password: SOURCE_PASSWORD,
      database,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  await waitUntilUp(connect, server, () => log);

  return {
    major: programs.major,
    port,
    dataDirectory,
    url: (database = 'postgres') =>
      `postgresql://${SOURCE_USER}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    connect,
    async run(database, ...statements) {
      const client = await connect(database);
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.end();
      }
    },
    stop: () => end('SIGINT'),
    async kill() {
      const children = await childrenOf(server.pid);
      await end('SIGKILL');
      for (const child of children) killQuietly(child);
    },
    async remove() {
      await end('SIGQUIT');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function waitUntilUp(
  connect: () => Promise<pg.Client>,
  server: ChildProcess,
  log: () => string,
): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the source ended: ${log()}`);
    try {
      const client = await connect();
      await client.end();
      return;
    } catch (error) {
      if (!(error instanceof Error) || !/ECONNREFUSED|starting up/.test(error.message)) throw error;
      await delay(10);
    }
  }
}

async function childrenOf(pid: number | undefined): Promise<readonly number[]> {
  if (pid === undefined || process.platform !== 'linux') return [];
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .filter((part) => part !== '')
    .map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // best effort: it noticed that its parent is gone and has ended
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
