/** Makes the VSIX of a platform, with the PostgreSQL programs of that platform inside, and checks what it holds. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import * as z from 'zod';
import { readTreeManifest } from '../../../engine/database/postgres/programs/local/bundledTree.ts';
import {
  CLIENT_FOLDER,
  developmentFolder,
  fetchPrograms,
  SERVER_FOLDER,
} from '../../../engine/database/postgres/programs/fetch/fetch.ts';
import { CannotFetch } from '../../../engine/packages/packages.ts';
import {
  BUNDLED_MAJOR,
  isPlatform,
  pinnedClient,
  pinnedServers,
  platformOf,
  PLATFORMS,
  type Platform,
} from '../../../engine/database/postgres/programs/fetch/pinned.ts';
import { fetchNode, nodeFolder, pinnedNode } from '../../../engine/link/deploy/hostNode.ts';
import { thirdPartyNotices } from './notices.ts';
import { zipListing, type ZipEntry } from './zipListing.ts';

const run = promisify(execFile);
const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** What the build reads; with `node_modules`, which is linked and not copied. */
const SOURCES = [
  ...['engine', 'src', 'webview-ui', 'media', 'package.json', 'tsconfig.json', 'esbuild.mjs'],
  ...['README.md', 'CHANGELOG.md', 'LICENSE', '.vscodeignore'],
];

/** Everything that may stand at the top of the VSIX and of its `dist`: what is not here fails the packaging. */
const EXPECTED = {
  always: [
    '[Content_Types].xml',
    'extension.vsixmanifest',
    'extension/LICENSE.txt',
    'extension/THIRD_PARTY_NOTICES.txt',
    'extension/dist/build.json',
    'extension/dist/engine.mjs',
    'extension/dist/extension-commands.cjs',
    'extension/dist/extension.cjs',
    'extension/dist/programs',
    'extension/dist/thin-clones.mjs',
    'extension/dist/webviews',
    'extension/media',
    'extension/package.json',
    'extension/readme.md',
  ],
  sometimes: ['extension/dist/engine-chunks', 'extension/dist/hosts', 'extension/changelog.md'],
} as const;

const MAX_BYTES = {
  'extension/dist/extension.cjs': 300_000,
  'extension/dist/extension-commands.cjs': 150_000,
  'extension/dist/engine.mjs': 1_500_000,
} as const;
/** macOS has 30 MB of ICU data more than Linux. */
const MAX_VSIX_BYTES = 90_000_000;

export interface PackageOptions {
  readonly target: Platform;
  /** The checkout to package; this one by default. */
  readonly root?: string;
  /** Where the VSIX goes; the checkout by default. */
  readonly into?: string;
  readonly onProgress?: (message: string) => void;
}

export interface Packaged {
  readonly file: string;
  readonly bytes: number;
  /** Unpacked. */
  readonly programBytes: number;
}

/**
 * Builds in a copy, so that the `dist` of the checkout, on which a development window may be running, stays as
 * it is, and what is left there does not get in.
 */
