/** Retrieves from a stopped data directory: checks that it is whole and alone, copies it, and prepares the copy. */
import path from 'node:path';
import type { FileEntry } from '../../../machine/machine.ts';
import { mapBounded } from '../../../domain/mapBounded.ts';
import { fail } from '../../../protocol/errors.ts';
import type { MemberDefinition } from '../../../protocol/entities.ts';
import { UnfitFileError } from '../../../protocol/node/regularFile.ts';
import type { Machine } from '../../../machine/machine.ts';
import { controlState, type ControlState } from '../controlFile.ts';
import { settleData } from '../prepare.ts';
import { portion, fullDisk, type Workbench } from '../workbench.ts';

const REQUIRED: readonly { name: string; kind: FileEntry['kind'] }[] = [
  { name: 'PG_VERSION', kind: 'file' },
  { name: 'global', kind: 'directory' },
  { name: 'global/pg_control', kind: 'file' },
  { name: 'base', kind: 'directory' },
  { name: 'pg_wal', kind: 'directory' },
  { name: 'pg_xact', kind: 'directory' },
];

/** Ours replace them in the copy, so it does not matter where these lead. */
const REPLACED = new Set(['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf']);
/** Not worth copying: of a run of the server, or its logs. */
const LEFT_OUT = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'pg_stat_tmp',
  'log',
  'pg_log',
  'current_logfiles',
]);
/** A folder of a database has thousands of files. */
const LOOKED_AT_ONCE = 64;
/** Empty folders that a server needs. */
const RUN_FOLDERS = ['pg_stat_tmp'];

export interface DirectoryFacts {
  major: number;
  /** When its data was last written: the moment that it shows. */
  dataStateAt: Date;
  bytes: number;
  clean: boolean;
}

/** Rejects with `directory_unusable`. Changes nothing. */
export async function inspectDirectory(
  machine: Machine,
  directory: string,
  signal?: AbortSignal,
): Promise<DirectoryFacts> {
  const unusable = (problem: string, cause?: unknown): Error =>
    fail('directory_unusable', { directory, problem }, cause === undefined ? {} : { cause });
  if (!path.isAbsolute(directory)) throw unusable('its path is not absolute');
  if (directory.includes('\0')) throw unusable('its path holds a NUL character');
  try {
    await checkStructure(machine, directory, unusable);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')) {
      throw unusable('the user that runs the engine may not read it', error);
    }
    throw error;
  }
  const major = Number((await readSmall(machine, directory, 'PG_VERSION', unusable))?.trim());
  if (!Number.isInteger(major))
    throw unusable('its file PG_VERSION names no version of PostgreSQL 10 or newer');
  const state = await controlState(machine, directory).catch(unfit(unusable));
  await checkStopped(machine, directory, state, unusable);
  await checkLinks(machine, directory, unusable, signal);
  const control = await machine.files.stat(path.join(directory, 'global', 'pg_control'));
  if (state === 'unknown') throw unusable('its file global/pg_control can not be read');
  return {
    major,
    dataStateAt: control?.modifiedAt ?? new Date(0),
    bytes: await sizeOf(machine, directory, signal),
    clean: isClean(state),
  };
}

const isClean = (state: ControlState): boolean => state === 'shut down' || state === 'shut down in recovery';

type Unusable = (problem: string, cause?: unknown) => Error;

/** These files have a few lines; anything else in their place is not read. */
const SMALL_BYTES = 64 * 1024;

const readSmall = (
  machine: Machine,
  directory: string,
  name: string,
  unusable: Unusable,
): Promise<string | undefined> =>
  machine.files.inside(directory).read(name, { maxBytes: SMALL_BYTES }).catch(unfit(unusable));

const unfit =
  (unusable: Unusable) =>
  (error: unknown): never => {
    throw error instanceof UnfitFileError ? unusable(error.message, error) : error;
  };

