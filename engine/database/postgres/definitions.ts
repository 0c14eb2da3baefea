/** Writes down what a copy's database defines, as pg_dump does, and the same each time. */
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import { ADMIN_ROLE, APPLICATION_NAME, socketNumber } from './admin.ts';
import { clientTools, type FindPrograms } from './programs.ts';

export interface DefinitionsOptions {
  machine: Pick<Machine, 'run'>;
  programs: FindPrograms;
  spec: ServerSpec;
  database: string;
  signal: AbortSignal | undefined;
}

/** Longer than any lock that a tool holds in passing. */
const LOCK_MS = 5000;

/** Rejects with `read_failed`, `programs_missing`. */
export async function readDefinitions(options: DefinitionsOptions): Promise<string> {
  const { machine, spec, database, signal } = options;
  const { pg_dump: program } = await clientTools(options.programs);
  const { code, stdout, stderr } = await machine.run(
    {
      program,
      args: ['--schema-only', '--no-password', `--lock-wait-timeout=${LOCK_MS}`],
      env: {
        PGHOST: spec.socketDirectory,
        PGPORT: String(socketNumber(spec)),
        PGUSER: ADMIN_ROLE,
        PGDATABASE: database,
        PGAPPNAME: APPLICATION_NAME,
        PGSSLMODE: 'disable',
        PGGSSENCMODE: 'disable',
        LC_ALL: 'C',
        TZ: 'UTC',
      },
      parse: (output) => output,
    },
    signal === undefined ? {} : { signal },
  );
  signal?.throwIfAborted();
  if (code !== 0)
    throw fail('read_failed', { server: spec.title, database, problem: stderr.trim().slice(-500) });
  return withoutRun(stdout);
}

/** Keys of `\restrict` are made anew for each dump, and versions are of programs, not of the data. */
const withoutRun = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^(\\(un)?restrict |-- Dumped (from|by) )/.test(line))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
    .concat('\n');
