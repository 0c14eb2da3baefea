/** Images for tests, made of files of this machine: PostgreSQL programs that travel with us, and the libraries that they need. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { bundledHost, testPrograms } from '../postgresSource.ts';

const run = promisify(execFile);

export interface PostgresImage {
  readonly name: string;
  readonly major: number;
  /** Without one nothing but the programs themselves can be run. */
  readonly hasShell?: boolean;
  /** An extension that no other server has: one function of this name. */
  readonly extension?: string;
}

/** What an image of PostgreSQL has; its user has another number than whoever owns the data here. */
export async function makePostgresImage(docker: Docker, image: PostgresImage): Promise<void> {
  const { server } = await testPrograms(undefined, bundledHost)(image.major);
  if (!server.ok) throw new Error(`there is no PostgreSQL ${image.major} to make an image of`);
  const from = server.programs.tree ?? dirname(dirname(server.programs.postgres));
  const home = `/usr/lib/postgresql/${image.major}`;
  await importImage(docker, image.name, [`ENV PATH=${home}/bin:/bin`, 'CMD ["postgres"]'], async (root) => {
    await mkdir(join(root, home), { recursive: true });
    await cp(from, join(root, home), { recursive: true, verbatimSymlinks: true });
    if (image.extension !== undefined) await addExtension(join(root, home), image.extension);
    const programs = await filesBelow(join(root, home));
    await copyLibraries(root, [
      ...programs.filter((file) => file.includes('/bin/') || /\.so(\.|$)/.test(file)),
      ...(image.hasShell === false ? [] : ['/bin/dash']),
    ]);
    if (image.hasShell !== false) {
      await mkdir(join(root, 'bin'));
      await cp('/bin/dash', join(root, 'bin', 'sh'));
    }
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc', 'passwd'), 'root:x:0:0::/:/bin/sh\npostgres:x:70:70::/:/bin/sh\n');
    // Time zones and locales of the C library.
    await mkdir(join(root, 'usr', 'lib', 'locale'), { recursive: true });
    await cp('/usr/lib/locale/C.utf8', join(root, 'usr', 'lib', 'locale', 'C.utf8'), { recursive: true });
    await mkdir(join(root, 'tmp'), { mode: 0o1777 });
  });
}

/** An image that holds a shell, and no database. */
export async function makeOtherImage(docker: Docker, name: string): Promise<void> {
  await importImage(docker, name, ['ENV PATH=/bin'], async (root) => {
    await mkdir(join(root, 'bin'));
    await cp('/bin/dash', join(root, 'bin', 'sh'));
    await copyLibraries(root, ['/bin/dash']);
  });
}

async function addExtension(home: string, name: string): Promise<void> {
  const [folder] = (await filesBelow(home)).filter((file) => file.endsWith('/plpgsql.control'));
  if (folder === undefined) throw new Error(`${home} has no folder of extensions`);
  const file = (ending: string): string => join(dirname(folder), `${name}${ending}`);
  await writeFile(file('.control'), `comment = 'of tests'\ndefault_version = '1.0'\nrelocatable = true\n`);
  const body = `CREATE FUNCTION ${name}() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'of the image'::text $$;\n`;
  await writeFile(file('--1.0.sql'), body);
}

async function importImage(
  docker: Docker,
  name: string,
  changes: readonly string[],
  fill: (root: string) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'tc-image-'));
  try {
    await fill(root);
    const tar = spawn('tar', ['-c', '-C', root, '--owner=0', '--group=0', '--numeric-owner', '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(tar, 'exit') as Promise<[code: number | null]>;
    const [repo = '', tag = 'latest'] = name.split(/:(?=[^:/]*$)/);
    const answer = await docker.importImage(tar.stdout, { repo, tag, changes: [...changes] });
    answer.resume();
    await once(answer, 'end');
    const [code] = await ended;
    if (code !== 0) throw new Error(`tar ended with exit code ${String(code)}`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** All that these programs and libraries load, at the same paths. */
async function copyLibraries(root: string, files: readonly string[]): Promise<void> {
  // What is no program of this machine makes ldd fail, and says nothing.
  const stdout = await run('ldd', [...files], { maxBuffer: 64 * 1024 * 1024 }).then(
    (result) => result.stdout,
    (error: unknown) => (error instanceof Error && 'stdout' in error ? String(error.stdout) : ''),
  );
  const libraries = new Set(stdout.match(/\/[^\s:()]+\.so[^\s:()]*/g) ?? []);
  for (const library of libraries) {
    if (library.startsWith(root) || (await lstat(library).catch(() => undefined)) === undefined) continue;
    await mkdir(join(root, dirname(library)), { recursive: true });
    await cp(library, join(root, library), { dereference: true });
  }
}
