/** Copies the data directory of a stopped server, and notices when it was not stopped: something in it changed meanwhile. */
import path from 'node:path';
import { mapBounded } from '../domain/mapBounded.ts';
import type { Machine } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { Reporter } from './database.ts';

/** A folder of a database has thousands of files. */
const LOOKED_AT_ONCE = 64;

export interface CopyDirectoryOptions {
  machine: Machine;
  /** Only read. */
  from: string;
  /** Empty; belongs to the server user afterwards, and to nobody else. */
  to: string;
  /** Names at the top that stay where they are. Links and what is no file are never copied. */
  leaveOut: ReadonlySet<string>;
  /** A folder whose entries are copied one after the other, so that progress is told from what is done. */
  pieces?: string;
  /** Empty folders that a server needs. */
  emptyFolders?: readonly string[];
  mark: string;
  report: Reporter;
  signal: AbortSignal;
  /** A full disk as what it is; other errors as they are. */
  explain: (error: unknown) => Promise<unknown>;
  /** Looks whether it still can be used, after the copy. */
  inspect: () => Promise<unknown>;
}

/** Rejects with `directory_unusable`. */
export async function copyDirectory(options: CopyDirectoryOptions): Promise<void> {
  const { from: directory } = options;
  const before = await pictureOf(options);
  await copyTree(options);
  await options.inspect();
  const written = firstDifference(before, await pictureOf(options));
  if (written === undefined) return;
  const problem = `it changed while it was copied (${written}), so something writes to it. Stop its server first`;
  throw fail('directory_unusable', { directory, problem });
}

/**
 * Size and time of every file that is copied. A server that is not seen from here writes its log at every commit, and a
 * copy of which one part is older than another can't be recovered.
 */
async function pictureOf({
  machine,
  from,
  leaveOut,
  signal,
}: CopyDirectoryOptions): Promise<ReadonlyMap<string, string>> {
  const picture = new Map<string, string>();
  const look = async (folder: string): Promise<void> => {
    signal.throwIfAborted();
    const entries = await machine.files.list(path.join(from, folder));
    const copied = folder === '' ? entries.filter(({ name }) => !leaveOut.has(name)) : entries;
    const subfolders: string[] = [];
    await mapBounded(copied, LOOKED_AT_ONCE, async ({ name, kind }) => {
      const file = path.join(folder, name);
      if (kind === 'directory') subfolders.push(file);
      const found = await machine.files.stat(path.join(from, file));
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

async function copyTree(options: CopyDirectoryOptions): Promise<void> {
  const { machine, from, to, leaveOut, pieces: folder, report, signal } = options;
  const entries = (await machine.files.list(from)).filter(
    (entry) => !leaveOut.has(entry.name) && entry.kind !== 'symlink' && entry.kind !== 'other',
  );
  const inFolder = folder === undefined ? [] : await machine.files.list(path.join(from, folder));
  const pieces = [
    ...entries.filter((entry) => entry.name !== folder).map((entry) => entry.name),
    ...inFolder.map((entry) => path.join(folder ?? '', entry.name)),
  ];
  // What runs as root must not be led elsewhere: nobody else comes into the target before it is whole.
  await machine.files.takeFromServerUser(to);
  if (folder !== undefined) await machine.files.makeDirectory(path.join(to, folder), { mode: 0o700 });
  const sizes = new Map<string, number>();
  for (const piece of pieces) {
    signal.throwIfAborted();
    sizes.set(piece, await sizeOf(machine, path.join(from, piece), signal));
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const piece of pieces) {
    await copyPiece(options, piece);
    done += sizes.get(piece) ?? 0;
    report.progress(done / Math.max(total, 1));
  }
  for (const empty of options.emptyFolders ?? [])
    await machine.files.makeDirectory(path.join(to, empty), { mode: 0o700 });
  // A server refuses a data directory that others may read.
  await machine.files.makeDirectory(to, { mode: 0o700 });
  await machine.files.giveToServerUser(to);
}

async function copyPiece(options: CopyDirectoryOptions, piece: string): Promise<void> {
  const { machine, from, to, mark, signal } = options;
  // Shares blocks where the file system can; else a plain copy.
  const sharing =
    machine.platform === 'darwin' ? ['-c'] : machine.platform === 'linux' ? ['--reflink=auto'] : [];
  const paths = [path.join(from, piece), path.join(to, path.dirname(piece))];
  const command = {
    ...{ program: 'cp', args: ['-R', '-p', ...sharing, '--', ...paths], env: { LC_ALL: 'C' }, mark },
    parse: ({ code, stderr }: { code: number | null; stderr: string }) => {
      if (code !== 0) throw new Error(stderr.trim().split('\n').at(-1) ?? '');
    },
  };
  try {
    await machine.run(command, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    const explained = await options.explain(error);
    if (explained !== error) throw explained;
    const problem = error instanceof Error ? error.message : String(error);
    throw fail('directory_unusable', { directory: from, problem }, { cause: error });
  }
}

/** Bytes on the disk. */
export async function sizeOf(
  machine: Machine,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<number> {
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
