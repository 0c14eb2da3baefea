/** Runs a program in the place of this command: same input and output, signals passed on, its exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fail } from '../protocol/errors.ts';
import type { ExecutedCommand } from './session.ts';

const passedOn = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** A terminal sends these to every process in the foreground by itself: passed on they would come twice. */
const fromTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

const problems: Record<string, string> = {
  ENOENT: 'there is no such program',
  EACCES: 'it may not be executed',
  ENOEXEC: 'it is no program',
};

export async function execute({ program, args, cwd, environment }: ExecutedCommand): Promise<number> {
  const onTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
  // Before the program starts: none that comes in between may end this process alone.
  let pass: (signal: NodeJS.Signals) => void = (signal) => pending.push(signal);
  const pending: NodeJS.Signals[] = [];
  const listeners = passedOn.map((signal) => {
    const listener = () => {
      if (!(onTerminal && fromTerminal.includes(signal))) pass(signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(program, args, { cwd, env: { ...environment }, stdio: 'inherit' });
      pass = (signal) => child.kill(signal);
      child.on('spawn', () => pending.forEach((signal) => child.kill(signal)));
      child.on('error', (error: NodeJS.ErrnoException) => {
        const problem = problems[error.code ?? ''] ?? error.message;
        reject(fail('command_unusable', { command: program, problem }, { cause: error }));
      });
      child.on('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  }
}
