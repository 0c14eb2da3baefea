/** Makes sure that Debian packages which tests and the demo need are there, or says why they cannot be. */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const LOCK_TIMEOUT_SECONDS = 300;
const RETRY_MS = 1000;

export interface MissingPackage {
  readonly name: string;
  readonly reason: string;
}

export interface SystemPackages {
  /** The names that are installed now, whether this call installed them or they were there before. */
  readonly installed: readonly string[];
  readonly missing: readonly MissingPackage[];
}

export interface EnsureSystemPackagesOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

/**
 * Installs what is missing by apt-get when we are root on a Debian-like machine. Never throws for a package
 * that cannot be installed: each comes back in `missing` with a reason that names the next step.
 */
export async function ensureSystemPackages(
  names: readonly string[],
  options: EnsureSystemPackagesOptions = {},
): Promise<SystemPackages> {
  const { signal, onProgress } = options;
  const absent: string[] = [];
  for (const name of names) {
    if (!(await isInstalled(name, signal))) absent.push(name);
  }
  const present = names.filter((name) => !absent.includes(name));
  if (absent.length === 0) return { installed: present, missing: [] };

  if (process.platform !== 'linux' || !(await hasAptGet(signal))) {
    return {
      installed: present,
      missing: refuse(absent, 'this machine has no apt-get; install it yourself'),
    };
  }
  if (process.getuid?.() !== 0) {
    const command = `sudo apt-get install --no-install-recommends ${absent.join(' ')}`;
    return {
      installed: present,
      missing: refuse(absent, `not installed and we are not root; run: ${command}`),
    };
  }

  const installed = [...present];
  const missing: MissingPackage[] = [];
  try {
    await updateLists(signal, onProgress);
  } catch (error) {
    signal?.throwIfAborted();
    // Lists from an earlier update may be good enough, so the install below decides.
    onProgress?.(`apt-get update failed: ${lastLine(error)}`);
  }
  onProgress?.(`apt-get install ${absent.join(' ')}`);
  try {
    await aptGet(['install', '--no-install-recommends', ...absent], signal);
    installed.push(...absent);
  } catch (togetherError) {
    signal?.throwIfAborted();
    // One unknown name makes apt-get refuse them all: one at a time tells which, and installs the others.
    for (const name of absent) {
      try {
        if (absent.length === 1) throw togetherError;
        await aptGet(['install', '--no-install-recommends', name], signal);
        installed.push(name);
      } catch (error) {
        signal?.throwIfAborted();
        missing.push({ name, reason: `apt-get install ${name} failed: ${lastLine(error)}` });
      }
    }
  }
  return { installed, missing };
}

/** One sentence for a person out of what `ensureSystemPackages` could not provide. */
export function describeMissing(missing: readonly MissingPackage[]): string {
  return missing.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
}

let listsUpdate: Promise<void> | undefined;

/** Once per process: the lists do not change while we run, and an update takes seconds. */
async function updateLists(signal?: AbortSignal, onProgress?: (message: string) => void): Promise<void> {
  if (!listsUpdate) {
    onProgress?.('apt-get update');
    listsUpdate = aptGet(['update'], signal);
    listsUpdate.catch(() => {
      listsUpdate = undefined;
    });
  }
  await listsUpdate;
}

async function aptGet(args: readonly string[], signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + LOCK_TIMEOUT_SECONDS * 1000;
  for (;;) {
    try {
      await run(
        'apt-get',
        [
          '-y',
          '-q',
          '-o',
          `DPkg::Lock::Timeout=${LOCK_TIMEOUT_SECONDS}`,
          '-o',
          'Acquire::Retries=3',
          ...args,
        ],
        {
          // RUNLEVEL=1: no package starts its service (invoke-rc.d(8)).
          env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C', RUNLEVEL: '1' },
          maxBuffer: 64 * 1024 * 1024,
          ...(signal && { signal }),
        },
      );
      return;
    } catch (error) {
      // DPkg::Lock::Timeout waits for dpkg's locks only; the lock on the lists and on the archive fails at once
      // (apt.conf(5)), so two `apt-get update` at the same moment need this loop.
      if (!/Could not get lock|Unable to lock directory/.test(stderrOf(error)) || Date.now() > deadline)
        throw error;
      await delay(RETRY_MS, undefined, signal ? { signal } : {});
    }
  }
}

async function isInstalled(name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run(
      'dpkg-query',
      ['-W', '-f=${db:Status-Abbrev}', name],
      signal ? { signal } : {},
    );
    return stdout.startsWith('ii');
  } catch {
    signal?.throwIfAborted();
    // best effort: dpkg-query fails for a package it does not know and where there is no dpkg; both mean absent.
    return false;
  }
}

async function hasAptGet(signal?: AbortSignal): Promise<boolean> {
  try {
    await run('apt-get', ['--version'], signal ? { signal } : {});
    return true;
  } catch {
    signal?.throwIfAborted();
    // best effort: a machine without apt-get is an answer, not a failure.
    return false;
  }
}

function refuse(names: readonly string[], reason: string): MissingPackage[] {
  return names.map((name) => ({ name, reason }));
}

function stderrOf(error: unknown): string {
  return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
}

function lastLine(error: unknown): string {
  const lines = stderrOf(error).trim().split('\n');
  return lines.findLast((line) => line.startsWith('E:')) ?? lines.at(-1) ?? 'no output';
}
