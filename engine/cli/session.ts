/** What every command gets: its output, the person at the terminal, a connection to the engine, Ctrl-C. */
import type { Readable } from 'node:stream';
import type { Client } from '../protocol/client.ts';
import { fail } from '../protocol/errors.ts';
import type { CommandConnection } from '../protocol/node/quickConnection.ts';
import { askingClient } from './askingClient.ts';
import type { ClientProgram } from './clientPrograms.ts';
import { createOutput, type Output, type TextStream } from './output.ts';
import { createPrompter, type Prompter } from './prompt.ts';

/** Everything outside that a command touches; made of the process in main.ts, of fakes in tests. */
export interface Surroundings {
  stdin: Readable & { isTTY?: boolean };
  stdout: TextStream;
  stderr: TextStream;
  variables: Readonly<Record<string, string | undefined>>;
  cwd: string;
  version: string;
  /** Who asks, as `createdBy` has it. */
  user: string;
  /** Milliseconds since 1970. */
  now(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls back at each Ctrl-C; returns how to stop that. */
  onInterrupt(callback: () => void): () => void;
  /** Errors: `engine_unreachable` when none runs and `start` is false. */
  connect(options: { start: boolean; signal: AbortSignal }): Promise<CommandConnection>;
  /** Stops a running engine and waits until it is gone. */
  stop(connection: CommandConnection, signal: AbortSignal): Promise<void>;
  /** Runs an engine in this terminal until it is stopped; resolves with its exit code. Errors: `engine_running`. */
  serve(): Promise<number>;
  /** Leads another machine's requests on standard input to the engine of this one, until the input ends. */
  bridge(): Promise<void>;
  /**
   * Runs a program on this terminal's input and output and passes signals on to it. Resolves with its exit code, 128 and the
   * signal's number when a signal ended it. Errors: `command_unusable`.
   */
  execute(command: ExecutedCommand): Promise<number>;
  /** Client programs that travel with us, and which version of each the search path has, seen from a folder. Never rejects. */
  clientPrograms(cwd: string): Promise<readonly ClientProgram[]>;
}

export interface ExecutedCommand {
  program: string;
  args: readonly string[];
  cwd: string;
  /** The whole environment of the program. */
  environment: Readonly<Record<string, string | undefined>>;
}

export interface Session {
  surroundings: Surroundings;
  output: Output;
  prompter: Prompter;
  /** Aborts at Ctrl-C, unless a command handles that itself. */
  signal: AbortSignal;
  /** The engine, started when none runs. The same one for the whole command, unless it went away. */
  client(): Promise<Client>;
  /** A running engine, or `engine_unreachable`. */
  running(): Promise<CommandConnection>;
  /** Forgets the connection: the next one is made anew, to whatever engine runs then. */
  disconnect(): void;
  /** While `work` runs, Ctrl-C calls `callback` instead of ending the command. */
  handlingInterrupts<Result>(callback: () => void, work: () => Promise<Result>): Promise<Result>;
  exitCode: number;
  close(): void;
}

/** `login`: reaches a host at this terminal. */
export function createSession(
  surroundings: Surroundings,
  login: (session: Session, host: string) => Promise<void>,
): Session {
  const abort = new AbortController();
  let connection: Promise<CommandConnection> | undefined;
  let opened: CommandConnection | undefined;
  let onInterrupt = () => abort.abort(fail('canceled', {}));
  const ignore = surroundings.onInterrupt(() => onInterrupt());
  const connect = async (start: boolean): Promise<CommandConnection> => {
    connection ??= surroundings.connect({ start, signal: abort.signal }).then((made) => (opened = made));
    try {
      return await connection;
    } catch (error) {
      connection = undefined;
      throw error;
    }
  };
  const disconnect = () => {
    opened?.close();
    opened = undefined;
    connection = undefined;
  };
  const session: Session = {
    surroundings,
    output: createOutput(surroundings),
    prompter: createPrompter(surroundings),
    signal: abort.signal,
    client: async () =>
      askingClient((await connect(true)).client, {
        available: session.prompter.available,
        login: (host) => login(session, host),
      }),
    running: () => connect(false),
    disconnect,
    async handlingInterrupts(callback, work) {
      const before = onInterrupt;
      onInterrupt = callback;
      try {
        return await work();
      } finally {
        onInterrupt = before;
      }
    },
    exitCode: 0,
    close() {
      ignore();
      disconnect();
    },
  };
  return session;
}
