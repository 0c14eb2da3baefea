/** Replaces the configuration files in a data directory by ours, keeping only settings that say how queries behave. */
import path from 'node:path';
import type { Machine, TreeFiles } from '../../machine/machine.ts';
import type { Images } from '../../runtime/images.ts';
import { ADMIN_ROLE } from './admin.ts';
import type { ServerPrograms } from './programs/locate.ts';

/** Who may log in: the engine by the unix socket alone, everybody else with a SCRAM password from this machine. */
const HBA = `# Written by Thin Clones.
local all "${ADMIN_ROLE}" trust
local all all scram-sha-256
host all "${ADMIN_ROLE}" 127.0.0.1/32 reject
host all "${ADMIN_ROLE}" ::1/128 reject
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
`;

/**
 * Settings that travel with the data: they change what a query answers or how it is planned. Everything else
 * (addresses, files, TLS, archiving, replication, logging, memory) belongs to the machine that the data came from.
 */
const TRAVELLING = new Set(
  [
    'timezone datestyle intervalstyle default_text_search_config bytea_output xmlbinary xmloption extra_float_digits',
    'search_path default_transaction_isolation quote_all_identifiers standard_conforming_strings backslash_quote',
    'escape_string_warning array_nulls transform_null_equals lo_compat_privileges default_with_oids row_security',
    'default_toast_compression default_table_access_method icu_validation_level timezone_abbreviations',
    'max_locks_per_transaction max_prepared_transactions max_pred_locks_per_transaction',
    'jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost plan_cache_mode constraint_exclusion',
    'random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost',
    'parallel_tuple_cost min_parallel_table_scan_size min_parallel_index_scan_size cursor_tuple_fraction',
    'default_statistics_target from_collapse_limit join_collapse_limit geqo geqo_threshold geqo_effort work_mem',
  ].flatMap((line) => line.split(' ')),
);
const isTravelling = (name: string): boolean =>
  TRAVELLING.has(name) || name.startsWith('enable_') || (name.includes('.') && !name.startsWith('cron.'));

/** Modules that act on their own: they would do production's work, or call production, from every clone. */
const ACTING_MODULES = new Set([
  'pg_cron',
  'pg_partman_bgw',
  'repmgr',
  'pgsodium',
  'pg_net',
  'bgw_replstatus',
]);

export interface ConfigurationOptions {
  machine: Machine;
  dataDirectory: string;
  /** Its modules lie in folders beside its programs. */
  server: Pick<ServerPrograms, 'major' | 'postgres' | 'image'>;
  /** For a server that is an image's. */
  images: Pick<Images, 'present'>;
  /** Raised when the data holds prepared transactions, without which a server does not start. */
  preparedTransactions?: number;
  /** Modules that data which is yet to come needs from the start. */
  preload?: readonly string[];
}

export interface WrittenConfiguration {
  /** What people should know, e.g. modules that were left out. */
  warnings: readonly string[];
  /** A WAL segment, bytes. */
  segmentBytes: number;
}

/**
 * Writes postgresql.conf, postgresql.auto.conf, pg_hba.conf and pg_ident.conf anew. The server must be stopped.
 * Idempotent: its own output is input that it keeps.
 */
export async function writeConfiguration(options: ConfigurationOptions): Promise<WrittenConfiguration> {
  const { machine, dataDirectory } = options;
  const warnings: string[] = [];
  const found = await readSettings(machine, dataDirectory, warnings);
  const travelling = [...found].filter(([name]) => isTravelling(name));
  const wanted = [found.get('shared_preload_libraries') ?? '', ...(options.preload ?? [])].join(',');
  const modules = await usableModules(options, wanted, warnings);
  const segmentBytes = await walSegmentBytes(machine, dataDirectory);
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1048576)}MB`;
  const settings = new Map<string, string>([
    ['max_connections', '50'],
    ['shared_buffers', '32MB'],
    ['huge_pages', 'off'],
    ['password_encryption', 'scram-sha-256'],
    ['lc_messages', 'C'],
    // Rows that were old in the source would be vacuumed in every clone, all at once: by default from 200 million transactions on.
    ['autovacuum_freeze_max_age', '1000000000'],
    ['autovacuum_multixact_freeze_max_age', '1000000000'],
    ['min_wal_size', megabytes(2 * segmentBytes)],
    ['max_wal_size', megabytes(Math.max(32 * segmentBytes, 512 * 1048576))],
    ...travelling,
  ]);
  const prepared = Math.max(
    Number.parseInt(settings.get('max_prepared_transactions') ?? '0', 10) || 0,
    options.preparedTransactions ?? 0,
  );
  if (prepared > 0) settings.set('max_prepared_transactions', String(prepared));
  if (modules.length > 0) settings.set('shared_preload_libraries', modules.join(','));

  const tree = machine.files.inside(dataDirectory);
  await replaceFile(tree, 'postgresql.conf', [
    '# Written by Thin Clones. ALTER SYSTEM adds to it in this clone; what the engine needs is on the command line.',
    ...[...settings].map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`),
    '',
  ]);
  await replaceFile(tree, 'postgresql.auto.conf', [
    '# Do not edit this file manually!',
    '# It will be overwritten by the ALTER SYSTEM command.',
    '',
  ]);
  await replaceFile(tree, 'pg_hba.conf', [HBA]);
  await replaceFile(tree, 'pg_ident.conf', ['# Written by Thin Clones.', '']);
  return { warnings, segmentBytes };
}

