/** Finds PostgreSQL's server and client programs: a setting, else the machine's own, else those that travel with us. */
import path from 'node:path';
import type { PinnedImage } from '../../../protocol/entities.ts';
import type { TreeManifest } from './local/bundledTree.ts';

export type ProgramOrigin = 'setting' | 'machine' | 'bundled' | 'image';

interface Programs {
  readonly major: number;
  /** As the program says it, e.g. `18.4`. */
  readonly version: string;
  readonly origin: ProgramOrigin;
  /** The whole folder of a bundled tree, for `stagePrograms`. */
  readonly tree?: string;
  /** Extensions of a bundled tree that not every processor can run. */
  readonly extensions?: TreeManifest['extensions'];
}

export interface ServerPrograms extends Programs {
  /** That has them; without one they are the machine's. */
  readonly image?: PinnedImage;
  readonly postgres: string;
  readonly initdb: string;
  readonly pg_controldata?: string;
}

export interface ClientPrograms extends Programs {
  readonly pg_dump: string;
  readonly pg_restore: string;
  readonly psql: string;
  readonly pg_dumpall: string;
  readonly pg_basebackup?: string;
  readonly pg_amcheck?: string;
  readonly pgbench?: string;
  readonly pg_controldata?: string;
}

/** What was not found; the fields are the details of the error `programs_missing`. */
export interface MissingPrograms {
  readonly what: string;
  /** Each place, with what was found there instead if anything. */
  readonly searched: readonly string[];
  /** What to do, with the exact command where we know one. */
  readonly install: string;
}

export type Located<Found> =
  { readonly ok: true; readonly programs: Found } | { readonly ok: false; readonly missing: MissingPrograms };

export type RunProgram = (
  program: string,
  args: readonly string[],
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
) => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;

/** What finding programs needs of a machine. */
export interface ProgramHost {
  readonly platform: NodeJS.Platform;
  /** The folders of PATH. */
  readonly searchPath: readonly string[];
  /** Rejects when the program cannot be started or takes longer. */
  readonly run: RunProgram;
  /** A text that changes when the file does (size and time); undefined when there is no such file. */
  readonly fileState: (file: string) => Promise<string | undefined>;
  /** The names in a folder; empty when there is no such folder. */
  readonly list: (folder: string) => Promise<readonly string[]>;
  /** The file behind symbolic links; the file itself when it is none. */
  readonly realPath: (file: string) => Promise<string>;
  /** What a folder of programs that travel with us says of itself; undefined when it is none that can be used. */
  readonly readTree: (folder: string) => Promise<TreeManifest | undefined>;
  /** Gives them back what an unpacker lost. */
  readonly restoreTree: (folder: string, manifest: TreeManifest) => Promise<void>;
}

export interface ProgramSetting {
  readonly serverDirectory?: string | undefined;
  readonly clientDirectory?: string | undefined;
}

