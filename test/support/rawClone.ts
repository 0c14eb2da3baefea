/**
 * The floor that clones are measured against: a copy made by hand with the file system's own program, and `postgres`
 * spawned on it until it answers a query. No engine, no journal, no tags, no password.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openAdminSession } from '../../engine/database/postgres/admin.ts';
import type { Machine } from '../../engine/machine/machine.ts';
import { accepts } from '../../engine/database/serverSockets.ts';

const run = promisify(execFile);

const PROBE_MS = 2;
const START_TIMEOUT_MS = 60_000;

/** How the copy is made: `snapshot` of a btrfs subvolume, `reflink` of every file, or a full `copy`. */
export type RawKind = 'snapshot' | 'reflink' | 'copy';

export interface RawClone {
  readonly copyMs: number;
  readonly startMs: number;
  readonly totalMs: number;
}

export interface RawCloneOptions {
  readonly machine: Machine;
  readonly kind: RawKind;
  /** A data directory that the engine prepared (its admin role lets us in by the socket) and whose server is stopped. */
  readonly from: string;
  /** A folder of the same file system. */
  readonly into: string;
  readonly postgres: string;
  readonly major: number;
}

/** Makes a raw clone, waits until it answers, and removes it. Milliseconds, removal not included. */
export async function timeRawClone(options: RawCloneOptions): Promise<RawClone> {
  const { machine, kind, from, postgres, major } = options;
  const path = join(options.into, `.raw-clone-${randomBytes(6).toString('hex')}`);
  const sockets = await mkdtemp(join(tmpdir(), 'tc-raw-'));
  const user = machine.serverUser;
  if (user !== undefined) await chown(sockets, user.uid, user.gid);
  const lease = await machine.leasePort();
  await lease.release();
  try {
    const begun = performance.now();
    await copy(kind, from, path);
    const copied = performance.now();
    const server = spawn(
      postgres,
      [
        ...['-D', path, '-c', 'cluster_name=raw-clone', '-c', 'listen_addresses=127.0.0.1'],
        ...['-c', `port=${lease.port}`, '-c', `unix_socket_directories="${sockets}"`],
        // As our clones: else a start after recovery syncs every file.
        ...(process.platform === 'linux' && major >= 14 ? ['-c', 'recovery_init_sync_method=syncfs'] : []),
      ],
      {
        cwd: path,
        stdio: 'ignore',
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      },
    );
    const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    server.once('error', () => undefined);
    try {
      const spec = { socketDirectory: sockets, port: lease.port };
      await waitForSocket(join(sockets, `.s.PGSQL.${lease.port}`), begun);
      const client = await openSession(spec, major, begun);
      await client.query('SELECT 1');
      const ready = performance.now();
      await client.end();
      return { copyMs: copied - begun, startMs: ready - copied, totalMs: ready - begun };
    } finally {
      if (server.exitCode === null && server.pid !== undefined) server.kill('SIGQUIT');
      if (server.pid !== undefined) await exited;
    }
  } finally {
    await remove(kind, path);
    await rm(sockets, { recursive: true, force: true });
  }
}

/** A full copy on the same file system, whatever it shares otherwise. */
async function copy(kind: RawKind, from: string, to: string): Promise<void> {
  if (kind === 'snapshot') {
    await run('btrfs', ['subvolume', 'snapshot', from, to]);
    return;
  }
  const reflink = kind === 'reflink' ? 'always' : 'never';
  // macOS has clonefile by `cp -c`, and no --reflink.
  const args =
    process.platform === 'darwin'
      ? ['-pR', ...(kind === 'reflink' ? ['-c'] : []), from, to]
      : ['-a', `--reflink=${reflink}`, from, to];
  await run('cp', args);
}

async function remove(kind: RawKind, path: string): Promise<void> {
  if (kind === 'snapshot') {
    try {
      await run('btrfs', ['subvolume', 'delete', path]);
      return;
    } catch (error) {
      // Without user_subvol_rm_allowed its owner may only empty it; and it may never have been made.
      if (!(error instanceof Error)) throw error;
    }
  }
  await rm(path, { recursive: true, force: true });
}

async function openSession(
  spec: { socketDirectory: string; port: number },
  major: number,
  begun: number,
): ReturnType<typeof openAdminSession> {
  for (;;) {
    try {
      return await openAdminSession({ spec, major });
    } catch (error) {
      // It listens before it lets anybody in.
      if (performance.now() - begun > START_TIMEOUT_MS) throw error;
      await delay(PROBE_MS);
    }
  }
}

async function waitForSocket(file: string, begun: number): Promise<void> {
  while (!(await accepts(file))) {
    if (performance.now() - begun > START_TIMEOUT_MS) throw new Error(`No server listens at ${file}.`);
    await delay(PROBE_MS);
  }
}