async function checkStructure(machine: Machine, directory: string, unusable: Unusable): Promise<void> {
  const itself = await machine.files.stat(directory);
  if (itself === undefined) throw unusable('there is no such directory');
  if (itself.kind === 'symlink') {
    throw unusable(`it is a link to ${await machine.files.readLink(directory)}; name that path`);
  }
  if (itself.kind !== 'directory') throw unusable('it is not a directory');
  const names = new Set((await machine.files.list(directory)).map((entry) => entry.name));
  if (!names.has('PG_VERSION')) {
    throw unusable(
      names.has('mongod.lock') || names.has('WiredTiger')
        ? 'it is a data directory of MongoDB'
        : 'it has no file PG_VERSION, so it is not a data directory of PostgreSQL',
    );
  }
  for (const { name, kind } of REQUIRED) {
    const found = await machine.files.stat(path.join(directory, name));
    if (found?.kind === 'symlink') {
      const file = path.join(directory, name);
      throw unusable(
        `${file} is a link to ${await machine.files.readLink(file)}, which lies outside. Take a copy with everything in one place, e.g. by pg_basebackup`,
      );
    }
    if (found?.kind !== kind) throw unusable(`it is not complete: ${name} is missing`);
  }
}

async function checkStopped(
  machine: Machine,
  directory: string,
  state: ControlState,
  unusable: Unusable,
): Promise<void> {
  const text = await readSmall(machine, directory, 'postmaster.pid', unusable);
  const pid = Number.parseInt(text?.split('\n', 1)[0] ?? '', 10);
  if (!Number.isInteger(pid) || pid <= 0) return;
  const line = await machine.processes.commandLine(pid);
  if (line !== undefined && /postgres|postmaster/.test(line[0] ?? '')) {
    throw unusable(`its server is running (process ${pid}). Stop it first, or use the retrieval "logical"`);
  }
  if (isClean(state)) return;
  // A server in a container has a pid of its own there: what has that number here, if anything, is another program.
  throw unusable(
    `its server may be running where its process is not seen from here, e.g. in a container: it was not shut down ("${state}"), and there is a postmaster.pid (process ${pid}). ` +
      'Stop that server. If there is none because it crashed, remove postmaster.pid, or start and stop the server once',
  );
}

/** A link would make the copy share files with production, whose server would then be damaged by the clone. */
async function checkLinks(
  machine: Machine,
  directory: string,
  unusable: Unusable,
  signal: AbortSignal | undefined,
): Promise<void> {
  const links = await machine.run(
    {
      program: 'find',
      args: [directory, '-type', 'l'],
      env: { LC_ALL: 'C' },
      parse: (result) => {
        if (result.code !== 0) throw unusable(lastLine(result.stderr));
        return result.stdout.split('\n').filter((line) => line !== '');
      },
    },
    { signal },
  );
  const [link] = links.filter((file) => {
    const [first = ''] = path.relative(directory, file).split('/');
    return !REPLACED.has(first) && !LEFT_OUT.has(first) && !/\.(key|crt|crl)$/.test(first);
  });
  if (link === undefined) return;
  const to = await machine.files.readLink(link);
  throw unusable(
    link.startsWith(path.join(directory, 'pg_tblspc'))
      ? `it has a tablespace outside, at ${to}. Use the retrieval "logical", which puts everything in one place`
      : `${link} is a link to ${to}, which lies outside`,
  );
}

async function sizeOf(machine: Machine, directory: string, signal: AbortSignal | undefined): Promise<number> {
  return await machine.run(
    {
      program: 'du',
      args: ['-sk', directory],
      env: { LC_ALL: 'C' },
      parse: (result) => (Number.parseInt(result.stdout, 10) || 0) * 1024,
    },
    { signal },
  );
}

/** Errors: directory_unusable, verification_failed, storage_full. The directory is only read. Resolves to the database. */
export async function retrieveDirectory(
  bench: Workbench,
  directory: string,
  facts: DirectoryFacts,
  { database: wanted, user }: Pick<MemberDefinition, 'database' | 'user'>,
): Promise<string> {
  const { machine, report, signal } = bench;
  report.phase('copying');
  report.line(`Copying ${directory} (${Math.round(facts.bytes / 1048576)} MB, PostgreSQL ${facts.major}).`);
  if (!facts.clean) {
    report.line('Its server was not stopped cleanly: the copy is recovered from its WAL.', 'warning');
  }
  if ((await machine.files.stat(path.join(directory, 'postgresql.conf'))) === undefined) {
    report.line('Its configuration is not in the directory: clones use the defaults.', 'warning');
  }
  const before = await pictureOf(machine, directory, signal);
  await copyTree(bench, directory, portion(report, 0, 0.6));
  await inspectDirectory(machine, directory, signal);
  const written = firstDifference(before, await pictureOf(machine, directory, signal));
  if (written !== undefined) {
    const problem = `it changed while it was copied (${written}), so something writes to it. Stop its server first`;
    throw fail('directory_unusable', { directory, problem });
  }
  const databases = await settleData({ ...bench, report: portion(report, 0.6, 1) }, { thorough: true, user });
  if (wanted === undefined) return databases[0]?.name ?? 'postgres';
  if (databases.some((database) => database.name === wanted)) return wanted;
  const known = databases.map((database) => database.name).join(', ');
  throw fail('directory_unusable', {
    directory,
    problem: `it has no database "${wanted}" (it has ${known})`,
  });
}

