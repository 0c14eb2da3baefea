/** Makes the archive of an engine for a host out of what a checkout or an installed extension has, once for each build. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import * as z from 'zod';
import type { EngineArchive } from './deploy.ts';

export interface ArchiveParts {
  /** Node's program for the host's platform. */
  node: string;
  /** Its licence, where it is here. */
  licence?: string;
  /** The bundles: what `npm run build` made. */
  dist: string;
  /** Folders that stand in `dist/programs` there, such as those of PostgreSQL. */
  programs: readonly string[];
}

export interface MakeArchiveOptions {
  /** Kept here by platform and build; that of another build goes when there is a new one. */
  into: string;
  platform: string;
  build: string;
  /** Asked when there is none yet. */
  parts: () => Promise<ArchiveParts | undefined>;
}

const description = z.object({ bytes: z.number(), sha256: z.string(), unpackedBytes: z.number() });

/** The one that is kept, or a new one, or undefined where there are no parts for it. Takes half a minute for 250 MB. */
export async function makeArchive({
  into,
  platform,
  build,
  parts: findParts,
}: MakeArchiveOptions): Promise<EngineArchive | undefined> {
  const name = `${platform}_${build}.tar.gz`;
  const file = join(into, name);
  const kept = await readArchive(file);
  if (kept !== undefined) return kept;
  await mkdir(into, { recursive: true });
  const parts = await findParts();
  if (parts === undefined) return undefined;
  const made = await make(parts, { into, prefix: `making-${platform}-`, file });
  for (const other of await readdir(into))
    if (other.startsWith(`${platform}_`) && !other.startsWith(name))
      await rm(join(into, other), { force: true });
  return made;
}

async function make(
  parts: ArchiveParts,
  { into, prefix, file }: { into: string; prefix: string; file: string },
): Promise<EngineArchive> {
  // An engine that was ended in the middle left its own.
  for (const other of await readdir(into))
    if (other.startsWith(prefix)) await rm(join(into, other), { recursive: true, force: true });
  const work = await mkdtemp(join(into, prefix));
  try {
    const tree = join(work, 'tree');
    await mkdir(join(tree, 'dist'), { recursive: true });
    await cp(parts.node, join(tree, 'node'), { dereference: true });
    if (parts.licence !== undefined) await cp(parts.licence, join(tree, 'dist', 'node-licence.txt'));
    for (const entry of ['build.json', 'engine.mjs', 'thin-clones.mjs', 'engine-chunks'])
      await cp(join(parts.dist, entry), join(tree, 'dist', entry), {
        recursive: true,
        filter: (path) => !path.endsWith('.map'),
      });
    for (const folder of parts.programs)
      await cp(folder, join(tree, 'dist', 'programs', folder.split(/[\\/]/).at(-1) ?? ''), {
        recursive: true,
        verbatimSymlinks: true,
      });
    const made = join(work, 'archive.tar.gz');
    await packTree(tree, made);
    const hash = createHash('sha256');
    await pipeline(createReadStream(made), hash);
    const said = {
      bytes: (await stat(made)).size,
      sha256: hash.digest('hex'),
      unpackedBytes: await bytesOf(tree),
    };
    await writeFile(join(work, 'description'), JSON.stringify(said));
    await rename(made, file);
    await rename(join(work, 'description'), `${file}.json`);
    return archiveOf(file, said);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As it is kept; undefined when it is not there. */
async function readArchive(file: string): Promise<EngineArchive | undefined> {
  let text: string;
  try {
    text = await readFile(`${file}.json`, 'utf8');
    await stat(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return archiveOf(file, description.parse(JSON.parse(text)));
}

const archiveOf = (file: string, said: z.infer<typeof description>): EngineArchive => ({
  ...said,
  read: (from) => createReadStream(file, { start: from, highWaterMark: 256 * 1024 }),
});

async function bytesOf(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    // Each takes whole blocks.
    if (entry.isFile()) sum += Math.ceil((await stat(join(entry.parentPath, entry.name))).size / 4096) * 4096;
  return sum;
}

/** Quickly rather than well: it is made while somebody waits, and sent once. */
const compression = { level: 3 } as const;

async function packTree(tree: string, into: string): Promise<void> {
  const child = spawn('tar', ['-cf', '-', '-C', tree, 'node', 'dist'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [code] = await Promise.all([
    ended,
    pipeline(child.stdout, createGzip(compression), createWriteStream(into)),
  ]);
  if (code !== 0) throw new Error(`tar ended with exit code ${String(code)}: ${said}`);
}
