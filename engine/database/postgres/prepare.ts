/** Makes data that came from somewhere safe to hand out: recovered, without production's secrets, checked, stopped. */
import type { Client } from 'pg';
import { fail, ThinClonesError } from '../../protocol/errors.ts';
import { ADMIN_ROLE } from './admin.ts';
import { writeConfiguration } from './configuration.ts';
import { forgetCounters } from './counters.ts';
import { controlState } from './controlFile.ts';
import { disarm } from './disarm.ts';
import { tellFailure } from './ready.ts';
import { quoteName, quoteText } from './quoting.ts';
import { checkRoleOf } from './roleOfSource.ts';
import { verifyDatabase } from './verify.ts';
import {
  FIRST_START,
  runServerProgram,
  syncToDisk,
  withTemporaryServer,
  type Workbench,
} from './workbench.ts';
import { portion } from '../portion.ts';

/** Files that belong to a run of a server, or that would make it a standby of production. */
const LEFTOVERS = [
  'postmaster.pid',
  'postmaster.opts',
  'standby.signal',
  'recovery.signal',
  'recovery.conf',
  'current_logfiles',
  'postgresql.conf.bak',
  'server.key',
  'server.crt',
  'root.crt',
];

/** Removes what only made sense for the server that the data came from. Replication slots would hold back WAL for ever. */
export async function removeLeftovers(bench: Pick<Workbench, 'machine' | 'target'>): Promise<void> {
  const tree = bench.machine.files.inside(bench.target);
  for (const name of LEFTOVERS) await tree.remove(name);
  for (const folder of [
    'pg_replslot',
    'pg_stat_tmp',
    'pg_dynshmem',
    'pg_notify',
    'pg_serial',
    'pg_snapshots',
  ]) {
    for (const entry of await tree.list(folder)) await tree.remove(`${folder}/${entry.name}`);
  }
}

/**
 * Recovers data of any origin in single-user mode, and makes our role there: nobody else can log in meanwhile, no
 * background process starts, and no name of an existing superuser need be known.
 */
export async function recoverAlone(bench: Workbench): Promise<void> {
  const statements = [
    `CREATE ROLE ${quoteName(ADMIN_ROLE)}`,
    `ALTER ROLE ${quoteName(ADMIN_ROLE)} WITH SUPERUSER LOGIN BYPASSRLS CONNECTION LIMIT -1 PASSWORD NULL VALID UNTIL 'infinity'`,
    `ALTER ROLE ${quoteName(ADMIN_ROLE)} RESET ALL`,
  ];
  const recovery: string[] = [];
  const output = await runServerProgram(
    bench,
    {
      program: bench.server.postgres,
      args: [
        '--single',
        '-D',
        bench.target,
        ...[
          'max_prepared_transactions=200',
          'shared_preload_libraries=',
          'archive_mode=off',
          'fsync=off',
        ].flatMap((setting) => ['-c', setting]),
        ...[
          'restore_command=',
          'external_pid_file=',
          'log_destination=stderr',
          'logging_collector=off',
        ].flatMap((setting) => ['-c', setting]),
        'template1',
      ],
      stdin: `${statements.join('\n')}\n`,
      mark: bench.mark,
      parse: (result) => result,
    },
    {
      signal: bench.signal,
      onStderrLine: (line) => {
        if (/was not properly shut down|redo (starts|done)|was interrupted/.test(line)) recovery.push(line);
      },
    },
  );
  const failed = /\b(FATAL|PANIC):/.test(output.stderr) || output.code !== 0;
  if (failed) {
    // Of a recovery that succeeds they would only alarm: every copy of a running clone is recovered.
    for (const line of recovery) bench.report.line(`Recovery: ${line.replace(/^.*?LOG:\s*/, '')}`);
    throw fail('verification_failed', {
      problem: tellFailure(output.stderr.split('\n').filter((l) => l !== '')),
    });
  }
}

export interface PreparedDatabase {
  name: string;
  bytes: number;
}

export interface FinishOptions {
  /** Also reads every index of people's tables: for data files that we did not write ourselves. */
  thorough: boolean;
  prepared: number;
  /** A role that the data must have. */
  user?: string | undefined;
}

/**
 * The end of every retrieval: the server starts once more as clones will start it, is checked, gives back WAL that it
 * only kept for recycling, and is stopped cleanly. Errors: verification_failed, storage_full.
 */
