/** Runs the programs of a command with their output in a log file, and ends all of them when the command is stopped. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export interface ChildOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Both outputs are appended to it. */
  readonly log: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface ChildResult {
  /** 128 and more: ended by a signal. */
  readonly code: number;
  readonly timedOut: boolean;
}

const KILL_AFTER_MS = 10_000;

/** In a process group of its own, so that a stop reaches what it started as well. */
export async function runChild(options: ChildOptions): Promise<ChildResult> {
  options.signal.throwIfAborted();
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, 'a');
  let timedOut = false;
  try {
    const child = spawn(options.program, [...options.args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', log, log],
      detached: process.platform !== 'win32',
    });
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 128));
    });
    let killer: NodeJS.Timeout | undefined;
    const end = (): void => {
      signalGroup(child.pid, 'SIGTERM');
      killer ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, options.timeoutMs);
    options.signal.addEventListener('abort', end, { once: true });
    try {
      const code = await ended;
      return { code, timedOut };
    } finally {
      clearTimeout(timer);
      clearTimeout(killer);
      options.signal.removeEventListener('abort', end);
    }
  } finally {
    closeSync(log);
  }
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch (error) {
    // It ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
