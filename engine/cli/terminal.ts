/** Gives the command line this process: its terminal, signals, user and engine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fail } from '../protocol/errors.ts';
import { readHolder } from '../protocol/node/holder.ts';
import { homePaths, processEnvironment } from '../protocol/node/home.ts';
import { connectEngine, stopEngine } from '../protocol/node/launch.ts';
import { connectQuickly } from '../protocol/node/quickConnection.ts';
import { createShortTransport } from '../protocol/node/shortTransport.ts';
import { locateEngineProgram, thisNodeCanRunEngine } from './engineProgram.ts';
import { execute } from './execute.ts';
import { exitCodes } from './exitCode.ts';
import { run } from './program.ts';

/** Who asks. A container may run as a number that has no name (`userInfo` then throws). */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // best effort: it is shown to people, nothing depends on it
    return process.env.USER ?? `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** The reader of a pipe that went away (`thin-clones clone list | head -1`) is not an error. */
function endsWithItsReader(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.done);
  });
  return stream;
}

/** Runs the command line of this process and resolves with its exit code. `moduleUrl`: of main.ts, or of its bundle. */
export async function runInTerminal(moduleUrl: string): Promise<number> {
  const program = locateEngineProgram({
    moduleUrl,
    execPath: process.execPath,
    canRunEngine: thisNodeCanRunEngine,
    variables: process.env,
    platform: process.platform,
  });
  const user = userName();
  const common = (signal: AbortSignal) => ({
    paths: homePaths(processEnvironment()),
    user,
    signal,
    transport: createShortTransport,
  });
  const serve = async (): Promise<number> => {
    if (thisNodeCanRunEngine()) {
      const engine = await import('../main.ts');
      if (await engine.serve({ foreground: true })) return exitCodes.done;
      const { home, holder } = homePaths(processEnvironment());
      throw fail('engine_running', { home, pid: (await readHolder(holder)) ?? null });
    }
    // A newer Node runs the same command in this terminal: Ctrl-C reaches both, and this one waits for the other.
    const child = spawn(program.execPath, process.argv.slice(1), { stdio: 'inherit' });
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? exitCodes.failed;
  };
  let stdout: NodeJS.WriteStream | undefined;
  let stderr: NodeJS.WriteStream | undefined;
  return await run(process.argv.slice(2), {
    // Node makes each of them when it is first asked for, and most commands need one.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return (stdout ??= endsWithItsReader(process.stdout));
    },
    get stderr() {
      return (stderr ??= endsWithItsReader(process.stderr));
    },
    variables: process.env,
    cwd: process.cwd(),
    version: program.version,
    user,
    now: Date.now,
    pause: (ms, signal) => sleep(ms, undefined, { signal }),
    onInterrupt(callback) {
      process.on('SIGINT', callback);
      return () => process.off('SIGINT', callback);
    },
    connect: ({ start, signal }) =>
      start
        ? connectQuickly({ ...common(signal), program })
        : connectEngine({ ...common(signal), program: undefined }),
    stop: (connection, signal) => stopEngine(connection, { ...common(signal), program: undefined }),
    serve,
    async bridge() {
      const { bridge } = await import('./bridge.ts');
      const { signal } = new AbortController();
      await bridge(() => connectEngine({ ...common(signal), program }));
    },
    execute,
    async clientPrograms(cwd) {
      const { findClientPrograms } = await import('./clientPrograms.ts');
      const { platform, arch, env: variables } = process;
      const codeDirectory = dirname(fileURLToPath(moduleUrl));
      return await findClientPrograms({ codeDirectory, platform, arch, variables, cwd });
    },
  });
}
