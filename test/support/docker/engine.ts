/**
 * A Docker Engine of the tests' own: everything that it has lies in a temporary folder, it has no network but that of this machine, and
 * it is ended by its pid with all that it started.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { endAllUnder } from '../processesUnder.ts';
import { describeMissing, ensureSystemPackages } from '../systemPackages.ts';

const run = promisify(execFile);
/** Between two looks at a daemon that starts or ends. */
const POLL_MS = 20;
/** It needs 2 s on a quiet machine. */
const START_MS = 120_000;

export interface DockerOptions {
  /** More arguments of dockerd, such as --live-restore. */
  readonly arguments?: readonly string[];
}

export interface TestDocker {
  /** As `DOCKER_HOST` names it. */
  readonly host: string;
  readonly socket: string;
  /** Of the tests' own; the product makes one for itself. */
  readonly client: Docker;
  /** As a crash: kill -9, and nothing else. */
  kill(): Promise<void>;
  /** As `systemctl stop docker`. */
  stop(): Promise<void>;
  /** After `kill` or `stop`. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Why there can be none, or undefined. Installs it where that is possible. */
export async function noDocker(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a Docker Engine needs Linux';
  if (process.getuid?.() !== 0) return 'a Docker Engine of its own needs root';
  const { missing } = await ensureSystemPackages(['docker.io']);
  return missing.length === 0 ? undefined : describeMissing(missing);
}

export async function startDocker({ arguments: more = [] }: DockerOptions = {}): Promise<TestDocker> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-docker-'));
  await chmod(folder, 0o755);
  const at = (name: string): string => join(folder, name);
  const socket = at('docker.sock');
  // Else it reads that of this machine.
  await writeFile(at('daemon.json'), '{}\n');
  await writeFile(at('containerd.toml'), 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
  const client = new Docker({ socketPath: socket });
  let containerd: ChildProcess | undefined;
  let daemon: ChildProcess | undefined;
  const begin = async (program: string, args: readonly string[]): Promise<ChildProcess> => {
    const log = openSync(at('log'), 'a');
    // dockerd looks for containerd's programs, and these for runc.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true, env });
    closeSync(log);
    await once(child, 'spawn');
    return child;
  };

  const start = async (): Promise<void> => {
    // On its own, as on people's machines: it lives on when dockerd is killed.
    containerd ??= await begin('containerd', [
      ...['--root', at('containerd'), '--state', at('run'), '--address', at('containerd.sock')],
      ...['--config', at('containerd.toml'), '--log-level', 'warn'],
    ]);
    daemon = await begin('dockerd', [
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')],
      ...['--containerd', at('containerd.sock'), '--host', `unix://${socket}`],
      ...['--config-file', at('daemon.json'), '--log-level', 'warn'],
      // It changes nothing in the network of this machine.
      ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
      ...more,
    ]);
    const end = performance.now() + START_MS;
    for (;;) {
      try {
        await client.ping();
        return;
      } catch (error) {
        if (daemon.exitCode !== null || performance.now() > end) {
          const said = await readFile(at('log'), 'utf8');
          throw new Error(`dockerd did not start: ${said.split('\n').slice(-8).join('\n')}`, {
            cause: error,
          });
        }
        await delay(POLL_MS);
      }
    }
  };
  const ended = async (child: ChildProcess | undefined, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = daemon;
    daemon = undefined;
    await ended(ending, signal);
    // A daemon that was killed leaves its pid, which may be another's at the next start.
    await rm(at('pid'), { force: true });
  };

  const remove = async (): Promise<void> => {
    await end('SIGTERM');
    await ended(containerd, 'SIGTERM');
    await endAllUnder([folder]);
    for (const mount of await mountsBelow(folder)) await run('umount', ['-l', mount]);
    await rm(folder, { recursive: true, force: true });
  };

  const docker: TestDocker = {
    host: `unix://${socket}`,
    socket,
    client,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start,
    async close() {
      // Only it ends what runs in containers.
      if (daemon === undefined) await start();
      for (const { Id } of await client.listContainers({ all: true }))
        await client.getContainer(Id).remove({ force: true });
      await remove();
    },
  };
  try {
    await start();
  } catch (error) {
    await remove();
    throw error;
  }
  return docker;
}

/** The innermost first. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  return (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .reverse();
}
