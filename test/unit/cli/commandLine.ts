/** Runs one command line in this process, over a fake engine and a made-up terminal. */
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../../../engine/protocol/errors.ts';
import type { ClientProgram } from '../../../engine/cli/clientPrograms.ts';
import { run } from '../../../engine/cli/program.ts';
import type { ExecutedCommand, Surroundings } from '../../../engine/cli/session.ts';
import { at, type FakeEngine } from './fakeEngine.ts';

export interface Typed {
  /** Undefined: none runs, and none can be started. */
  engine?: FakeEngine;
  terminal?: boolean;
  /** What is piped in. */
  stdin?: string;
  /** What is typed, one entry for each question. */
  answers?: string[];
  variables?: Record<string, string>;
  cwd?: string;
  /** Gets what is executed. */
  executed?: ExecutedCommand[];
  /** Those that travel with the command line. */
  clientPrograms?: readonly ClientProgram[];
  /** What that ends with. */
  exitCode?: number;
}
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}
export interface Running {
  ended: Promise<Ended>;
  interrupt(): void;
  /** Resolves when stderr has this text. */
  says(text: string): Promise<void>;
}

export function start(argv: readonly string[], typed: Typed = {}): Running {
  const terminal = typed.terminal === true;
  const answers = [...(typed.answers ?? [])];
  let [stdout, stderr] = ['', ''];
  let waiting: { text: string; resolve: () => void }[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: terminal });
  if (typed.stdin !== undefined) stdin.end(typed.stdin);
  const interrupts = new Set<() => void>();
  const surroundings: Surroundings = {
    stdin,
    stdout: { write: (text: string) => (stdout += text), isTTY: terminal, columns: 100 },
    stderr: {
      write(text: string) {
        stderr += text;
        for (const { resolve } of waiting.filter((each) => stderr.includes(each.text))) resolve();
        waiting = waiting.filter((each) => !stderr.includes(each.text));
        // Somebody reads the question before typing: after readline listens.
        if (/(\[y\/N\]|: )\s*$/.test(text) && answers.length > 0)
          setImmediate(() => stdin.write(`${answers.shift() ?? ''}\r`));
      },
      isTTY: terminal,
      columns: 100,
    },
    variables: typed.variables ?? { NO_COLOR: '1' },
    cwd: typed.cwd ?? '/nowhere',
    version: '0.1.0',
    user: 'anna',
    now: () => Date.parse(at) + 180_000,
    pause: (_, signal) => sleep(1, undefined, { signal }),
    onInterrupt(callback) {
      interrupts.add(callback);
      return () => interrupts.delete(callback);
    },
    connect: async () => {
      if (typed.engine === undefined) throw fail('engine_unreachable', { problem: 'none is running' });
      return typed.engine.connect();
    },
    stop: async (connection) => {
      await connection.client.call('engineStop', {});
      connection.close();
    },
    serve: async () => 0,
    clientPrograms: async () => typed.clientPrograms ?? [],
    bridge: async () => undefined,
    execute: async (command) => {
      typed.executed?.push(command);
      return typed.exitCode ?? 0;
    },
  };
  return {
    ended: run(argv, surroundings).then((code) => ({ code, stdout, stderr })),
    interrupt: () => {
      for (const callback of interrupts) callback();
    },
    says: (text) =>
      stderr.includes(text) ? Promise.resolve() : new Promise((resolve) => waiting.push({ text, resolve })),
  };
}

export const type = (argv: readonly string[], typed: Typed = {}): Promise<Ended> => start(argv, typed).ended;

export const errorOf = ({
  stdout,
}: Ended): { code: string; message: string; next: string; details: Record<string, unknown> } =>
  (JSON.parse(stdout) as { error: ReturnType<typeof errorOf> }).error;
