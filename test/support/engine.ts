/** A real engine on a home of its own for tests: started, killed, stopped, and removed with everything that it made. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '../../engine/protocol/client.ts';
import { homePaths, type HomePaths } from '../../engine/protocol/node/home.ts';
import {
  connectEngine,
  stopEngine,
  type ConnectOptions,
  type EngineConnection,
  type EngineProgram,
} from '../../engine/protocol/node/launch.ts';
import { endAllUnder, killUnder, processesUnder, type FoundProcess } from './processesUnder.ts';

export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

export interface TestEngineOptions {
  /** For the engine, e.g. `{ THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_STORAGE_PATH: pool.path }`. */
  variables?: Readonly<Record<string, string>>;
  /** Default: engine/main.ts under the Node of the tests. */
  program?: Partial<EngineProgram>;
  user?: string;
}

export interface TestEngine {
  home: string;
  paths: HomePaths;
  program: EngineProgram;
  /** What a command or an extension needs to reach this engine and no other: THIN_CLONES_HOME and the given ones. */
  variables: Readonly<Record<string, string>>;
  /** The running engine; one is started when there is none. Close it, or leave that to `dispose`. */
  connect(): Promise<EngineConnection>;
  client(): Promise<Client>;
  /** Who runs, or undefined. Starts nothing. */
  running(): Promise<EngineConnection | undefined>;
  /** As a user would: clones go on. */
  stop(): Promise<void>;
  /** SIGKILL for the engine alone: its servers go on. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGKILL for the engine and all servers, as when the machine goes down. */
  crashMachine(): Promise<void>;
  log(): Promise<string>;
  /** Processes that belong to this home: the engine and its servers. */
  processes(): FoundProcess[];
  /** Ends the engine and its servers, unmounts and removes the home. */
  dispose(): Promise<void>;
}

const developmentProgram = (): EngineProgram => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    execPath: process.execPath,
    file: join(repository, 'engine', 'main.ts'),
    version,
    build: 'development',
  };
};

/** Mount points inside a folder, the deepest first. */
function mountsUnder(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[1] ?? '').replace(/\\([0-7]{3})/g, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 8)),
      ),
    )
    .filter((path) => path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length);
}

function unmountAll(folder: string): void {
  for (const path of mountsUnder(folder)) {
    const { status, stderr } = spawnSync('umount', [path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`umount ${path}: ${stderr}`);
  }
}

/** A read-only btrfs snapshot can't be removed as a folder; everything else can. */
async function removeHome(home: string): Promise<void> {
  try {
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EROFS' && code !== 'EPERM') throw error;
    const { stdout } = spawnSync('find', [home, '-inum', '256', '-type', 'd'], { encoding: 'utf8' });
    for (const path of stdout.split('\n').filter((line) => line !== ''))
      spawnSync('btrfs', ['property', 'set', path, 'ro', 'false']);
    await rm(home, { recursive: true, force: true });
  }
}

/** Homes whose tests have not ended: what remains of them when this process ends is killed. */
const open = new Map<string, readonly string[]>();
process.on('exit', () => {
  for (const roots of open.values()) killUnder(roots);
});

/** Makes the home; the engine itself starts with `connect()`, or with the command that is tested. */
export async function makeTestEngine(options: TestEngineOptions = {}): Promise<TestEngine> {
  const home = await mkdtemp(join(tmpdir(), 'tc-home-'));
  // Servers of root's engine run as another user, who has to pass through.
  await chmod(home, 0o711);
  const variables = { ...options.variables, THIN_CLONES_HOME: home };
  const paths = homePaths({ platform: process.platform, uid: process.getuid?.(), variables });
  const storage = options.variables?.THIN_CLONES_STORAGE_PATH;
  const roots = [home, ...(storage === undefined ? [] : [storage])];
  const program: EngineProgram = {
    ...developmentProgram(),
    ...options.program,
    env: { ...options.variables, ...options.program?.env },
  };
  open.set(home, roots);

  const connections = new Set<EngineConnection>();
  const connectOptions = (start: boolean): ConnectOptions => ({
    paths,
    user: options.user ?? 'tester',
    program: start ? program : undefined,
  });
  const connect = async (): Promise<EngineConnection> => {
    // The file system of another test may have been unmounted with the folder.
    mkdirSync(home, { recursive: true, mode: 0o711 });
    const connection = await connectEngine(connectOptions(true));
    connections.add(connection);
    return connection;
  };
  const closeConnections = () => {
    for (const connection of connections) connection.close();
    connections.clear();
  };
  let current: Promise<EngineConnection> | undefined;
  const running = async (): Promise<EngineConnection | undefined> => {
    const connection = await connectEngine(connectOptions(false)).catch(() => undefined);
    if (connection !== undefined) connections.add(connection);
    return connection;
  };
  const isEngine = ({ commandLine }: FoundProcess): boolean => commandLine.includes(` ${program.file} serve`);

  return {
    home,
    paths,
    program,
    variables,
    connect,
    running,
    async client() {
      current ??= connect();
      return (await current).client;
    },
    async stop() {
      const connection = await running();
      current = undefined;
      if (connection !== undefined) await stopEngine(connection, connectOptions(false));
      closeConnections();
    },
    async kill() {
      current = undefined;
      const engines = () => processesUnder(roots).filter(isEngine);
      const before = engines();
      for (const { pid } of before) process.kill(pid, 'SIGKILL');
      closeConnections();
      while (engines().some(({ pid }) => before.some((each) => each.pid === pid)))
        await new Promise((resolve) => setImmediate(resolve));
    },
    async crashMachine() {
      current = undefined;
      closeConnections();
      await endAllUnder(roots);
    },
    log: () => readFile(paths.log, 'utf8'),
    processes: () => processesUnder(roots),
    async dispose() {
      closeConnections();
      current = undefined;
      await endAllUnder(roots);
      unmountAll(home);
      await removeHome(home);
      await rm(paths.socketRoot, { recursive: true, force: true });
      open.delete(home);
    },
  };
}
