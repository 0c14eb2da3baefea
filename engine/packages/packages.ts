/** Gets pinned packages with the machine's own npm and pip, checks that they are the ones we know, and unpacks each once. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

/** Said to the user as it is, without a stack: something has to be installed or chosen first. */
export class CannotFetch extends Error {
  override readonly name = 'CannotFetch';
}

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;

/** A package of npm. */
export interface PinnedPackage {
  /** For `npm pack`. */
  readonly specification: string;
  /** sha-512 of the tarball, base64, as npm writes it. */
  readonly integrity: string;
}

/** A Python wheel. */
export interface PinnedWheel {
  /** For `pip download`. */
  readonly requirement: string;
  /** For `pip download --platform`. */
  readonly tag: string;
  /** sha-256 of the wheel, hexadecimal. */
  readonly sha256: string;
}

/** The folder of each package, unpacked. */
export interface Packages {
  readonly npm: (pin: PinnedPackage) => Promise<string>;
  readonly wheel: (pin: PinnedWheel) => Promise<string>;
}

export function openPackages(options: {
  /** Where they are unpacked. */
  readonly work: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}): Packages {
  const { work, signal, onProgress } = options;
  const unpacked = new Map<string, string>();
  const once = async (name: string, unpack: (folder: string) => Promise<string>): Promise<string> => {
    const known = unpacked.get(name);
    if (known !== undefined) return known;
    const folder = path.join(work, `package-${unpacked.size}`);
    await mkdir(folder);
    const made = await unpack(folder);
    unpacked.set(name, made);
    return made;
  };
  return {
    npm: (pin) =>
      once(pin.specification, async (folder) => {
        onProgress?.(`npm pack ${pin.specification}`);
        await runNpm(
          ['pack', pin.specification, '--pack-destination', folder, '--ignore-scripts', '--silent'],
          signal,
        );
        const archive = await onlyFile(folder, '.tgz');
        await check(archive, 'sha512', 'base64', pin.integrity.replace(/^sha512-/, ''), pin.specification);
        // tar is part of Linux, macOS and Windows 10.
        await run('tar', ['-xzf', path.basename(archive)], { cwd: folder, signal });
        await rm(archive);
        return path.join(folder, 'package');
      }),
    wheel: (pin) =>
      once(pin.sha256, async (folder) => {
        const python = await pythonWithPip(signal, onProgress);
        onProgress?.(`pip download ${pin.requirement} (${pin.tag})`);
        await run(
          python,
          [
            ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'],
            ...['--only-binary=:all:', '--platform', pin.tag, '--python-version', '3.11'],
            ...['--dest', folder, pin.requirement],
          ],
          { signal },
        );
        const archive = await onlyFile(folder, '.whl');
        await check(archive, 'sha256', 'hex', pin.sha256, pin.requirement);
        const wheel = path.join(folder, 'wheel');
        await run(python, ['-m', 'zipfile', '-e', archive, wheel], { signal });
        return wheel;
      }),
  };
}

async function check(
  file: string,
  algorithm: 'sha256' | 'sha512',
  encoding: 'hex' | 'base64',
  expected: string,
  name: string,
): Promise<void> {
  const actual = createHash(algorithm)
    .update(await readFile(file))
    .digest(encoding);
  if (actual !== expected) {
    throw new CannotFetch(
      `${name} is not the package that we know: its ${algorithm} is ${actual}, expected ${expected}. ` +
        'Nothing of it was used. If the registry that npm or pip are set to is right, report this.',
    );
  }
}

async function onlyFile(folder: string, ending: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(ending));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new Error(`Expected one ${ending} file, got ${files.join(', ') || 'none'}.`);
  }
  return path.join(folder, file);
}

/** npm by the file that runs us, because `npm` is a shell script on Windows, which needs a shell to start. */
async function runNpm(args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const script = process.env['npm_execpath'];
  if (script?.endsWith('.js') === true && path.basename(script).startsWith('npm')) {
    return run(process.execPath, [script, ...args], { signal });
  }
  const beside = process.platform === 'win32' ? await npmOnWindows() : undefined;
  try {
    return beside === undefined
      ? await run('npm', args, { signal })
      : await run(beside.node, [beside.script, ...args], { signal });
  } catch (error) {
    if (!(error instanceof CommandFailed) || !isMissing(error.cause)) throw error;
    throw new CannotFetch('There is no npm here, by which it comes. Install Node.js, which brings it.', {
      cause: error,
    });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** As Node's installer lays it: the script beside the program. */
async function npmOnWindows(): Promise<{ node: string; script: string } | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const script = path.join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
    try {
      await access(script);
      return { node: path.join(folder, 'node.exe'), script };
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
}

async function pythonWithPip(
  signal: AbortSignal | undefined,
  onProgress: ((message: string) => void) | undefined,
): Promise<string> {
  const find = async (): Promise<string | undefined> => {
    for (const python of ['python3', 'python']) {
      try {
        await run(python, ['-m', 'pip', '--version'], { signal });
        return python;
      } catch (error) {
        signal?.throwIfAborted();
        // Not there, or there without pip: the next name may do.
        if (!(error instanceof CommandFailed)) throw error;
      }
    }
    return undefined;
  };
  const found = await find();
  if (found !== undefined) return found;
  if (process.platform === 'linux' && process.getuid?.() === 0) {
    try {
      onProgress?.('apt-get install python3-pip');
      const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      await run('apt-get', ['install', '-y', '--no-install-recommends', 'python3-pip'], {
        signal,
        environment,
      });
    } catch (error) {
      signal?.throwIfAborted();
      // Not Debian, or no package lists: the message below says what to do.
      if (!(error instanceof CommandFailed)) throw error;
    }
    const installed = await find();
    if (installed !== undefined) return installed;
  }
  const command = {
    linux: 'sudo apt-get install python3-pip   (Fedora: sudo dnf install python3-pip)',
    darwin: 'brew install python',
    win32: 'winget install Python.Python.3.12',
  }[process.platform as 'linux' | 'darwin' | 'win32'];
  throw new CannotFetch(
    `The database's client tools come from a Python package, and there is no python3 with pip here. Install it: ${command}`,
  );
}

class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

interface RunOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

async function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      {
        cwd: options.cwd,
        env: options.environment ?? process.env,
        maxBuffer: 64 * 1024 * 1024,
        timeout: DOWNLOAD_TIMEOUT_MS,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else {
          const what = [program, ...args].join(' ');
          const why = stderr.trim() || stdout.trim() || error.message;
          reject(new CommandFailed(`${what} failed: ${why}`, { cause: error }));
        }
      },
    );
  });
}
