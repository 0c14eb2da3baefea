/** Opens VS Code for a person on a folder with the extension in it: the desktop one, else the npm-delivered one. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { installVSCode } from './install.ts';
import { installExtension, startVSCodeServer } from './server.ts';

const run = promisify(execFile);

export interface OpenVSCodeOptions {
  readonly folder: string;
  /** The extension: a folder with `package.json` and `dist/`, or a VSIX file. A VSIX is installed for good on the desktop. */
  readonly extension: { readonly path: string } | { readonly vsix: string };
  /** For the extension host and its terminals, e.g. THIN_CLONES_HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** false skips the desktop VS Code. Default true. */
  readonly desktop?: boolean;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

export type OpenedVSCode =
  | { readonly kind: 'desktop' }
  | {
      readonly kind: 'browser';
      readonly url: string;
      readonly password: string;
      readonly versionLabel: string;
      /** Resolves when the server has ended: by `stop`, by Ctrl-C (SIGINT, SIGTERM, SIGHUP), or by itself. */
      readonly closed: Promise<void>;
      stop(): Promise<void>;
    };

/** The caller prints the URL and the password, and waits for `closed`. */
export async function openVSCode(options: OpenVSCodeOptions): Promise<OpenedVSCode> {
  if (options.desktop !== false && (await openDesktop(options))) return { kind: 'desktop' };
  return await openInBrowser(options);
}

async function openDesktop(options: OpenVSCodeOptions): Promise<boolean> {
  const { folder, extension, env, signal, onProgress } = options;
  const code = await findOnPath(process.platform === 'win32' ? ['code.cmd', 'code.exe'] : ['code']);
  if (!code) return false;
  const onLinux = process.platform === 'linux';
  if (onLinux && process.getuid?.() === 0) {
    onProgress?.('`code` is there, but VS Code refuses to run as root');
    return false;
  }
  if (onLinux && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) {
    onProgress?.('`code` is there, but there is no display');
    return false;
  }
  const settings = {
    env: { ...process.env, ...env },
    // A .cmd file starts only through the shell on Windows (CVE-2024-27980); Node quotes nothing there, hence no
    // user input but the folder, which Windows does not let contain quotes.
    shell: process.platform === 'win32',
    ...(signal && { signal }),
  };
  const quote = (path: string): string => (settings.shell ? `"${path}"` : path);
  try {
    if ('vsix' in extension) {
      await run(quote(code), ['--install-extension', quote(extension.vsix), '--force'], settings);
      await run(quote(code), ['--new-window', quote(folder)], settings);
    } else {
      const development = `--extensionDevelopmentPath=${extension.path}`;
      await run(quote(code), ['--new-window', quote(development), quote(folder)], settings);
    }
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    // best effort: the npm-delivered one needs nothing from this machine, so it is tried next.
    onProgress?.(`\`code\` failed: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function openInBrowser(options: OpenVSCodeOptions): Promise<OpenedVSCode> {
  const { folder, extension, env, port, cacheDir, signal, onProgress } = options;
  const install = await installVSCode({
    version: 'newest',
    ...(cacheDir !== undefined && { cacheDir }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  // In the temporary folder and not in the checkout, whose path may be too long for a unix socket.
  const runDir = await mkdtemp(join(tmpdir(), 'tco-'));
  const remove = async (): Promise<void> => await rm(runDir, { recursive: true, force: true, maxRetries: 3 });
  try {
    const extensionsDir = join(runDir, 'extensions');
    await mkdir(extensionsDir);
    if ('vsix' in extension) {
      onProgress?.('installing the extension');
      await installExtension({
        install,
        runDir,
        extensionsDir,
        vsix: extension.vsix,
        ...(signal && { signal }),
      });
    } else {
      const manifest = JSON.parse(await readFile(join(extension.path, 'package.json'), 'utf8')) as {
        publisher: string;
        name: string;
        version: string;
      };
      const name = `${manifest.publisher}.${manifest.name}-${manifest.version}`;
      await symlink(extension.path, join(extensionsDir, name));
    }
    const password = randomBytes(18).toString('base64url');
    const server = await startVSCodeServer({
      install,
      runDir,
      extensionsDir,
      auth: 'password',
      password,
      // The person's own home: their Git identity and shell belong into the terminal.
      // code-server keeps a heartbeat and logs in the data folder of XDG, which must not litter that home.
      env: { HOME: process.env['HOME'], XDG_DATA_HOME: join(runDir, 'home'), ...env },
      settings: {
        'workbench.reduceMotion': 'auto',
        'terminal.integrated.env.linux': { XDG_DATA_HOME: null },
      },
      ...(port !== undefined && { port }),
      ...(signal && { signal }),
    });

    const stop = async (): Promise<void> => await server.stop();
    const onSignal = (): void => void stop();
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const name of signals) process.on(name, onSignal);
    signal?.addEventListener('abort', onSignal, { once: true });
    const closed = server.exited.then(async () => {
      await server.stop();
      for (const name of signals) process.removeListener(name, onSignal);
      signal?.removeEventListener('abort', onSignal);
      await remove();
    });
    return {
      kind: 'browser',
      url: `${server.url}/?folder=${encodeURIComponent(folder)}`,
      password,
      versionLabel: install.versionLabel,
      closed,
      async stop() {
        await stop();
        await closed;
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function findOnPath(names: readonly string[]): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        await access(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // best effort: not in this folder, the next one may have it.
      }
    }
  }
  return undefined;
}
