/** Finds the running engine of this user and machine, starts one when there is none, and replaces an older one. */
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from '../client.ts';
import type { EngineInfo } from '../entities.ts';
import { fail, isFailure, toFailure } from '../errors.ts';
import { protocolVersion } from '../routes.ts';
import { readDiscovery, type Discovery } from './discovery.ts';
import type { HomePaths } from './home.ts';
import { createTransport } from './transport.ts';

export interface EngineProgram {
  /** Node, or VS Code's own executable (then ELECTRON_RUN_AS_NODE makes it Node). */
  execPath: string;
  /** The bundled engine, or engine/main.ts in development. */
  file: string;
  version: string;
  /** Changes with every build, so that a rebuilt engine of the same version replaces the running one. */
  build: string;
  /** Added to the environment of the engine. */
  env?: Readonly<Record<string, string>>;
}

export interface EngineConnection {
  client: Client;
  info: EngineInfo;
  discovery: Discovery;
  close(): void;
}

export interface ConnectOptions {
  paths: HomePaths;
  user: string;
  /** Without a program, only a running engine is used. */
  program: EngineProgram | undefined;
  /** How long a start may take. */
  startTimeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/** Compares dotted versions; pre-release parts count as equal. */
export function isNewer(version: string, than: string): boolean {
  const numbers = (text: string) => text.split(/[.+-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [numbers(version), numbers(than)];
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** An engine answers this in a millisecond; one that is stopped (SIGSTOP) or hangs never does. */
const ANSWER_PATIENCE_MS = 15_000;

async function tryConnect(options: ConnectOptions): Promise<EngineConnection | undefined> {
  const discovery = await readDiscovery(options.paths.discovery);
  if (discovery === undefined) return undefined;
  const transport = createTransport({ socketPath: discovery.socket });
  const client = createClient({ transport, user: options.user, token: discovery.token });
  const patience = AbortSignal.timeout(ANSWER_PATIENCE_MS);
  const signal = options.signal === undefined ? patience : AbortSignal.any([options.signal, patience]);
  try {
    const info = await client.call('engineInfo', {}, { signal });
    return { client, info, discovery, close: () => transport.close() };
  } catch (error) {
    transport.close();
    if (patience.aborted) {
      const problem = `engine ${discovery.pid} does not answer; end that process, clones go on`;
      throw fail('engine_unreachable', { problem }, { cause: error });
    }
    // A discovery file of an engine that is gone or going: its socket does not answer, or its token is of the past.
    const gone = ['engine_unreachable', 'shutting_down', 'unauthorized'] as const;
    if (gone.some((code) => isFailure(error, code))) return undefined;
    throw error;
  }
}

const shouldReplace = ({ info, discovery }: EngineConnection, program: EngineProgram): boolean =>
  info.version === program.version
    ? discovery.build !== program.build
    : isNewer(program.version, info.version);

/** Whether a process of this user runs. In a container whose first process reaps nobody, ended ones stay as zombies. */
async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    // proc(5): the state follows the name, which is in parentheses and may have any character in it.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    // best effort: there is none (ESRCH, ENOENT), or it is somebody else's who got the number since (EPERM)
    return false;
  }
}

/** Asks an engine to stop and waits until its process is gone, so that its home is nobody's; clones go on. */
export async function stopEngine(
  connection: EngineConnection,
  options: ConnectOptions,
  query: { unless?: 'working' } = {},
): Promise<void> {
  const { pid } = connection.info;
  try {
    await connection.client.call('engineStop', { query }, { signal: options.signal });
  } catch (error) {
    // It may be gone before its answer is out: whether its process ends is what counts.
    if (!isFailure(error, 'engine_unreachable')) throw error;
  }
  connection.close();
  const deadline = performance.now() + 10_000;
  while (await runs(pid)) {
    if (performance.now() > deadline)
      throw fail('engine_unreachable', { problem: `engine ${pid} did not stop within 10 s` });
    await sleep(5, undefined, { signal: options.signal });
  }
}

/**
 * Stops an engine that is to be replaced. One that works is kept until a later connection, since a refresh may have
 * taken hours; but one of another protocol can't be used, and its jobs end as interrupted.
 */
async function giveWay(connection: EngineConnection, options: ConnectOptions): Promise<boolean> {
  const speaksOurs = connection.info.protocol === protocolVersion;
  try {
    await stopEngine(connection, options, speaksOurs ? { unless: 'working' } : {});
    return true;
  } catch (error) {
    if (isFailure(error, 'busy')) return false;
    throw error;
  }
}

/**
 * The engine waits most of its life. A young generation of 1 MB instead of 16 (V8's default on 64 bits) and code without
 * its own speculation keep an idle one small; its work is other programs' work.
 */
const memoryFlags = ['--max-semi-space-size=1', '--optimize-for-size'];

async function start(options: ConnectOptions, program: EngineProgram): Promise<EngineConnection> {
  try {
    await mkdir(options.paths.home, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `${options.paths.home} can't be made (${code ?? String(error)}): set THIN_CLONES_HOME to a folder of yours`;
    throw fail('engine_start_failed', { problem, log: options.paths.log }, { cause: error });
  }
  let exited: string | undefined;
  const child = spawn(program.execPath, [...memoryFlags, program.file, 'serve'], {
    detached: true,
    stdio: 'ignore',
    cwd: options.paths.home,
    env: { ...process.env, ...program.env, THIN_CLONES_HOME: options.paths.home, ELECTRON_RUN_AS_NODE: '1' },
  });
  child.on('error', (error) => (exited = error.message));
  // Exit code 0 means that another engine won the race: it will answer.
  child.on('exit', (code, signal) => {
    if (code !== 0) exited = `it ended with ${code === null ? String(signal) : `code ${code}`}`;
  });
  child.unref();
  const deadline = performance.now() + (options.startTimeoutMs ?? 20_000);
  for (;;) {
    const connection = await tryConnect(options);
    if (connection !== undefined) return connection;
    if (exited !== undefined || performance.now() > deadline) {
      const problem = exited ?? 'it did not answer in time';
      throw fail('engine_start_failed', { problem, log: options.paths.log });
    }
    await sleep(5, undefined, { signal: options.signal });
  }
}

/**
 * A connection to the engine. Errors: `engine_unreachable` (none runs and no program was given), `engine_start_failed`,
 * `protocol_mismatch` (the running engine is newer than this client and speaks another protocol).
 */
export async function connectEngine(options: ConnectOptions): Promise<EngineConnection> {
  try {
    let connection = await tryConnect(options);
    const { program } = options;
    if (connection !== undefined && program !== undefined) {
      if (shouldReplace(connection, program) && (await giveWay(connection, options))) connection = undefined;
    }
    if (connection === undefined) {
      if (program === undefined) throw fail('engine_unreachable', { problem: 'none is running' });
      connection = await start(options, program);
    }
    if (connection.info.protocol !== protocolVersion) {
      connection.close();
      throw fail('protocol_mismatch', { engine: connection.info.protocol, client: protocolVersion });
    }
    return connection;
  } catch (error) {
    throw toFailure(error);
  }
}
