/** Delivers a real VS Code from npm (code-server and the Node it needs) into a cache folder, pinned and once only. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describeMissing, ensureSystemPackages } from '../systemPackages.ts';
import { withInstallLock } from './installLock.ts';

const run = promisify(execFile);

export type VSCodeVersion = 'minimum' | 'newest';

interface Pin {
  readonly codeServer: string;
  /** code-server refuses to start on another major version than the one it was made for. */
  readonly node: string;
  readonly vscode: string;
}

/** `minimum` is the floor that package.json promises in engines.vscode. */
const PINS: Record<VSCodeVersion, Pin> = {
  minimum: { codeServer: '4.103.2', node: '22.23.3', vscode: '1.103.2' },
  newest: { codeServer: '4.139.1', node: '24.21.0', vscode: '1.139.1' },
};

/** code-server 4.103 asks for an argon2 without prebuilt binaries; this one, which 4.139 uses, has the same calls. */
const OVERRIDES = { argon2: '0.44.0' };

/** VS Code 1.103 fetches ripgrep from GitHub in an install script; this package carries the program. */
const RIPGREP = '1.18.0';

/** Raise it when the steps below change, so that existing caches are made anew. */
const RECIPE = 1;

export interface VSCodeInstall {
  /** The Node program that runs it. */
  readonly node: string;
  /** code-server's entry module. */
  readonly entry: string;
  /** For people, e.g. "VS Code 1.139.1 (code-server 4.139.1, Node 24.21.0)". */
  readonly versionLabel: string;
  /** What does not work in this install and why; empty when all is well. */
  readonly limits: readonly string[];
}

export interface InstallOptions {
  readonly version: VSCodeVersion;
  /** Holds one folder per version, about 800 MB each. Default: `.cache/vscode` in the checkout. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

export const defaultCacheDir = join(import.meta.dirname, '..', '..', '..', '.cache', 'vscode');

/** About 40 s with an empty cache, a few milliseconds afterwards. Rejects with a sentence for people. */
export async function installVSCode(options: InstallOptions): Promise<VSCodeInstall> {
  const { version, cacheDir = defaultCacheDir, signal, onProgress } = options;
  const pin = PINS[version];
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(
      `VS Code from npm runs here on Linux x64 and arm64 only, this is ${process.platform} ${process.arch}: install the desktop VS Code.`,
    );
  }
  const home = join(cacheDir, pin.codeServer);
  const ready = await readStamp(home, pin);
  if (ready) return ready;
  return await withInstallLock(
    join(cacheDir, `${pin.codeServer}.lock`),
    async () => {
      const meanwhile = await readStamp(home, pin);
      if (meanwhile) return meanwhile;
      await rm(home, { recursive: true, force: true });
      const limits = await fill(home, pin, signal, onProgress);
      const stamp = join(home, 'installed.json');
      await writeFile(`${stamp}.new`, JSON.stringify({ ...pin, recipe: RECIPE, limits }));
      await rename(`${stamp}.new`, stamp);
      return describe(home, pin, limits);
    },
    {
      ...(signal && { signal }),
      onWait: () => onProgress?.(`another process is installing VS Code ${pin.vscode}, waiting for it`),
    },
  );
}

function nodeHome(home: string): string {
  return join(home, 'node', 'node_modules', `node-linux-${process.arch}`);
}

function describe(home: string, pin: Pin, limits: readonly string[]): VSCodeInstall {
  return {
    node: join(nodeHome(home), 'bin', 'node'),
    entry: join(home, 'server', 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
    versionLabel: `VS Code ${pin.vscode} (code-server ${pin.codeServer}, Node ${pin.node})`,
    limits,
  };
}

async function readStamp(home: string, pin: Pin): Promise<VSCodeInstall | undefined> {
  let text: string;
  try {
    text = await readFile(join(home, 'installed.json'), 'utf8');
  } catch {
    // best effort: no stamp means not installed (or only half), and the caller installs.
    return undefined;
  }
  const stamp = JSON.parse(text) as Partial<Pin> & { recipe?: number; limits?: string[] };
  if (stamp.recipe !== RECIPE || stamp.codeServer !== pin.codeServer || stamp.node !== pin.node)
    return undefined;
  return describe(home, pin, stamp.limits ?? []);
}

async function fill(
  home: string,
  pin: Pin,
  signal: AbortSignal | undefined,
  onProgress: ((message: string) => void) | undefined,
): Promise<string[]> {
  const nodeDir = join(home, 'node');
  const serverDir = join(home, 'server');
  for (const dir of [nodeDir, serverDir]) {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'package.json'), JSON.stringify({ private: true, overrides: OVERRIDES }));
  }
  const npm = npmIn(nodeHome(home), signal);

  onProgress?.(`installing Node ${pin.node}`);
  await npmIn(undefined, signal)(nodeDir, ['install', `node-linux-${process.arch}@${pin.node}`]);
  onProgress?.(`installing code-server ${pin.codeServer} (VS Code ${pin.vscode})`);
  await npm(serverDir, ['install', `code-server@${pin.codeServer}`]);
  const vscode = join(serverDir, 'node_modules', 'code-server', 'lib', 'vscode');
  onProgress?.('installing what VS Code depends on');
  // Not `npm ci`: the shrinkwrap that code-server ships is out of step with its package.json, so `npm ci` refuses.
  await npm(vscode, ['install', '--omit=dev']);
  await npm(join(vscode, 'extensions'), ['install', '--omit=dev']);
  await provideRipgrep(serverDir, vscode, npm);
  onProgress?.('building native addons');
  const limits = await provideAddons(vscode, npm, signal, onProgress);
  await run(join(nodeHome(home), 'bin', 'node'), [describe(home, pin, limits).entry, '--version'], {
    env: { ...process.env, HOME: home },
    ...(signal && { signal }),
  });
  return limits;
}

