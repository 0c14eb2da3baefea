/** Extensions of a source: which are left out, which must be loaded before others, and what of an archive depends on those that do not come. */
import path from 'node:path';
import { fail, type ThinClonesError } from '../../../protocol/errors.ts';
import { moduleExists } from '../configuration.ts';
import { unfitExtensions } from '../programs/processor.ts';
import { parsePattern } from '../selection.ts';
import type { TemporaryServer, Workbench } from '../workbench.ts';
import type { Archive, ArchiveEntry } from './archive.ts';
import { majorWith } from './newerServers.ts';
import { nameOf, type RestoreNote } from './restoreAgain.ts';

export interface SourceExtension {
  name: string;
  /** Something of what is copied is known to need it. */
  isNeeded: boolean;
  /** Not known of a dump, which says only the name. */
  version?: string;
}

/** They only watch, and can only do so in a server that loaded them when it started. */
const PRELOADED = ['pg_stat_statements', 'pgaudit', 'pg_stat_kcache', 'pg_qualstats', 'pg_wait_sampling'];

/**
 * They can't be made in a server that has not loaded them, and are not loaded: they would do production's work in every
 * clone, e.g. send its mails, or call its services a second time.
 */
const ACTING = new Set(['pg_cron']);

/** Modules for the restore and for the clones. */
export async function modulesFor(
  bench: Pick<Workbench, 'machine' | 'server' | 'images'>,
  extensions: readonly string[],
): Promise<readonly string[]> {
  const modules: string[] = [];
  for (const name of PRELOADED)
    if (extensions.includes(name) && (await moduleExists(bench, name))) modules.push(name);
  return modules;
}

/**
 * Names of the extensions that do not come. Asked before the dump, or the restore, which may take hours. Errors: `restore_failed` names
 * those that are not here; `source_selection` a pattern that is nobody's.
 */
export async function extensionsToLeaveOut(
  bench: Pick<Workbench, 'machine' | 'report' | 'server' | 'newerServers'>,
  server: TemporaryServer,
  asked: { extensions: readonly SourceExtension[]; exclude: readonly string[] | undefined },
): Promise<readonly string[]> {
  const { extensions, exclude = [] } = asked;
  const out = new Set<string>();
  for (const pattern of exclude) {
    const matching = new RegExp(parsePattern(pattern).name);
    const found = extensions.filter(({ name }) => matching.test(name));
    if (found.length === 0) throw fail('source_selection', { pattern, kind: 'extension' });
    for (const { name } of found) out.add(name);
  }
  for (const { name } of extensions)
    if (ACTING.has(name) && !out.has(name)) {
      out.add(name);
      bench.report.line(`The extension ${name} acts on its own and is left out of clones.`, 'warning');
    }
  const here = await extensionsHere(bench, server);
  const missing = extensions.filter(({ name }) => !here.versions.has(name) && !out.has(name));
  const needed = missing.filter(({ isNeeded }) => isNeeded).map(({ name }) => name);
  if (needed.length > 0) throw await missingHere(bench, needed, here.unfit);
  for (const { name, version } of extensions) {
    const ours = here.versions.get(name);
    if (ours !== undefined && version !== undefined && isNewer(version, ours) && !out.has(name))
      bench.report.line(
        `The source has version ${version} of the extension ${name}, the PostgreSQL ${bench.server.version} here ${ours}: ` +
          'what needs the newer one may be missing in the copy, and is told then.',
        'warning',
      );
  }
  for (const { name } of missing) {
    out.add(name);
    bench.report.line(
      `The extension ${name} is not on this machine and is left out: nothing that is copied needs it.`,
      'warning',
    );
  }
  return [...out];
}