export interface LocateOptions {
  readonly host: ProgramHost;
  readonly setting?: ProgramSetting | undefined;
  /** `dist/programs` of the extension, `.cache/programs/PLATFORM` in development; need not exist. */
  readonly bundledDirectory?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const VERSION_TIMEOUT_MS = 10_000;
const SERVER_NEEDS = ['postgres', 'initdb'] as const;
const CLIENT_NEEDS = ['pg_dump', 'pg_restore', 'psql', 'pg_dumpall'] as const;
const CLIENT_EXTRAS = ['pg_basebackup', 'pg_amcheck', 'pgbench', 'pg_controldata'] as const;

/** Both at once: a server of exactly this major version (the newest there is without one), and the newest client tools. */
export async function locatePrograms(
  options: LocateOptions & { readonly major?: number | undefined },
): Promise<{ readonly server: Located<ServerPrograms>; readonly client: Located<ClientPrograms> }> {
  const [server, client] = await Promise.all([
    locateServer(options),
    locateClient({ ...options, atLeast: options.major }),
  ]);
  return { server, client };
}

/** A data directory only runs under its own major version, so a newer server is no substitute. */
export async function locateServer(
  options: LocateOptions & { readonly major?: number | undefined },
): Promise<Located<ServerPrograms>> {
  const { host, major } = options;
  const searched: string[] = [];
  let best: Candidate | undefined;
  for await (const candidate of candidates(options, 'server', searched)) {
    if (major === undefined) {
      if (best === undefined || isNewer(candidate, best)) best = candidate;
      continue;
    }
    if (candidate.version.major === major) {
      best = candidate;
      break;
    }
    searched.push(`${candidate.folder} (${candidate.version.text})`);
  }
  if (best === undefined) return { ok: false, missing: await missing(host, 'server', major, searched) };
  const [postgres, initdb] = SERVER_NEEDS.map((name) => best.file(name));
  if (postgres === undefined || initdb === undefined) {
    throw new Error(`A server candidate in ${best.folder} without its programs got through.`);
  }
  const controlData = best.file('pg_controldata') ?? (await bundledControlData(options, best.version.major));
  return {
    ok: true,
    programs: {
      postgres,
      initdb,
      ...(controlData === undefined ? {} : { pg_controldata: controlData }),
      ...described(best),
    },
  };
}

/** The newest; a tie goes to the earlier place. `pg_dump` refuses sources newer than itself, hence `atLeast`. */
export async function locateClient(
  options: LocateOptions & { readonly atLeast?: number | undefined },
): Promise<Located<ClientPrograms>> {
  const { host, atLeast = 0 } = options;
  const searched: string[] = [];
  let best: Candidate | undefined;
  for await (const candidate of candidates(options, 'client', searched)) {
    if (candidate.version.major < atLeast) {
      searched.push(`${candidate.folder} (${candidate.version.text})`);
      continue;
    }
    if (best === undefined || isNewer(candidate, best)) best = candidate;
    // Somebody chose these: newer ones elsewhere do not count.
    if (best.origin === 'setting') break;
  }
  if (best === undefined) {
    const wanted = atLeast === 0 ? undefined : atLeast;
    return { ok: false, missing: await missing(host, 'client', wanted, searched) };
  }
  const [pg_dump, pg_restore, psql, pg_dumpall] = CLIENT_NEEDS.map((name) => best.file(name));
  if (pg_dump === undefined || pg_restore === undefined || psql === undefined || pg_dumpall === undefined) {
    throw new Error(`A client candidate in ${best.folder} without its programs got through.`);
  }
  const extras = CLIENT_EXTRAS.flatMap((name) => {
    const file = best.file(name);
    return file === undefined ? [] : [[name, file] as const];
  });
  return {
    ok: true,
    programs: {
      pg_dump,
      pg_restore,
      psql,
      pg_dumpall,
      ...Object.fromEntries(extras),
      ...described(best),
    },
  };
}

export interface ProgramVersion {
  readonly major: number;
  /** -1 for betas and release candidates, which come before `.0`. */
  readonly minor: number;
  readonly text: string;
}

/** From `postgres (PostgreSQL) 16.3 (Debian 16.3-1)` or `pg_dump (PostgreSQL) 19beta1`. */
export function parseVersion(output: string): ProgramVersion | undefined {
  const match = /\(PostgreSQL\) ((\d+)(?:\.(\d+))?(\S*))/.exec(output);
  if (match === null) return undefined;
  const [, text = '', major = '', minor = '-1'] = match;
  return { major: Number(major), minor: Number(minor), text };
}

interface Candidate {
  readonly folder: string;
  readonly origin: ProgramOrigin;
  readonly version: ProgramVersion;
  readonly tree?: string;
  readonly extensions?: TreeManifest['extensions'];
  /** Where the program is, if this place has it. */
  readonly file: (name: string) => string | undefined;
}

interface Place {
  readonly folder: string;
  readonly origin: ProgramOrigin;
  readonly tree?: string;
  readonly extensions?: TreeManifest['extensions'];
  /** Program name to file, for trees of ours; elsewhere the programs are in `folder`. */
  readonly programs?: Readonly<Record<string, string>>;
}

function described(candidate: Candidate): Programs {
  return {
    major: candidate.version.major,
    version: candidate.version.text,
    origin: candidate.origin,
    ...(candidate.tree === undefined ? {} : { tree: candidate.tree }),
    ...(candidate.extensions === undefined ? {} : { extensions: candidate.extensions }),
  };
}

function isNewer(one: Candidate, other: Candidate): boolean {
  if (one.version.major !== other.version.major) return one.version.major > other.version.major;
  return one.version.minor > other.version.minor;
}

/** Every place that has all the programs, in order; places that have not are told in `searched`. */
async function* candidates(
  options: LocateOptions,
  kind: 'server' | 'client',
  searched: string[],
): AsyncGenerator<Candidate> {
  const { host } = options;
  const needs: readonly string[] = kind === 'server' ? SERVER_NEEDS : CLIENT_NEEDS;
  const extras: readonly string[] = kind === 'server' ? ['pg_controldata'] : CLIENT_EXTRAS;
  const [first = ''] = needs;
  const seen = new Set<string>();
  for await (const place of places(options, kind, searched)) {
    const files = new Map<string, string>();
    for (const name of [...needs, ...extras]) {
      const file = place.programs?.[name] ?? path.join(place.folder, withEnding(name, host));
      const real = await host.realPath(file);
      // Debian's wrapper script picks a version by cluster; the real programs are found in their own folder.
      if (path.basename(real) === 'pg_wrapper') continue;
      if ((await host.fileState(real)) !== undefined) files.set(name, real);
    }
    const main = files.get(first);
    if (main === undefined) {
      if (place.origin !== 'machine') searched.push(`${place.folder} (no ${first})`);
      continue;
    }
    // /usr/local/bin/postgres may be a link to where all the others are.
    const beside = path.dirname(main);
    for (const name of [...needs, ...extras]) {
      const file = path.join(beside, withEnding(name, host));
      if (!files.has(name) && (await host.fileState(file)) !== undefined) files.set(name, file);
    }
    if (seen.has(main)) continue;
    seen.add(main);
    const absent = needs.filter((name) => !files.has(name));
    if (absent.length > 0) {
      searched.push(`${place.folder} (no ${absent.join(', ')})`);
      continue;
    }
    const version = await versionOf(main, options);
    if (typeof version === 'string') {
      searched.push(`${place.folder} (${version})`);
      continue;
    }
    yield {
      folder: place.folder,
      origin: place.origin,
      version,
      ...(place.tree === undefined ? {} : { tree: place.tree }),
      ...(place.extensions === undefined ? {} : { extensions: place.extensions }),
      file: (name) => files.get(name),
    };
  }
}

async function* places(
  options: LocateOptions,
  kind: 'server' | 'client',
  searched: string[],
): AsyncGenerator<Place> {
  const { host, setting, bundledDirectory } = options;
  const chosen = kind === 'server' ? setting?.serverDirectory : setting?.clientDirectory;
  if (chosen !== undefined && chosen !== '') {
    const inside = path.join(chosen, 'bin');
    const hasBin = (await host.list(inside)).length > 0;
    yield { folder: hasBin ? inside : chosen, origin: 'setting' };
  }
  for (const pattern of machineFolders(host.platform)) {
    for (const folder of await expand(pattern, host)) yield { folder, origin: 'machine' };
  }
  for (const folder of host.searchPath) yield { folder, origin: 'machine' };
  searched.push('PATH');
  if (bundledDirectory === undefined) return;
  const trees = (await host.list(bundledDirectory)).filter((name) => !name.startsWith('.'));
  if (trees.length === 0) searched.push(`${bundledDirectory} (empty)`);
  for (const name of trees) {
    const tree = path.join(bundledDirectory, name);
    const manifest = await host.readTree(tree);
    if (manifest?.kind !== kind) continue;
    await host.restoreTree(tree, manifest);
    const programs: Record<string, string> = {};
    for (const [program, file] of Object.entries(manifest.programs))
      programs[program] = path.join(tree, file);
    const { extensions } = manifest;
    yield { folder: tree, origin: 'bundled', tree, programs, ...(extensions && { extensions }) };
  }
}

/** Where packages put PostgreSQL; `*` stands for a version. */
function machineFolders(platform: NodeJS.Platform): readonly string[] {
  switch (platform) {
    case 'linux':
      return [
        '/usr/lib/postgresql/*/bin', // Debian, Ubuntu
        '/usr/pgsql-*/bin', // the PostgreSQL project's RPMs
        '/usr/lib/postgresql*/bin', // openSUSE
        '/usr/libexec/postgresql*', // Alpine
        '/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin',
      ];
    case 'darwin':
      return [
        '/opt/homebrew/opt/postgresql@*/bin',
        '/usr/local/opt/postgresql@*/bin',
        '/opt/homebrew/opt/libpq/bin',
        '/usr/local/opt/libpq/bin',
        '/Applications/Postgres.app/Contents/Versions/*/bin',
        '/Library/PostgreSQL/*/bin',
        '/opt/local/lib/postgresql*/bin',
      ];
    case 'win32':
      return ['C:\\Program Files\\PostgreSQL\\*\\bin'];
    default:
      return ['/usr/local/bin', '/usr/local/pgsql/bin'];
  }
}

/** The folders that a pattern with one `*` stands for, highest version first. */
async function expand(pattern: string, host: ProgramHost): Promise<readonly string[]> {
  const separator = host.platform === 'win32' ? '\\' : '/';
  const parts = pattern.split(separator);
  const at = parts.findIndex((part) => part.includes('*'));
  const starred = parts[at];
  if (starred === undefined) return [pattern];
  const parent = parts.slice(0, at).join(separator);
  const [before = '', after = ''] = starred.split('*');
  const names = (await host.list(parent)).filter(
    (name) =>
      name.startsWith(before) && /^\d[\d.]*$/.test(name.slice(before.length, name.length - after.length)),
  );
  const number = (name: string): number => Number.parseFloat(name.slice(before.length));
  return names
    .toSorted((a, b) => number(b) - number(a))
    .map((name) => [parent, name, ...parts.slice(at + 1)].join(separator));
}

/** Versions that were read, per machine; a program that changes (an upgrade in place) is asked again. */
const knownVersions = new WeakMap<ProgramHost, Map<string, ProgramVersion>>();

/** The version, or in words why there is none. */
async function versionOf(file: string, options: LocateOptions): Promise<ProgramVersion | string> {
  const { host, signal } = options;
  const known = knownVersions.get(host) ?? new Map<string, ProgramVersion>();
  knownVersions.set(host, known);
  const key = `${file} ${(await host.fileState(file)) ?? ''}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  signal?.throwIfAborted();
  let output: Awaited<ReturnType<RunProgram>>;
  try {
    output = await host.run(file, ['--version'], { signal, timeoutMs: VERSION_TIMEOUT_MS });
  } catch (error) {
    signal?.throwIfAborted();
    // A program that cannot be started is one that we have not found; the reason goes into the message.
    return `does not start: ${error instanceof Error ? error.message : String(error)}`;
  }
  const version = parseVersion(output.stdout);
  if (output.code !== 0 || version === undefined) {
    const [said = ''] = (output.stderr.trim() || output.stdout.trim()).split('\n');
    return `does not tell its version: ${said}`;
  }
  known.set(key, version);
  return version;
}

/** The server packages have no pg_controldata; the client tools that travel with us do, for their own version. */
async function bundledControlData(options: LocateOptions, major: number): Promise<string | undefined> {
  const { host, bundledDirectory } = options;
  if (bundledDirectory === undefined) return undefined;
  for (const name of await host.list(bundledDirectory)) {
    const tree = path.join(bundledDirectory, name);
    const manifest = await host.readTree(tree);
    const file = manifest?.programs['pg_controldata'];
    if (manifest === undefined || manifest.major !== major || file === undefined) continue;
    await host.restoreTree(tree, manifest);
    return path.join(tree, file);
  }
  return undefined;
}

async function missing(
  host: ProgramHost,
  kind: 'server' | 'client',
  major: number | undefined,
  searched: readonly string[],
): Promise<MissingPrograms> {
  const named = major === undefined ? 'PostgreSQL' : `PostgreSQL ${major}`;
  const what =
    kind === 'server'
      ? `A server of ${named}`
      : `The client tools of ${major === undefined ? named : `${named} or newer`}`;
  const command = await installCommand(host, kind, major);
  const setting = 'name the folder of its programs in the settings';
  return {
    what,
    searched,
    install: command === undefined ? `Install it, or ${setting}.` : `Run "${command}", or ${setting}.`,
  };
}

async function installCommand(
  host: ProgramHost,
  kind: 'server' | 'client',
  major: number | undefined,
): Promise<string | undefined> {
  const has = async (program: string): Promise<boolean> => {
    for (const folder of host.searchPath) {
      if ((await host.fileState(path.join(folder, withEnding(program, host)))) !== undefined) return true;
    }
    return false;
  };
  const suffix = major === undefined ? '' : String(major);
  if (await has('apt-get')) {
    const name = kind === 'server' ? 'postgresql' : 'postgresql-client';
    return `sudo apt-get install ${suffix === '' ? name : `${name}-${suffix}`}`;
  }
  if (await has('dnf')) {
    return `sudo dnf install postgresql${suffix}${kind === 'server' ? '-server' : ''}`;
  }
  if (await has('apk')) return `apk add postgresql${suffix}${kind === 'server' ? '' : '-client'}`;
  if (await has('brew')) return `brew install postgresql${suffix === '' ? '' : `@${suffix}`}`;
  if (host.platform === 'win32')
    return `winget install PostgreSQL.PostgreSQL.${suffix === '' ? '18' : suffix}`;
  return undefined;
}

function withEnding(name: string, host: ProgramHost): string {
  return host.platform === 'win32' ? `${name}.exe` : name;
}
