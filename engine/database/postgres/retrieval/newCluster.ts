/** Makes an empty PostgreSQL cluster in the target, for data that is restored into it. */
import { fail } from '../../../protocol/errors.ts';
import { ADMIN_ROLE } from '../admin.ts';
import { runServerProgram, type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import { writeConfiguration } from '../configuration.ts';

/** Its first superuser is ours, so that the source's roles, `postgres` among them, can be made as they are there. */
export async function makeCluster(bench: Workbench, preload: readonly string[] = []): Promise<void> {
  await bench.machine.files.makeDirectory(bench.target, { mode: 0o700, serverUser: true });
  const result = await runServerProgram(
    bench,
    {
      program: bench.server.initdb,
      args: [
        ...['-D', bench.target, '-U', ADMIN_ROLE, '--encoding', 'UTF8', '--locale', 'C'],
        ...['--auth', 'reject', '--data-checksums', '--no-sync', '--no-instructions'].filter(
          (option) => option !== '--no-instructions' || bench.server.major >= 14,
        ),
      ],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      mark: bench.mark,
      parse: (output) => output,
    },
    { signal: bench.signal },
  );
  if (result.code !== 0) {
    const problem = result.stderr.trim().split('\n').slice(-3).join(' ');
    throw await fullTarget(
      bench,
      fail('restore_failed', { problem: `initdb failed: ${problem}` }),
      result.stderr,
    );
  }
  await writeConfiguration({
    ...bench,
    dataDirectory: bench.target,
    preload,
  });
}

/** For a server that takes in much data once: nothing is logged twice, and nothing waits for a disk. */
export const RESTORE_SETTINGS: Readonly<Record<string, string>> = {
  // A parallel pg_restore truncates in the transaction that copies, which then needs no WAL.
  wal_level: 'minimal',
  max_wal_senders: '0',
  shared_buffers: '256MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '1GB',
  checkpoint_timeout: '1h',
  bgwriter_lru_maxpages: '0',
};