/**
 * Size and time of every file that is copied. A server that is not seen from here writes its WAL at every commit, and a
 * copy of which one part is older than another can't be recovered.
 */
async function pictureOf(
  machine: Machine,
  directory: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const picture = new Map<string, string>();
  const look = async (folder: string): Promise<void> => {
    signal.throwIfAborted();
    const entries = await machine.files.list(path.join(directory, folder));
    const copied = folder === '' ? entries.filter(({ name }) => !LEFT_OUT.has(name)) : entries;
    const subfolders: string[] = [];
    await mapBounded(copied, LOOKED_AT_ONCE, async ({ name, kind }) => {
      const file = path.join(folder, name);
      if (kind === 'directory') subfolders.push(file);
      const found = await machine.files.stat(path.join(directory, file));
      if (found !== undefined) picture.set(file, `${found.bytes} ${found.modifiedAt.getTime()}`);
    });
    for (const subfolder of subfolders) await look(subfolder);
  };
  await look('');
  return picture;
}

/** The first file that appeared, went or was written, by name. */
function firstDifference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string | undefined {
  const files = new Set([...before.keys(), ...after.keys()]);
  return [...files].sort().find((file) => before.get(file) !== after.get(file));
}

async function copyTree(bench: Workbench, from: string, report: Workbench['report']): Promise<void> {
  const { machine, target, signal } = bench;
  const entries = (await machine.files.list(from)).filter(
    (entry) => !LEFT_OUT.has(entry.name) && entry.kind !== 'symlink' && entry.kind !== 'other',
  );
  // One database after the other, so that progress is told from what is done.
  const databases = await machine.files.list(path.join(from, 'base'));
  const pieces = [
    ...entries.filter((entry) => entry.name !== 'base').map((entry) => entry.name),
    ...databases.map((entry) => path.join('base', entry.name)),
  ];
  // What runs as root must not be led elsewhere: nobody else comes into the target before it is whole.
  await machine.files.takeFromServerUser(target);
  await machine.files.makeDirectory(path.join(target, 'base'), { mode: 0o700 });
  const sizes = new Map<string, number>();
  for (const piece of pieces) sizes.set(piece, await sizeOf(machine, path.join(from, piece), signal));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let done = 0;
  // Shares blocks where the file system can; else a plain copy.
  const sharing =
    machine.platform === 'darwin' ? ['-c'] : machine.platform === 'linux' ? ['--reflink=auto'] : [];
  for (const piece of pieces) {
    await machine
      .run(
        {
          program: 'cp',
          args: [
            '-R',
            '-p',
            ...sharing,
            '--',
            path.join(from, piece),
            path.join(target, path.dirname(piece)),
          ],
          env: { LC_ALL: 'C' },
          mark: bench.mark,
          parse: (result) => {
            if (result.code !== 0) throw new Error(lastLine(result.stderr));
          },
        },
        { signal },
      )
      .catch(async (error: unknown) => {
        if (signal.aborted) throw error;
        const full = await fullDisk(bench, error);
        if (full !== error) throw full;
        const problem = error instanceof Error ? error.message : String(error);
        throw fail('directory_unusable', { directory: from, problem }, { cause: error });
      });
    done += sizes.get(piece) ?? 0;
    report.progress(done / Math.max(total, 1));
  }
  for (const folder of RUN_FOLDERS)
    await machine.files.makeDirectory(path.join(target, folder), { mode: 0o700 });
  await restrict(bench);
}

/** A server refuses a data directory that others may read (0700 or 0750). */
async function restrict(bench: Workbench): Promise<void> {
  await bench.machine.files.makeDirectory(bench.target, { mode: 0o700 });
  await bench.machine.files.giveToServerUser(bench.target);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? 'no output';
}
