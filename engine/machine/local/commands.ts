/** Runs commands on this machine: argv only, one process group each, ended as a group when aborted. */
import { spawn, type ChildProcess } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { delimiter, dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { fail } from '../../protocol/errors.ts';
import type { Command, CommandResult, Machine, RunOptions } from '../machine.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
type ServerUser = NonNullable<Machine['serverUser']>;

/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 2000;
/** How long the pipes of an ended process may stay open because a grandchild holds them. */
const PIPES_AFTER_EXIT_MS = 2000;
const STDERR_LIMIT = 64 * 1024;

export const MARK_VARIABLE = 'THIN_CLONES_MARK';

export interface CommandRunnerOptions {
  environment: Environment;
  serverUser: ServerUser | undefined;
  platform: NodeJS.Platform;
  /** Variables of the environment that no command gets, because it would obey them before its arguments. */
  withheld?: ((variable: string) => boolean) | undefined;
}

/** The environment that a process of the server user sees: no home folder of somebody else. */
export function serverUserVariables(serverUser: ServerUser): Record<string, string> {
  return { HOME: '/nonexistent', USER: serverUser.name, LOGNAME: serverUser.name };
}

export function createCommandRunner(options: CommandRunnerOptions) {
  const { serverUser, platform, withheld = () => false } = options;
  const environment = Object.fromEntries(
    Object.entries(options.environment).filter(([variable]) => !withheld(variable)),
  );
  const groups = platform !== 'win32';

  return async function run<Value>(command: Command<Value>, runOptions: RunOptions = {}): Promise<Value> {
    const { signal } = runOptions;
    signal?.throwIfAborted();
    const asUser = command.asServerUser === true ? serverUser : undefined;
    const child = spawn(command.program, [...command.args], {
      env: {
        ...environment,
        ...(asUser && serverUserVariables(asUser)),
        ...(command.mark !== undefined && { [MARK_VARIABLE]: command.mark }),
        ...command.env,
      },
      // The engine's own folder may be closed to the server user, and some programs refuse to start in such a place.
      ...((command.cwd ?? asUser) && { cwd: command.cwd ?? '/' }),
      ...(asUser && { uid: asUser.uid, gid: asUser.gid }),
      stdio: [command.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: groups,
      windowsHide: true,
    });

    const stdout = collect(child.stdout, Number.POSITIVE_INFINITY, runOptions.onStdoutLine);
    const stderr = collect(child.stderr, STDERR_LIMIT, runOptions.onStderrLine);
    if (command.stdin !== undefined && child.stdin) {
      // best effort: a program that ends without reading its input (EPIPE) tells why by its exit code.
      child.stdin.on('error', () => undefined);
      child.stdin.end(command.stdin);
    }

    let killTimer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      endGroup(child, 'SIGTERM', groups);
      killTimer = setTimeout(() => endGroup(child, 'SIGKILL', groups), KILL_AFTER_MS);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const { code, signalName } = await finished(child);
      // A group outlives its leader when a child ignored TERM: nothing may be left behind.
      if (signal?.aborted === true) endGroup(child, 'SIGKILL', groups);
      signal?.throwIfAborted();
      return command.parse({ code, signal: signalName, stdout: stdout(), stderr: stderr() });
    } catch (error) {
      if (isSpawnFailure(error)) throw await spawnFailure(error, command, environment, asUser);
      throw error;
    } finally {
      clearTimeout(killTimer);
      signal?.removeEventListener('abort', onAbort);
    }
  };
}

function finished(child: ChildProcess): Promise<{ code: number | null; signalName: string | null }> {
  return new Promise((resolve, reject) => {
    let pipesTimer: NodeJS.Timeout | undefined;
    child.once('error', (error) => {
      if (child.pid === undefined) reject(error);
    });
    child.once('exit', () => {
      pipesTimer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, PIPES_AFTER_EXIT_MS);
    });
    child.once('close', (code, signalName) => {
      clearTimeout(pipesTimer);
      resolve({ code, signalName });
    });
  });
}

function collect(
  stream: NodeJS.ReadableStream | null,
  limit: number,
  onLine: ((line: string) => void) | undefined,
): () => string {
  const decoder = new StringDecoder('utf8');
  const chunks: string[] = [];
  let length = 0;
  let rest = '';
  const take = (text: string): void => {
    if (text === '') return;
    chunks.push(text);
    length += text.length;
    while (chunks.length > 1 && length - (chunks[0]?.length ?? 0) >= limit) {
      length -= chunks.shift()?.length ?? 0;
    }
    if (!onLine) return;
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
  stream?.on('data', (chunk: Buffer) => take(decoder.write(chunk)));
  stream?.on('end', () => {
    take(decoder.end());
    if (rest !== '') onLine?.(rest);
  });
  return () => {
    const text = chunks.join('');
    return text.length > limit ? text.slice(-limit) : text;
  };
}

function endGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL', groups: boolean): void {
  if (child.pid === undefined) return;
  try {
    if (groups) process.kill(-child.pid, signal);
    else child.kill(signal);
  } catch (error) {
    // best effort: ESRCH means that the whole group has ended already.
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

export function hasCode(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export function isSpawnFailure(error: unknown): error is NodeJS.ErrnoException {
  return hasCode(error, 'ENOENT', 'EACCES', 'ENOEXEC') && String(error.syscall).startsWith('spawn');
}

export async function spawnFailure(
  error: NodeJS.ErrnoException,
  command: { program: string; cwd?: string },
  environment: Environment,
  asUser?: ServerUser,
): Promise<Error> {
  // spawn(2) tells ENOENT for the folder as well as for the program.
  if (command.cwd !== undefined) {
    try {
      await stat(command.cwd);
    } catch (cause) {
      return new Error(`${command.program} can't start in ${command.cwd}`, { cause });
    }
  }
  const named = command.program.includes('/') || command.program.includes('\\');
  const closed = named && asUser !== undefined ? await closedFolder(command.program) : undefined;
  if (closed !== undefined && asUser !== undefined)
    return fail(
      'programs_closed',
      { program: command.program, user: asUser.name, folder: closed },
      { cause: error },
    );
  return fail(
    'programs_missing',
    {
      what: command.program,
      searched: named ? [command.program] : (environment['PATH'] ?? '').split(delimiter),
      install:
        error.code === 'EACCES'
          ? `Check that ${command.program} may be run by this user.`
          : `Install ${command.program}, or add its folder to PATH.`,
    },
    { cause: error },
  );
}

/** The topmost folder above a program that lets other users not pass, when the program is there. */
async function closedFolder(program: string): Promise<string | undefined> {
  let closed: string | undefined;
  try {
    await stat(program);
    for (let folder = dirname(program); ; folder = dirname(folder)) {
      if (((await stat(folder)).mode & 0o001) === 0) closed = folder;
      if (folder === dirname(folder)) return closed;
    }
  } catch {
    return undefined; // best effort: it is missing, which is what is told then
  }
}

/** Turns a result into its stdout, or throws with the last words of the program. */
export function stdoutOf(title: string): (result: CommandResult) => string {
  return (result) => {
    if (result.code === 0) return result.stdout;
    const how = result.signal === null ? `code ${String(result.code)}` : result.signal;
    throw new Error(`${title} ended with ${how}: ${result.stderr.trim() || 'no output'}`);
  };
}
