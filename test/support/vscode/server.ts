/** Runs one VS Code server on loopback and takes all its processes down again. */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { VSCodeInstall } from './install.ts';

const run = promisify(execFile);

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

export const themes = {
  light: 'Default Light Modern',
  dark: 'Default Dark Modern',
  highContrast: 'Default High Contrast',
  highContrastLight: 'Default High Contrast Light',
} as const;

/** Keeps the workbench quiet: nothing downloads, nothing pops up, nothing moves. */
const QUIET_SETTINGS: Readonly<Record<string, unknown>> = {
  'workbench.startupEditor': 'none',
  // The machine that drives it is faster than people: focus that returns late must not close what opened meanwhile.
  'workbench.quickOpen.closeOnFocusLost': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.enabled': false,
  // With trust on, a folder opens in Restricted Mode without a question: versions differ in when they ask.
  'security.workspace.trust.startupPrompt': 'never',
  // Else newer versions show settings, trust and the like in a dialog over everything.
  'workbench.editor.useModal': 'off',
  'workbench.tips.enabled': false,
  'git.openRepositoryInParentFolders': 'always',
  'git.autofetch': false,
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.reduceMotion': 'on',
  'workbench.enableExperiments': false,
  'workbench.settings.enableNaturalLanguageSearch': false,
  'window.commandCenter': false,
  'npm.fetchOnlinePackageInfo': false,
  'typescript.disableAutomaticTypeAcquisition': true,
  'terminal.integrated.initialHint': false,
  // The terminal's text is then in the DOM, where a test can read it.
  'terminal.integrated.gpuAcceleration': 'off',
};

export interface StartVSCodeServerOptions {
  readonly install: VSCodeInstall;
  /** Owned by the server: user data, log, home. The caller removes it afterwards. Keep it short: sockets live in it. */
  readonly runDir: string;
  /** 0, the default, lets the operating system lease a free one to the server itself. */
  readonly port?: number;
  /**
   * Added to the quiet ones. `'security.workspace.trust.enabled': true` switches Workspace Trust on (the folder then
   * opens in Restricted Mode, see `Workbench.trustWorkspace`),
   * `'workbench.colorTheme': themes.light` chooses a theme.
   */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Added to our own environment; the extension host and its terminals inherit it. `undefined` removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly extensionsDir?: string;
  readonly auth?: 'none' | 'password';
  /** Needed with `auth: 'password'`; goes into a file with mode 0600, never into arguments. */
  readonly password?: string;
  readonly signal?: AbortSignal;
}

export interface VSCodeServer {
  /** e.g. `http://127.0.0.1:40123` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the server has gone, whoever ended it. */
  readonly exited: Promise<void>;
  /**
   * Changes the user settings. An open window takes them when it is reloaded; it does not reliably see a change made to
   * the file from outside.
   */
  updateSettings(changes: Readonly<Record<string, unknown>>): Promise<void>;
  /** Answers when the server, its extension hosts and its terminal host are gone. Safe to call twice. */
  stop(): Promise<void>;
}

