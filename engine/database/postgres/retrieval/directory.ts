/** Retrieves from a stopped data directory: copies it when it can be used, and prepares the copy. */
import path from 'node:path';
import type { MemberDefinition } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import { copyDirectory } from '../../copyDirectory.ts';
import { settleData } from '../prepare.ts';
import { type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import { portion } from '../../portion.ts';
import { inspectDirectory, LEFT_OUT, type DirectoryFacts } from './inspectDirectory.ts';

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
  await copyDirectory({
    ...{ machine, from: directory, to: bench.target, mark: bench.mark, signal },
    ...{ leaveOut: LEFT_OUT, pieces: 'base', emptyFolders: RUN_FOLDERS },
    report: portion(report, 0, 0.6),
    explain: (error) => fullTarget(bench, error),
    inspect: () => inspectDirectory(machine, directory, signal),
  });
  const databases = await settleData({ ...bench, report: portion(report, 0.6, 1) }, { thorough: true, user });
  if (wanted === undefined) return databases[0]?.name ?? 'postgres';
  if (databases.some((database) => database.name === wanted)) return wanted;
  const known = databases.map((database) => database.name).join(', ');
  throw fail('directory_unusable', {
    directory,
    problem: `it has no database "${wanted}" (it has ${known})`,
  });
}
