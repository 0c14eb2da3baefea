/** Retrieves from a stopped data directory: copies it when it can be used, and prepares the copy. */
import path from 'node:path';
import { mapBounded } from '../../../domain/mapBounded.ts';
import type { Machine } from '../../../machine/machine.ts';
import type { MemberDefinition } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import { settleData } from '../prepare.ts';
import { fullDisk, portion, type Workbench } from '../workbench.ts';
import { inspectDirectory, lastLine, LEFT_OUT, sizeOf, type DirectoryFacts } from './inspectDirectory.ts';

/** A folder of a database has thousands of files. */
const LOOKED_AT_ONCE = 64;
/** Empty folders that a server needs. */
const RUN_FOLDERS = ['pg_stat_tmp'];

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