export async function startVSCodeServer(options: StartVSCodeServerOptions): Promise<VSCodeServer> {
  const { install, runDir, port = 0, auth = 'none', password, signal } = options;
  if (auth === 'password' && !password)
    throw new Error('startVSCodeServer: auth "password" needs a password.');
  signal?.throwIfAborted();

  let settings: Record<string, unknown> = { ...QUIET_SETTINGS, ...options.settings };
  const userData = join(runDir, 'data');
  await mkdir(join(userData, 'User'), { recursive: true });
  await mkdir(join(runDir, 'home'), { recursive: true });
  await chmod(runDir, 0o700);
  const settingsFile = join(userData, 'User', 'settings.json');
  const updateSettings = async (changes: Readonly<Record<string, unknown>>): Promise<void> => {
    settings = { ...settings, ...changes };
    await writeFile(settingsFile, JSON.stringify(settings, undefined, 2));
  };
  await updateSettings({});
  const config = join(runDir, 'config.yaml');
  // JSON strings are YAML strings, so any password is safe here.
  const configLines = [
    `bind-addr: 127.0.0.1:${port}`,
    `auth: ${auth}`,
    ...(password ? [`password: ${JSON.stringify(password)}`] : []),
    'cert: false',
  ];
  await writeFile(config, `${configLines.join('\n')}\n`, { mode: 0o600 });

  const args = [
    install.entry,
    ...['--config', config],
    ...['--user-data-dir', userData],
    ...['--extensions-dir', options.extensionsDir ?? join(runDir, 'extensions')],
    // Without it, it would be found through the user's own data folder and commands would go to another server.
    ...['--session-socket', join(runDir, 'session.sock')],
    '--disable-telemetry',
    '--disable-update-check',
    '--disable-getting-started-override',
    ...(settings['security.workspace.trust.enabled'] === true ? [] : ['--disable-workspace-trust']),
  ];
  const logFile = join(runDir, 'server.log');
  const log = openSync(logFile, 'w', 0o600);
  // Its own process group: that is how stop() finds the extension host and the terminal host, also as orphans. Shells
  // in terminals and a detached engine are in groups of their own and are not ours to end.
  const child = spawn(install.node, args, {
    cwd: runDir,
    env: serverEnvironment(join(runDir, 'home'), options.env),
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  let outcome: string | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, name) => {
      outcome = name ?? `exit code ${code ?? 'unknown'}`;
      resolve();
    });
  });
  const group = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  const endWithUs = (): void => signalGroup(group, 'SIGTERM');
  process.once('exit', endWithUs);

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await endGroup(group);
      await exited;
      process.removeListener('exit', endWithUs);
    })();
    return stopping;
  };

  try {
    const boundPort = await waitUntilReady(logFile, () => outcome, signal);
    const url = `http://127.0.0.1:${boundPort}`;
    return { url, port: boundPort, pid: group, logFile, exited, updateSettings, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Unpacks a VSIX into the extensions folder that a server is going to be started with. */
export async function installExtension(options: {
  readonly install: VSCodeInstall;
  readonly runDir: string;
  readonly extensionsDir: string;
  readonly vsix: string;
  readonly signal?: AbortSignal;
}): Promise<void> {
  const { install, runDir, extensionsDir, vsix, signal } = options;
  await mkdir(join(runDir, 'home'), { recursive: true });
  const config = join(runDir, 'install.yaml');
  await writeFile(config, 'auth: none\n', { mode: 0o600 });
  const args = [
    '--config',
    config,
    '--user-data-dir',
    join(runDir, 'data'),
    '--extensions-dir',
    extensionsDir,
  ];
  await run(install.node, [install.entry, ...args, '--install-extension', vsix, '--force'], {
    env: serverEnvironment(join(runDir, 'home'), {}),
    ...(signal && { signal }),
  });
}

function serverEnvironment(
  home: string,
  extra: Readonly<Record<string, string | undefined>> | undefined,
): Record<string, string> {
  // A server started from a terminal of another VS Code, by npm or by mocha must not take their variables for its own.
  const foreign =
    /^(npm_|VSCODE_|CODE_SERVER_|ELECTRON_|NODE_OPTIONS$|PORT$|PASSWORD$|HASHED_PASSWORD$|XDG_)/i;
  const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const merged: Record<string, string | undefined> = {
    ...Object.fromEntries(inherited),
    HOME: home,
    // No marketplace: a test never reaches the network.
    EXTENSIONS_GALLERY: '{"serviceUrl":""}',
    ...extra,
  };
  return Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

async function waitUntilReady(
  logFile: string,
  ended: () => string | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const log = await readFile(logFile, 'utf8');
    const port = Number(/HTTP server listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? 0);
    if (port > 0 && (await answers(port))) return port;
    const how = ended();
    if (how) throw new Error(`The VS Code server ended (${how}) before it answered:\n${tail(log)}`);
    if (Date.now() > deadline) {
      throw new Error(`The VS Code server did not answer within ${START_TIMEOUT_MS / 1000} s:\n${tail(log)}`);
    }
    await delay(POLL_MS, undefined, signal ? { signal } : {});
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    // best effort: not listening yet, the caller asks again until its deadline.
    return false;
  }
}

async function endGroup(group: number): Promise<void> {
  signalGroup(group, 'SIGTERM');
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (groupMembers(group).length > 0) {
    if (Date.now() > deadline) signalGroup(group, 'SIGKILL');
    await delay(POLL_MS);
  }
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    // Nobody left in the group is what we want.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Living members of a process group. Zombies do not count: an orphan's new parent may never collect it. */
function groupMembers(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // proc_pid_stat(5): "pid (comm) state ppid pgrp ..."; comm may hold spaces and parentheses.
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(processGroup) === group && state !== 'Z' && state !== 'X';
      } catch {
        // best effort: it ended between the listing and the look, so it is not a member.
        return false;
      }
    });
}

function tail(log: string): string {
  return log.trim().split('\n').slice(-15).join('\n');
}