/** Without it `workspace.findFiles`, search and quick open find nothing. */
async function provideRipgrep(serverDir: string, vscode: string, npm: Npm): Promise<void> {
  const wrapper = join(vscode, 'node_modules', '@vscode', 'ripgrep');
  if (!existsSync(wrapper) || existsSync(join(wrapper, 'bin', 'rg'))) return;
  const carrier = `@vscode/ripgrep-linux-${process.arch}`;
  await npm(serverDir, ['install', `${carrier}@${RIPGREP}`]);
  await mkdir(join(wrapper, 'bin'), { recursive: true });
  await copyFile(join(serverDir, 'node_modules', carrier, 'bin', 'rg'), join(wrapper, 'bin', 'rg'));
}

/** Addons that npm did not bring as binaries because install scripts are off. */
async function provideAddons(
  vscode: string,
  npm: Npm,
  signal: AbortSignal | undefined,
  onProgress: ((message: string) => void) | undefined,
): Promise<string[]> {
  const modules = join(vscode, 'node_modules');
  const addons = addonsToBuild(modules);
  const tools = await ensureSystemPackages(['python3', 'make', 'g++'], {
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  let reason: string | undefined;
  try {
    // The tools may also be there without Debian's packages (pyenv, another distribution): the build decides.
    await npm(vscode, ['rebuild', '--ignore-scripts=false', ...addons]);
  } catch (error) {
    signal?.throwIfAborted();
    reason = tools.missing.length > 0 ? describeMissing(tools.missing) : String(error);
  }
  const absent = addons.filter((addon) => !hasBinary(modules, addon));
  if (absent.length === 0) return [];
  const limits: string[] = [];
  for (const addon of absent) {
    const why = reason ?? 'its build left no binary';
    if (addon.endsWith('native-watchdog')) {
      // The extension host imports it statically. Without it the host still polls its parent once a second
      // (extensionHostProcess.ts), the addon only does the same from a thread.
      const release = join(modules, addon, 'build', 'Release');
      await mkdir(release, { recursive: true });
      await writeFile(
        join(release, 'watchdog.js'),
        'exports.start = () => {}; exports.exit = process.exit;\n',
      );
    } else if (addon === '@vscode/spdlog') {
      // spdlogLog.ts catches a failed load and goes on without log files.
      limits.push(`no log files of VS Code itself (${why})`);
    } else {
      limits.push(`no integrated terminal (${why})`);
    }
  }
  return limits;
}

function addonsToBuild(modules: string): string[] {
  const addons = ['@vscode/spdlog', '@vscode/native-watchdog', 'native-watchdog', 'node-pty'];
  return addons.filter((addon) => existsSync(join(modules, addon)) && !hasBinary(modules, addon));
}

function hasBinary(modules: string, addon: string): boolean {
  const name = addon.endsWith('native-watchdog') ? 'watchdog' : addon === 'node-pty' ? 'pty' : 'spdlog';
  return [join('build', 'Release'), join('prebuilds', `linux-${process.arch}`)].some((folder) =>
    existsSync(join(modules, addon, folder, `${name}.node`)),
  );
}

type Npm = (cwd: string, args: readonly string[]) => Promise<void>;

/** npm as run by the given Node, because native addons are built for the Node that runs npm. */
function npmIn(nodeHome: string | undefined, signal?: AbortSignal): Npm {
  const path = [...(nodeHome ? [join(nodeHome, 'bin')] : []), process.env['PATH'] ?? ''].join(delimiter);
  // What an outer `npm start` says about itself and its own folder must not steer these installs; registry, proxy,
  // certificates and timeouts must.
  const foreign =
    /^npm_(?!config_)|^npm_config_(.*prefix|global|workspaces?|omit|include|production|ignore_scripts|dry_run|save.*|package_lock|node_gyp)$/i;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const env = { ...Object.fromEntries(kept), PATH: path, ...(nodeHome && { npm_config_nodedir: nodeHome }) };
  return async (cwd, args) => {
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const [verb = '', ...rest] = args;
    try {
      await run('npm', [verb, ...flags, ...rest], {
        cwd,
        env,
        maxBuffer: 64 * 1024 * 1024,
        ...(signal && { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new Error(`npm ${verb} ${rest.join(' ')} failed: ${npmReason(error)}`, { cause: error });
    }
  };
}

/** The one line of npm's many that says what was wrong. */
function npmReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = 'stderr' in error ? String(error.stderr).trim() : '';
  if (text === '') return error.message;
  const lines = text.split('\n').map((line) => line.replace(/^npm (error|ERR!) /, ''));
  const telling = lines.find((line) =>
    /not found|No such file|request to .* failed|No space left/.test(line),
  );
  return (telling ?? lines.slice(0, 3).join(' ')).replace(/^gyp ERR! (stack )?(Error: )?/, '').slice(0, 300);
}
