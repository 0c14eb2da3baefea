/** Finds the running engine of this user and machine, starts one when there is none, and replaces an older one. */
import { spawn } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client, type Transport } from '../client.ts';
import type { EngineInfo } from '../entities.ts';
import { fail, isFailure, toFailure } from '../errors.ts';
import { protocolVersion } from '../wire.ts';
import { readDiscovery, type Discovery } from './discovery.ts';
import { watchDiscovery, type DiscoveryWatch } from './discoveryWatch.ts';
import { readHolder, runs } from './holder.ts';
import type { HomePaths } from './home.ts';
import { createTransport, type Address } from './transport.ts';

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
  /** How requests travel; default: over connections that are kept. */
  transport?: (address: Address) => Transport & { close(): void };
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

/** The engine that runs, or undefined. Errors: `engine_unreachable` when it hangs. */
export async function tryConnect(options: ConnectOptions): Promise<EngineConnection | undefined> {
  const discovery = await readDiscovery(options.paths.discovery);
  if (discovery === undefined) return undefined;
  const transport = (options.transport ?? createTransport)({ socketPath: discovery.socket });
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

/** An engine leaves to the next one what does not end in 20 s. */
const stopPatienceMs = 30_000;

/** Asks an engine to stop and waits until its process is gone, so that its home is nobody's; clones go on. */
export async function stopEngine(
  connection: Omit<EngineConnection, 'info'>,
  options: ConnectOptions,
  query: { unless?: 'working' } = {},
): Promise<void> {
  const { pid } = connection.discovery;
  try {
    await connection.client.call('engineStop', { query }, { signal: options.signal });
  } catch (error) {
    // It may be gone before its answer is out: whether its process ends is what counts.
    if (!isFailure(error, 'engine_unreachable')) throw error;
  }
  connection.close();
  const deadline = performance.now() + stopPatienceMs;
  while (await runs(pid)) {
    if (performance.now() > deadline)
      throw fail('engine_unreachable', {
        problem: `engine ${pid} did not stop within ${stopPatienceMs / 1000} s`,
      });
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
 * its own speculation keep an idle one small; its work is other programs' work. V8's last compiler takes 4 MB with 100
 * clones: what is hot, the traffic through a stable port, is fast enough by the one before it (800 MB/s of small messages).
 * By v8.setFlagsFromString it takes more than it gives: Node's own compiled code is refused then.
 */
const memoryFlags = ['--max-semi-space-size=1', '--optimize-for-size', '--no-opt'];

/** By these, package.json knows the engine where VS Code looks for ports to forward. */
export const engineArguments = (file: string): readonly string[] => [...memoryFlags, file, 'serve'];

/** A little more than a started engine waits for the end of the one before it: its own word is the better one. */
const HOLDER_PATIENCE_MS = 70_000;

async function start(options: ConnectOptions, program: EngineProgram): Promise<EngineConnection> {
  try {
    await mkdir(options.paths.home, { recursive: true });
    await mkdir(options.paths.engineDirectory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `${options.paths.home} can't be made (${code ?? String(error)}): set THIN_CLONES_HOME to a folder of yours`;
    throw fail('engine_start_failed', { problem, log: options.paths.log }, { cause: error });
  }
  const waker = watchDiscovery(options.paths.discovery);
  try {
    return await startWaking(options, program, waker);
  } finally {
    waker.close();
  }
}

/** As `start`; looks whenever it is woken. */
async function startWaking(
  options: ConnectOptions,
  program: EngineProgram,
  { wake, woken }: DiscoveryWatch,
): Promise<EngineConnection> {
  let child = spawnEngine(options, program, wake);
  const patienceMs = options.startTimeoutMs ?? 20_000;
  let deadline = performance.now() + patienceMs;
  const last = performance.now() + HOLDER_PATIENCE_MS;
  for (;;) {
    const { end } = child;
    const connection = await tryConnect(options);
    if (connection !== undefined) return connection;
    const isLate = performance.now() > deadline;
    if (end?.problem === null) {
      if (isLate) throw startFailed(options, 'another one answered, and is gone again');
      // It was not needed, since another one answered: which has ended by now.
      child = spawnEngine(options, program, wake);
    } else if (end !== undefined || isLate) {
      const holder = await otherHolder(options, child.pid);
      // The one that was started waits for the end of one that was killed or is stopping.
      if (end === undefined && holder !== undefined && deadline < last)
        deadline = Math.min(performance.now() + patienceMs, last);
      else {
        const problem = end?.problem ?? 'it did not answer in time';
        throw startFailed(options, `${problem}${tellOf(holder)}${await tellFull(options)}`);
      }
    }
    await woken(options.signal);
  }
}

/** Bytes: less than the files of an engine that starts. */
const roomToStart = 128 * 2 ** 10;

const startFailed = ({ paths }: ConnectOptions, problem: string): Error =>
  fail('engine_start_failed', { problem, log: paths.log });

const tellOf = (holder: number | undefined): string =>
  holder === undefined
    ? ''
    : `; engine ${holder} holds this home, does not answer and has not ended: end that process, clones go on`;

/** An engine that has no room for its own files has none to say so in its log either. */
async function tellFull({ paths: { engineDirectory } }: ConnectOptions): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(engineDirectory);
    if (bavail * bsize > roomToStart) return '';
    return `; the disk of ${engineDirectory} is full, and so is what the engine keeps free there for itself: make 5 MB of room on it, clones go on meanwhile`;
  } catch {
    return ''; // best effort: what is known of the end is told
  }
}

async function otherHolder({ paths }: ConnectOptions, own: number | undefined): Promise<number | undefined> {
  const holder = await readHolder(paths.holder);
  return holder !== undefined && holder !== own && (await runs(holder)) ? holder : undefined;
}

interface StartedEngine {
  pid: number | undefined;
  /** How it ended, with no problem when another one answered. */
  readonly end: { problem: string | null } | undefined;
}

function spawnEngine({ paths }: ConnectOptions, program: EngineProgram, onEnd: () => void): StartedEngine {
  let end: StartedEngine['end'];
  const child = spawn(program.execPath, engineArguments(program.file), {
    detached: true,
    stdio: 'ignore',
    cwd: paths.home,
    env: { ...process.env, ...program.env, THIN_CLONES_HOME: paths.home, ELECTRON_RUN_AS_NODE: '1' },
  });
  child.on('error', (error) => {
    end = { problem: error.message };
    onEnd();
  });
  child.on('exit', (code, signal) => {
    const how = code === null ? String(signal) : `code ${code}`;
    end = { problem: code === 0 ? null : `it ended with ${how}` };
    onEnd();
  });
  child.unref();
  return {
    pid: child.pid,
    get end() {
      return end;
    },
  };
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