async function replaceFile(tree: TreeFiles, file: string, lines: readonly string[]): Promise<void> {
  // A configuration file may be a link to another place: what is there is not ours.
  await tree.remove(file);
  await tree.write(file, lines.join('\n'));
}

/** postgresql.auto.conf wins over postgresql.conf. Included files are read when they lie in the data directory. */
async function readSettings(
  machine: Machine,
  dataDirectory: string,
  warnings: string[],
): Promise<ReadonlyMap<string, string>> {
  const settings = new Map<string, string>();
  const tree = machine.files.inside(dataDirectory);
  const seen = new Set<string>();
  const readInto = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const relative = path.relative(dataDirectory, file);
    if ((await tree.stat(relative))?.kind !== 'file') return;
    for (const { name, value } of parseConfiguration((await tree.read(relative)) ?? '')) {
      if (!name.startsWith('include')) {
        settings.set(name, value);
        continue;
      }
      const included = path.resolve(path.dirname(file), value);
      if (!included.startsWith(`${dataDirectory}/`)) {
        warnings.push(`Settings in ${included} are outside the data directory and were left out.`);
      } else if (name === 'include_dir') {
        const entries = (await tree.list(path.relative(dataDirectory, included)))
          .map(({ name: file }) => file)
          .sort();
        for (const entry of entries) if (entry.endsWith('.conf')) await readInto(path.join(included, entry));
      } else {
        await readInto(included);
      }
    }
  };
  await readInto(path.join(dataDirectory, 'postgresql.conf'));
  await readInto(path.join(dataDirectory, 'postgresql.auto.conf'));
  return settings;
}

/** The grammar of src/backend/utils/misc/guc-file.l: `name = 'value'`, `=` and quotes optional, `#` starts a comment. */
export function parseConfiguration(text: string): readonly { name: string; value: string }[] {
  const line = /^\s*([A-Za-z_][\w$.]*)(?:\s*=\s*|\s+)('(?:[^'\\\n]|\\.|'')*'|[^\s#']+)/;
  return text.split('\n').flatMap((row) => {
    const match = line.exec(row);
    if (match === null) return [];
    const [, name = '', raw = ''] = match;
    const value = raw.startsWith("'") ? raw.slice(1, -1).replaceAll("''", "'").replace(/\\(.)/g, '$1') : raw;
    return [{ name: name.toLowerCase(), value }];
  });
}

async function usableModules(
  options: ConfigurationOptions,
  setting: string,
  warnings: string[],
): Promise<readonly string[]> {
  const usable: string[] = [];
  const names = setting.split(',').map((name) => name.trim().replaceAll('"', ''));
  for (const name of names.filter((candidate) => candidate !== '')) {
    const bare = path.basename(name).replace(/\.(so|dylib|dll)$/, '');
    if (ACTING_MODULES.has(bare)) {
      warnings.push(`The module ${bare} acts on its own and is not loaded in clones.`);
    } else if (await moduleExists(options, bare)) {
      usable.push(bare);
    } else {
      warnings.push(
        `The module ${bare} is not installed for this PostgreSQL ${options.server.major} and is not loaded.`,
      );
    }
  }
  return usable;
}

export async function moduleExists(
  { machine, server, images }: Pick<ConfigurationOptions, 'machine' | 'server' | 'images'>,
  name: string,
): Promise<boolean> {
  if (!/^[\w-]+$/.test(name)) return false;
  const root = path.dirname(path.dirname(server.postgres));
  const files = ['lib', 'lib/postgresql', 'lib64', 'lib64/postgresql'].flatMap((folder) =>
    ['so', 'dylib'].map((suffix) => path.join(root, folder, `${name}.${suffix}`)),
  );
  if (server.image !== undefined) return (await images.present(server.image, files)).size > 0;
  for (const file of files) if ((await machine.files.stat(file)) !== undefined) return true;
  return false;
}

/** Every file of pg_wal is one segment; its size was chosen at initdb. */
async function walSegmentBytes(machine: Machine, dataDirectory: string): Promise<number> {
  const tree = machine.files.inside(dataDirectory);
  const segment = (await tree.list('pg_wal')).find((entry) => /^[0-9A-F]{24}$/.test(entry.name));
  const stat = segment === undefined ? undefined : await tree.stat(`pg_wal/${segment.name}`);
  return stat?.bytes ?? 16 * 1048576;
}