export async function packageExtension(options: PackageOptions): Promise<Packaged> {
  const { target, root = REPOSITORY, onProgress } = options;
  await fetchPrograms({
    platform: target,
    majors: [BUNDLED_MAJOR],
    into: developmentFolder(target),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const work = await mkdtemp(path.join(tmpdir(), 'thin-clones-package-'));
  try {
    const stage = path.join(work, 'extension');
    await mkdir(stage);
    for (const name of SOURCES) {
      const from = path.join(root, name);
      if (await exists(from)) await cp(from, path.join(stage, name), { recursive: true });
    }
    const modules = path.join(stage, 'node_modules');
    await symlink(path.join(root, 'node_modules'), modules, 'junction');
    onProgress?.('build');
    await run(process.execPath, ['esbuild.mjs', '--production'], { cwd: stage });
    await copyPrograms(target, path.join(stage, 'dist', 'programs'));
    await copyHostNode(target, path.join(stage, 'dist', 'hosts'), onProgress);
    const notices = await thirdPartyNotices({
      metafile: path.join(stage, 'dist', 'meta.json'),
      root: stage,
      programs: path.join(stage, 'dist', 'programs'),
      hostNode: pinnedNode(target) === undefined ? undefined : `dist/hosts/${target}`,
    });
    await writeFile(path.join(stage, 'THIRD_PARTY_NOTICES.txt'), notices);
    const description = await trimPackageJson(path.join(stage, 'package.json'));
    // vsce follows links while it looks for files.
    await rm(modules);

    const name = `${description.name}-${target}-${description.version}.vsix`;
    const made = path.join(work, name);
    onProgress?.('vsce package');
    const vsce = path.join(REPOSITORY, 'node_modules', '@vscode', 'vsce', 'vsce');
    await run(
      process.execPath,
      [
        vsce,
        ...[
          'package',
          '--no-dependencies',
          // The picture travels in the VSIX: no web address is needed for it.
          '--no-rewrite-relative-links',
          '--allow-missing-repository',
          '--skip-license',
        ],
        ...['--target', target, '--out', made],
      ],
      { cwd: stage, maxBuffer: 64 * 1024 * 1024 },
    );
    const entries = await zipListing(made);
    await checkContents(entries, target, path.join(stage, 'dist', 'programs'));
    const file = path.join(options.into ?? root, name);
    await rename(made, file).catch(async (error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
      await cp(made, file);
    });
    const inPrograms = entries.filter((entry) => entry.name.startsWith('extension/dist/programs/'));
    return {
      file,
      bytes: (await stat(file)).size,
      programBytes: inPrograms.reduce((sum, entry) => sum + entry.bytes, 0),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Links become files, because a zip has none; the engine puts back those that the manifest names. */
async function copyPrograms(target: Platform, into: string): Promise<void> {
  const server = pinnedServers(target).find(({ major }) => major === BUNDLED_MAJOR);
  if (server === undefined)
    throw new Error(`No server of PostgreSQL ${BUNDLED_MAJOR} is pinned for ${target}.`);
  for (const tree of [SERVER_FOLDER(server), CLIENT_FOLDER(pinnedClient(target))]) {
    await cp(path.join(developmentFolder(target), tree), path.join(into, tree), {
      recursive: true,
      dereference: true,
    });
  }
}

/** Where hosts may be of the same platform: VS Code's own program is none that could be brought there. */
async function copyHostNode(
  target: Platform,
  into: string,
  onProgress: ((message: string) => void) | undefined,
): Promise<void> {
  const pin = pinnedNode(target);
  if (pin === undefined) return;
  const kept = path.join(developmentFolder(target), '..', '..', 'host-node', nodeFolder(target));
  if (!(await exists(kept)))
    await fetchNode(pin, kept, { work: path.dirname(kept), onProgress: onProgress ?? (() => undefined) });
  await cp(kept, path.join(into, target), { recursive: true });
}

const descriptionSchema = z.looseObject({ name: z.string(), version: z.string() });

/** Without what only development needs. */
async function trimPackageJson(file: string): Promise<{ name: string; version: string }> {
  const description = descriptionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const developmentOnly = new Set(['scripts', 'devDependencies', 'allowScripts', 'private']);
  const kept = Object.entries(description).filter(([key]) => !developmentOnly.has(key));
  await writeFile(file, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
  return { name: description.name, version: description.version };
}

/** Throws with everything that is wrong with a VSIX. */
export async function checkContents(
  entries: readonly ZipEntry[],
  target: Platform,
  programs: string,
): Promise<void> {
  const problems: string[] = [];
  const tops = new Set(entries.map(({ name }) => topOf(name)));
  const allowed = new Set<string>([...EXPECTED.always, ...EXPECTED.sometimes]);
  for (const name of EXPECTED.always) if (!tops.has(name)) problems.push(`${name} is missing`);
  for (const name of tops) if (!allowed.has(name)) problems.push(`${name} must not be in it`);
  for (const [name, limit] of Object.entries(MAX_BYTES)) {
    const bytes = entries.find((entry) => entry.name === name)?.bytes ?? 0;
    if (bytes > limit) problems.push(`${name} has ${bytes} bytes, more than ${limit}`);
  }
  const total = entries.reduce((sum, entry) => sum + entry.packedBytes, 0);
  if (total > MAX_VSIX_BYTES) problems.push(`it has ${total} bytes, more than ${MAX_VSIX_BYTES}`);
  for (const entry of entries) {
    if (entry.isLink) problems.push(`${entry.name} is a symbolic link`);
    if (entry.name.endsWith('.map')) problems.push(`${entry.name} is a source map`);
  }
  const kinds: string[] = [];
  for (const tree of new Set(
    entries.flatMap(({ name }) => /^extension\/dist\/programs\/([^/]+)\//.exec(name)?.[1] ?? []),
  )) {
    const manifest = await readTreeManifest(path.join(programs, tree));
    if (manifest === undefined) {
      problems.push(`${tree} has no manifest`);
      continue;
    }
    kinds.push(manifest.kind);
    if (manifest.platform !== target) problems.push(`${tree} is for ${manifest.platform}`);
    for (const program of Object.values(manifest.programs)) {
      const entry = entries.find(({ name }) => name === `extension/dist/programs/${tree}/${program}`);
      if (entry === undefined) problems.push(`${tree}/${program} is missing`);
      else if (!target.startsWith('win32') && (entry.mode & 0o111) !== 0o111) {
        problems.push(`${entry.name} has no run bits`);
      }
    }
  }
  if (pinnedNode(target) !== undefined) {
    const node = entries.find(({ name }) => name === `extension/dist/hosts/${target}/node`);
    if (node === undefined) problems.push('the Node for hosts is missing');
    else if ((node.mode & 0o111) !== 0o111) problems.push(`${node.name} has no run bits`);
  }
  if (kinds.sort().join() !== 'client,server')
    problems.push(`its programs are: ${kinds.join(', ') || 'none'}`);
  if (problems.length > 0) throw new Error(`The VSIX is not as it should be:\n  ${problems.join('\n  ')}`);
}

function topOf(name: string): string {
  const parts = name.split('/');
  if (parts[0] !== 'extension') return parts[0] ?? name;
  return parts.slice(0, parts[1] === 'dist' ? 3 : 2).join('/');
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { target: { type: 'string' }, into: { type: 'string' } } });
  const target = values.target ?? platformOf(process);
  if (target === undefined || !isPlatform(target)) {
    throw new CannotFetch(
      `--target must be one of ${PLATFORMS.join(', ')}, not ${target ?? 'this platform'}.`,
    );
  }
  const packaged = await packageExtension({
    target,
    ...(values.into === undefined ? {} : { into: path.resolve(values.into) }),
    onProgress: (message) => console.log(message),
  });
  const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  console.log(
    `${packaged.file}: ${mebibytes(packaged.bytes)}, PostgreSQL programs ${mebibytes(packaged.programBytes)} unpacked`,
  );
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
