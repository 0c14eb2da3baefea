/** Says whether a data directory can be retrieved from: that it is whole, that no server runs on it, and that nothing in it leads outside. */
import path from 'node:path';
import type { FileEntry, Machine } from '../../../machine/machine.ts';
import { sizeOf } from '../../copyDirectory.ts';
import { fail } from '../../../protocol/errors.ts';
import { UnfitFileError } from '../../../protocol/node/regularFile.ts';
import { controlState, type ControlState } from '../controlFile.ts';

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
export const LEFT_OUT: ReadonlySet<string> = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'pg_stat_tmp',
  'log',
  'pg_log',
  'current_logfiles',
]);
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

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? 'no output';
}
