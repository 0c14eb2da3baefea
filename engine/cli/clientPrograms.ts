/** Puts client programs that fit a clone's server on the search path of what `thin-clones exec` runs. */
import { execFile } from 'node:child_process';
import { access, constants, readdir, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { wordsOf } from '../protocol/engineWords.ts';
import { bundledPlaces } from '../protocol/node/bundledPlaces.ts';
import { readRegularFile, readRegularText } from '../protocol/node/regularFile.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

/** One of those that travel with us, and what the machine has under its name. */
export interface ClientProgram {
  folder: string;
  major: number;
  /** The major version of the first one on the search path; `unknown`: it does not say. */
  machine: number | 'none' | 'unknown';
}

export interface ClientProgramSearch {
  /** Where the running code lies. */
  codeDirectory: string;
  platform: NodeJS.Platform;
  arch: string;
  variables: Variables;
  /** What relative folders of the search path are seen from. */
  cwd: string;
  /** Default: that of Debian. */
  clientScript?: { name: string; versions: string };
}

interface Tree {
  major: number;
  file(name: string): string | undefined;
}

const { title, dumpProgram, terminalProgram, clientScript: debianScript } = wordsOf();
const versionTimeoutMs = 10_000;

/** Empty when none travel with us. */
export async function findClientPrograms(search: ClientProgramSearch): Promise<readonly ClientProgram[]> {
  const tree = await clientTree(bundledPlaces(search.codeDirectory, search));
  if (tree === undefined) return [];
  const found = await Promise.all(
    [dumpProgram, terminalProgram].map(async (name): Promise<ClientProgram[]> => {
      const own = tree.file(name);
      if (own === undefined || !(await isRunnable(own))) return [];
      const other = await onSearchPath(name, search);
      const machine = other === undefined ? 'none' : await majorOf(other, name, search);
      return [{ folder: dirname(own), major: tree.major, machine }];
    }),
  );
  return found.flat();
}

/**
 * Programs of the machine stay the ones that are found, unless they are older than the server, which refuse to dump it: then ours come
 * before them. What the machine lacks comes after all that it has. `serverMajor` is asked for only where it decides.
 */
export async function withClientPrograms<Environment extends Variables>(
  environment: Environment,
  programs: readonly ClientProgram[],
  serverMajor: () => Promise<number | undefined>,
): Promise<Environment> {
  const names = Object.keys(environment);
  const name = names.find((each) => each === 'PATH') ?? names.find((each) => each.toUpperCase() === 'PATH');
  const searchPath = name === undefined ? undefined : environment[name];
  if (name === undefined || searchPath === undefined || searchPath === '') return environment;
  const older = programs.filter(({ major, machine }) => typeof machine === 'number' && machine < major);
  const wanted = older.length > 0 && !asksForTls(environment) ? await serverMajor() : undefined;
  const before = older.filter(({ machine }) => wanted !== undefined && Number(machine) < wanted);
  const after = programs.filter(({ machine }) => machine === 'none');
  const foldersOf = (some: readonly ClientProgram[]): string[] => some.map(({ folder }) => folder);
  const folders = new Set([...foldersOf(before), searchPath, ...foldersOf(after)]);
  return { ...environment, [name]: [...folders].join(delimiter) };
}

/** Ours can't. */
const asksForTls = ({ PGSSLMODE }: Variables): boolean =>
  ['require', 'verify-ca', 'verify-full'].includes(PGSSLMODE ?? '');

/** The newest one. */
async function clientTree(places: readonly string[]): Promise<Tree | undefined> {
  for (const place of places) {
    const found = await Promise.all((await namesIn(place)).map((name) => readClientTree(join(place, name))));
    const [newest] = found.filter((tree) => tree !== undefined).sort((a, b) => b.major - a.major);
    if (newest !== undefined) return newest;
  }
  return undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // best effort: where there is no such folder, there are no programs in it
  }
}

async function readClientTree(folder: string): Promise<Tree | undefined> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readRegularText(join(folder, 'manifest.json'), { links: 'refused' }));
  } catch {
    return undefined; // best effort: a folder that is no complete tree has no programs
  }
  if (typeof manifest !== 'object' || manifest === null) return undefined;
  const { kind, major, programs } = manifest as Record<string, unknown>;
  if (kind !== 'client' || typeof major !== 'number') return undefined;
  if (typeof programs !== 'object' || programs === null) return undefined;
  const files = new Map<string, unknown>(Object.entries(programs));
  return {
    major,
    file(name) {
      const path = files.get(name);
      return typeof path === 'string' ? join(folder, path) : undefined;
    },
  };
}

async function onSearchPath(name: string, search: ClientProgramSearch): Promise<string | undefined> {
  const { platform, variables, cwd } = search;
  const file = platform === 'win32' ? `${name}.exe` : name;
  const searchPath = variables['PATH'] ?? variables['Path'] ?? '';
  for (const folder of searchPath.split(delimiter)) {
    const path = resolve(cwd, folder, file);
    if (folder !== '' && (await isRunnable(path))) return path;
  }
  return undefined;
}

async function isRunnable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    // Folders can be "run" too.
    return (await stat(file)).isFile();
  } catch {
    return false; // best effort: whatever is wrong with it, it does not run
  }
}

/** It stands in the program as it would say it, which takes a process less; a script that is not known has to be asked. */
async function majorOf(
  file: string,
  name: string,
  { variables, clientScript = debianScript }: ClientProgramSearch,
): Promise<number | 'unknown'> {
  try {
    if (basename(await realpath(file)) === clientScript.name)
      return await newestOf(name, clientScript.versions);
    const bytes = await readRegularFile(file, { links: 'followed' });
    const isScript = bytes.toString('latin1', 0, 2) === '#!';
    const at = isScript ? -1 : bytes.indexOf(`${name} (${title}) `);
    const text = at < 0 ? await versionOf(file, variables) : bytes.toString('latin1', at, at + 100);
    const major = Number(/^[^)\n]*\) (\d+)/.exec(text)?.[1]);
    return Number.isNaN(major) ? 'unknown' : major;
  } catch {
    return 'unknown'; // best effort: one that can't be read stays where it is
  }
}

/** What the script chooses, unless a cluster of this machine is meant: then it may be an older one, which stays then. */
async function newestOf(name: string, versions: string): Promise<number | 'unknown'> {
  const majors = await Promise.all(
    (await namesIn(versions)).map(async (version) =>
      (await isRunnable(join(versions, version, 'bin', name))) ? parseInt(version, 10) : Number.NaN,
    ),
  );
  const newest = Math.max(...majors.filter((major) => !Number.isNaN(major)));
  return Number.isFinite(newest) ? newest : 'unknown';
}

const versionOf = (file: string, variables: Variables): Promise<string> =>
  new Promise((resolve) => {
    // best effort: one that does not run says nothing
    execFile(file, ['--version'], { timeout: versionTimeoutMs, env: { ...variables } }, (_error, stdout) =>
      resolve(stdout),
    );
  });