/** Of a dump that can't be taken in parts. Errors: `restore_failed`, and `not_supported` for one that acts on its own. */
export async function refuseMissing(
  bench: Pick<Workbench, 'machine' | 'server' | 'newerServers'>,
  server: TemporaryServer,
  names: readonly string[],
): Promise<void> {
  const acting = names.find((name) => ACTING.has(name));
  if (acting !== undefined)
    throw fail('not_supported', {
      feature: `A plain SQL dump with the extension ${acting}, which acts on its own and is left out of clones,`,
      instead: 'Make the dump in another format (pg_dump -Fc), of which it can be left out.',
    });
  const here = await extensionsHere(bench, server);
  const missing = names.filter((name) => !here.versions.has(name));
  if (missing.length > 0) throw await missingHere(bench, missing, here.unfit);
}

interface ExtensionsHere {
  /** Of those that can be made, the version that comes. */
  versions: ReadonlyMap<string, string>;
  /** Those that this processor can't run, and what it lacks. */
  unfit: ReadonlyMap<string, readonly string[]>;
}

async function extensionsHere(
  bench: Pick<Workbench, 'machine' | 'server'>,
  server: TemporaryServer,
): Promise<ExtensionsHere> {
  const unfit = await unfitExtensions(bench.machine, bench.server);
  const { rows } = await server.query('template1', (client) =>
    client.query<{ name: string; version: string }>(
      'SELECT name, default_version AS version FROM pg_available_extensions',
    ),
  );
  const versions = new Map(rows.map(({ name, version }) => [name, version]));
  for (const name of unfit.keys()) versions.delete(name);
  return { versions, unfit };
}

