/** Runs the program that carries a link: its standard input and output as one stream, and what it said to standard error. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { joinStreams } from '../joinStreams.ts';

export interface CarrierCommand {
  program: string;
  args: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
}

export interface CarrierEnd {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** At most the last 16 KiB of what it wrote to standard error. */
  stderr: string;
  /** `close` was called, or the stream destroyed, before it ended by itself. */
  closed: boolean;
}

export interface Carrier {
  readonly pid: number;
  readonly bytes: Duplex;
  readonly ended: Promise<CarrierEnd>;
  /** Up to now. */
  stderr(): string;
  /** Closes its input; a program that goes on is told TERM, and KILL two seconds later. */
  close(): void;
}

const STDERR_LIMIT = 16 * 1024;
/** From the end of its input to TERM: what reads its input ends by itself, and says why. */
const TERM_AFTER_MS = 500;
const KILL_AFTER_MS = 2000;
/** How long the pipes of an ended program may stay open because one of its own children holds them. */
const PIPES_AFTER_EXIT_MS = 2000;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts a program in a process group of its own, without a terminal: what it would ask there it can't.
 * Errors: the one of spawn(2) when there is no such program, or it may not be run.
 */
export async function startCarrier(command: CarrierCommand): Promise<Carrier> {
  const groups = process.platform !== 'win32';
  const child: Child = spawn(command.program, [...command.args], {
    env: { ...command.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: groups,
    windowsHide: true,
  });
  const spawned = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const stderr = keepLast(child.stderr);
  const bytes = joinStreams(child.stdout, child.stdin);
  const exited = new Promise<Pick<CarrierEnd, 'code' | 'signal'>>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  await spawned;
  child.on('error', () => undefined); // best effort: a signal that could not be sent; the end of the program counts.

  let over = false;
  let closed = false;
  const close = (): void => {
    if (over || closed) return;
    closed = true;
    bytes.destroy();
    const timers = [
      setTimeout(() => endGroup(child, 'SIGTERM', groups), TERM_AFTER_MS),
      setTimeout(() => endGroup(child, 'SIGKILL', groups), KILL_AFTER_MS),
    ];
    void exited.then(() => timers.forEach(clearTimeout));
  };
  bytes.once('close', close);

  const ended = exited.then(async (exit): Promise<CarrierEnd> => {
    over = true;
    await Promise.race([stderr.finished, sleepUnheld(PIPES_AFTER_EXIT_MS)]);
    child.stderr.destroy();
    // What it wrote before it ended may still be read; a child of it that holds the pipe may not hold the reader.
    if (!bytes.readableEnded) setTimeout(() => bytes.destroy(), PIPES_AFTER_EXIT_MS).unref();
    else bytes.destroy();
    return { ...exit, stderr: stderr.text(), closed };
  });
  return { pid: child.pid ?? 0, bytes, ended, stderr: stderr.text, close };
}

const sleepUnheld = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

function keepLast(stream: Readable): { text: () => string; finished: Promise<void> } {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-STDERR_LIMIT);
  });
  const finished = new Promise<void>((resolve) => {
    stream.once('close', resolve);
    stream.once('end', resolve);
    stream.once('error', () => resolve());
  });
  return { text: () => kept.toString('utf8'), finished };
}

function endGroup(child: Child, signal: 'SIGTERM' | 'SIGKILL', groups: boolean): void {
  if (child.pid === undefined) return;
  try {
    if (groups) process.kill(-child.pid, signal);
    else child.kill(signal);
  } catch (error) {
    // best effort: ESRCH says that the whole group has ended already.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
