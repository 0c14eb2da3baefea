/** Runs one program in a container of its own and takes what it says; nothing of the container is left. */
import { Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type Docker from 'dockerode';
import type { CommandResult } from '../../machine/machine.ts';
import { dockerRefusal, type DockerEngine } from './dockerEngine.ts';

export interface RunOnceOptions {
  stdin?: string | undefined;
  signal?: AbortSignal | undefined;
  onStderrLine?: ((line: string) => void) | undefined;
}

const STDERR_LIMIT = 64 * 1024;

/** Aborted: the program is killed, and the abort's reason thrown. */
export async function runOnce(
  { client }: DockerEngine,
  settings: Docker.ContainerCreateOptions,
  { stdin, signal, onStderrLine }: RunOnceOptions,
): Promise<CommandResult> {
  signal?.throwIfAborted();
  const takesInput = stdin !== undefined;
  const container = await client.createContainer({
    ...settings,
    ...{ OpenStdin: takesInput, StdinOnce: takesInput, AttachStdin: takesInput },
    ...{ AttachStdout: true, AttachStderr: true },
  });
  const kill = (): void => {
    // best effort: one that has ended can't be killed, and is removed below
    container.kill().catch(() => undefined);
  };
  try {
    const streams = await container.attach({
      ...{ stream: true, stdin: takesInput, stdout: true, stderr: true, hijack: true },
    });
    const stdout = collect(Number.POSITIVE_INFINITY);
    const stderr = collect(STDERR_LIMIT, onStderrLine);
    client.modem.demuxStream(streams, stdout.into, stderr.into);
    const ended = new Promise<void>((resolve, reject) => {
      streams.on('end', resolve).on('close', resolve).on('error', reject);
    });
    const waiting = container.wait({ condition: 'next-exit' }) as Promise<{ StatusCode: number }>;
    // Each is awaited below, unless the start fails.
    waiting.catch(() => undefined);
    ended.catch(() => undefined);
    await container.start();
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted === true) kill();
    if (stdin !== undefined) streams.end(stdin);
    const { StatusCode } = await waiting;
    await ended;
    signal?.throwIfAborted();
    // As a shell tells it: 128 and the number of the signal.
    return { code: StatusCode, signal: null, stdout: stdout.text(), stderr: stderr.text() };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', kill);
    await removeContainer(container);
  }
}

/** Idempotent: it may be gone, or about to be. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    const status = dockerRefusal(error)?.status;
    if (status !== 404 && status !== 409) throw error;
  }
}

/** What is written there is taken at once. */
function collect(limit: number, onLine?: (line: string) => void): { into: Writable; text: () => string } {
  const decoder = new StringDecoder('utf8');
  let text = '';
  let rest = '';
  const into = new Writable({
    write(piece: Buffer, _encoding, done) {
      const more = decoder.write(piece);
      text = (text + more).slice(-limit);
      if (onLine !== undefined) {
        const lines = (rest + more).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line);
      }
      done();
    },
  });
  return { into, text: () => text };
}