/** Only where both are numbers with dots: what else they may mean is the extension's own affair. */
export function isNewer(one: string, other: string): boolean {
  if (![one, other].every((version) => /^\d+(\.\d+)*$/.test(version))) return false;
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  for (let part = 0; part < Math.max(left?.length ?? 0, right?.length ?? 0); part += 1) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

async function missingHere(
  bench: Pick<Workbench, 'machine' | 'server' | 'newerServers'>,
  names: readonly string[],
  unfit: ExtensionsHere['unfit'],
): Promise<ThinClonesError> {
  const newer = await majorWith(bench.machine, await bench.newerServers(), names);
  return missingExtensions(names, bench.server.version, { unfit, newer });
}

export function missingExtensions(
  names: readonly string[],
  version: string,
  { unfit = new Map(), newer }: { unfit?: ExtensionsHere['unfit']; newer?: number | undefined } = {},
): ThinClonesError {
  const [it, plural] = names.length === 1 ? ['it', 'extension'] : ['them', 'extensions'];
  const processors = names.flatMap((name) => {
    const lacks = unfit.get(name);
    return lacks === undefined
      ? []
      : [` (the ${name} that travels along needs a processor with ${lacks.join(', ')})`];
  });
  return fail('restore_failed', {
    problem: `the source uses the ${plural} ${names.join(', ')}, which the PostgreSQL ${version} here does not have${processors.join('')}. Install ${it}, ${newer === undefined ? '' : `let the copies be of PostgreSQL ${newer}, which has ${it} here (version: ${newer}), `}or leave ${it} out together with what depends on ${it}: exclude: { extensions: [${names.join(', ')}] } (of a dump: of any kind but plain SQL)`,
  });
}

export interface KeptPart {
  archive: Archive;
  /** For `pg_restore --use-list`; undefined: everything. */
  list: string | undefined;
  notes: readonly RestoreNote[];
  /** Tables that may need an extension that does not come for no more than a default: a restore finds out. */
  doubtful: readonly ArchiveEntry[];
}

/** What is left of an archive without these extensions. */
export async function withoutExtensions(
  bench: Workbench,
  archive: Archive,
  names: readonly string[],
  scratch: string,
): Promise<KeptPart> {
  const { out, doubtful } = dependentsOf(archive.entries, names);
  if (out.size === 0) return { archive, list: undefined, notes: [], doubtful: [] };
  return { ...(await without(bench, archive, out, scratch)), doubtful: [...doubtful] };
}

/** What is left when these tables could not be restored. */
export async function withoutTables(
  bench: Workbench,
  archive: Archive,
  tables: readonly ArchiveEntry[],
  scratch: string,
): Promise<KeptPart & { out: ReadonlySet<ArchiveEntry> }> {
  const out = withUsers(new Set(tables), usersOf(archive.entries));
  return { ...(await without(bench, archive, out, scratch)), doubtful: [], out };
}

async function without(
  bench: Workbench,
  archive: Archive,
  out: ReadonlySet<ArchiveEntry>,
  scratch: string,
): Promise<Omit<KeptPart, 'doubtful'>> {
  const entries = archive.entries.filter((entry) => !out.has(entry));
  // Rows, rights and comments go with what they belong to.
  for (const entry of out)
    if (!/ DATA$|^(?:COMMENT|ACL|SEQUENCE SET|DEFAULT|EXTENSION)$/.test(entry.kind))
      bench.report.line(
        `The ${entry.kind.toLowerCase()} ${nameOf(entry)} is left out: it depends on an extension that does not come.`,
        'warning',
      );
  const list = path.join(scratch, 'kept.list');
  await bench.machine.files.writeAtomic(
    list,
    entries.map(({ dumpId }) => `${dumpId};\n`).join(''),
    0o600,
    'system',
  );
  const notes = [...out].map((entry): RestoreNote => {
    const problem = 'it depends on an extension that is left out';
    return { entry, object: `${entry.kind.toLowerCase()} ${nameOf(entry)}`, what: 'is missing', problem };
  });
  return { archive: { ...archive, entries }, list, notes };
}

/** The entries of these extensions, and whatever depends on one of them, also through others; but what tables may lack is for them to tell. */
export function dependentsOf(
  entries: readonly ArchiveEntry[],
  names: readonly string[],
): { out: ReadonlySet<ArchiveEntry>; doubtful: ReadonlySet<ArchiveEntry> } {
  const users = usersOf(entries);
  const extensions = entries.filter(({ kind, name }) => kind === 'EXTENSION' && names.includes(name));
  const direct = new Set(extensions.flatMap(({ dumpId }) => users.get(dumpId) ?? []));
  const isTable = ({ kind }: ArchiveEntry): boolean => kind === 'TABLE';
  const roots = [...direct].filter((entry) => !isTable(entry));
  const out = new Set([...extensions, ...withUsers(new Set(roots), users)]);
  return { out, doubtful: new Set([...direct].filter((entry) => isTable(entry) && !out.has(entry))) };
}

type Users = ReadonlyMap<number, readonly ArchiveEntry[]>;

function usersOf(entries: readonly ArchiveEntry[]): Users {
  const users = new Map<number, ArchiveEntry[]>();
  for (const entry of entries)
    for (const id of entry.dependencies) users.set(id, [...(users.get(id) ?? []), entry]);
  return users;
}

function withUsers(entries: Set<ArchiveEntry>, users: Users): ReadonlySet<ArchiveEntry> {
  for (const entry of entries) for (const user of users.get(entry.dumpId) ?? []) entries.add(user);
  return entries;
}

/** Of a plain SQL dump, which makes them before it brings any rows. */
export async function scriptExtensions(bench: Workbench, script: string): Promise<readonly string[]> {
  const lines = await bench.machine.run(
    {
      program: 'grep',
      args: ['-m', '200', '-aE', '^(CREATE EXTENSION |COPY )', '--', script],
      env: { LC_ALL: 'C' },
      parse: ({ stdout }) => stdout.split('\n'),
    },
    { signal: bench.signal },
  );
  const end = lines.findIndex((line) => line.startsWith('COPY '));
  return lines.slice(0, end === -1 ? undefined : end).flatMap((line) => {
    const [, quoted, plain] =
      /^CREATE EXTENSION (?:IF NOT EXISTS )?(?:"((?:[^"]|"")+)"|([\w-]+))/.exec(line) ?? [];
    const name = quoted?.replaceAll('""', '"') ?? plain;
    return name === undefined || name === 'plpgsql' ? [] : [name];
  });
}