export async function finish(bench: Workbench, options: FinishOptions): Promise<readonly PreparedDatabase[]> {
  const { report, target } = bench;
  report.phase('checking');
  const { warnings, segmentBytes } = await writeConfiguration({
    ...bench,
    dataDirectory: target,
    preparedTransactions: options.prepared,
  });
  for (const warning of warnings) report.line(warning, 'warning');
  const twoSegments = `${(2 * segmentBytes) / 1048576}MB`;
  let databases: readonly PreparedDatabase[];
  try {
    const { value, log } = await withTemporaryServer(
      bench,
      { min_wal_size: twoSegments, max_wal_size: twoSegments, wal_recycle: 'off' },
      async (server) => {
        await server.query('postgres', (client) => checkRoleOf(client, options.user));
        const found = await server.query('postgres', (client) => listDatabases(client));
        const checks = portion(report, 0, 0.9);
        let done = 0;
        for (const database of found) {
          bench.signal.throwIfAborted();
          await server.query(database.name, (client) =>
            verifyDatabase(client, { thorough: options.thorough, report, signal: bench.signal }),
          );
          done += 1;
          checks.progress(done / found.length);
        }
        await server.query('postgres', (client) => shrinkWal(client, bench.signal));
        return found;
      },
    );
    databases = value;
    if (/was not properly shut down|database system was interrupted/.test(log)) {
      throw fail('verification_failed', { problem: 'it had to be recovered once more.' });
    }
  } catch (error) {
    if (error instanceof ThinClonesError && error.code === 'server_start_failed') {
      throw fail('verification_failed', { problem: error.message }, { cause: error });
    }
    throw error;
  }
  await forgetCounters(bench);
  await syncToDisk(bench);
  const state = await controlState(bench.machine, target);
  if (state !== 'shut down') {
    throw fail('verification_failed', { problem: `the data is "${state}" instead of "shut down".` });
  }
  await bench.machine.files.inside(target).remove('postmaster.opts');
  report.progress(1);
  return databases;
}

/** The largest first: that is the one people work with; `postgres` is only taken for it when there is no other. */
async function listDatabases(client: Client): Promise<readonly PreparedDatabase[]> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `SELECT datname AS name, pg_database_size(oid)::text AS bytes FROM pg_database
     WHERE datallowconn AND NOT datistemplate ORDER BY datname = 'postgres', pg_database_size(oid) DESC, datname`,
  );
  return rows.map((row) => ({ name: row.name, bytes: Number(row.bytes) }));
}

/**
 * Every segment that is there goes: those kept for recycling are copied into each clone and never read, and all of them hold what was
 * taken away before. A checkpoint removes only used ones: so they are used up.
 */
async function shrinkWal(client: Client, signal: AbortSignal): Promise<void> {
  const segments = async (): Promise<readonly string[]> => {
    const { rows } = await client.query<{ name: string }>('SELECT name FROM pg_ls_waldir()');
    return rows.map(({ name }) => name);
  };
  const old = new Set(await segments());
  // Each round removes at least one; the limit only keeps a surprise from becoming an endless loop.
  for (let round = 0; round < 300 && (await segments()).some((name) => old.has(name)); round += 1) {
    signal.throwIfAborted();
    await client.query(`SELECT pg_logical_emit_message(false, ${quoteText('thin-clones')}, '')`);
    await client.query('SELECT pg_switch_wal()');
    await client.query('CHECKPOINT');
  }
}

export type SettleOptions = Pick<FinishOptions, 'thorough' | 'user'>;

/** From any stopped or crashed data directory to a prepared one. */
export async function settleData(
  bench: Workbench,
  options: SettleOptions,
): Promise<readonly PreparedDatabase[]> {
  const { report } = bench;
  report.phase('preparing');
  await removeLeftovers(bench);
  const { warnings } = await writeConfiguration({
    ...bench,
    dataDirectory: bench.target,
  });
  for (const warning of warnings) report.line(warning, 'warning');
  await recoverAlone(bench);
  report.progress(0.4);
  const { value } = await withTemporaryServer(bench, FIRST_START, (server) => disarm(bench, server));
  report.progress(0.6);
  return await finish(
    { ...bench, report: portion(report, 0.6, 1) },
    { ...options, prepared: value.prepared },
  );
}
