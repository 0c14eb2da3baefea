/** Tries again what a restore failed on, in ways that keep it whole, else brings it in weaker, and says so. */
import path from 'node:path';
import type { Client } from 'pg';
import { fail } from '../../../protocol/errors.ts';
import { sqlState } from '../admin.ts';
import type { ClientPrograms } from '../programs/locate.ts';
import { quoteName, quoteText } from '../quoting.ts';
import type { TemporaryServer, Workbench } from '../workbench.ts';
import { explainUnreadable, type ArchiveEntry } from './archive.ts';
import { inOneTransaction } from './inOneTransaction.ts';
import { withoutDefaults } from './withoutDefaults.ts';

/** An object that did not come as it was. */
export interface RestoreNote {
  /** The entry of the archive, where there is one. */
  entry?: ArchiveEntry | undefined;
  /** The same for what has no entry of its own. */
  item?: { kind: string; schema: string; name: string };
  /** For people: "foreign key a on public.b". */
  object: string;
  /** For people: "is NOT VALID", "is missing". */
  what: string;
  /** The server's own words; undefined: nothing failed in the end. */
  problem: string | undefined;
}

export interface AgainOptions {
  database: string;
  /** Schemas in which unqualified names are looked for, as at the source. */
  searchPath: readonly string[];
  /** What makes an entry; empty: it can't be told, or is not made by statements. */
  statementsOf: (entry: ArchiveEntry) => Promise<string>;
}

export interface ArchiveFile {
  client: ClientPrograms;
  file: string;
  /** A folder for files of this job. */
  scratch: string;
}

export interface Again {
  notes: readonly RestoreNote[];
  /** Rows that could not be brought in. */
  lost: readonly { entry: ArchiveEntry; problem: string }[];
}

/** Rows: of them none may be missing. */
const ROWS = new Set([
  'TABLE DATA',
  'BLOBS',
  'BLOB',
  'BLOB METADATA',
  'BLOB DATA',
  'SEQUENCE SET',
  'LARGE OBJECTS',
]);

export const holdsRows = ({ kind }: ArchiveEntry): boolean => ROWS.has(kind);

/** In the archive's order, as often as that helps: one may need another of them. */
export async function restoreAgain(
  bench: Pick<Workbench, 'signal'>,
  server: TemporaryServer,
  entries: readonly ArchiveEntry[],
  options: AgainOptions,
): Promise<Again> {
  const notes: RestoreNote[] = [];
  const statements = new Map<ArchiveEntry, string>();
  for (const entry of entries) statements.set(entry, await options.statementsOf(entry));
  /** Of each the first problem and the last. */
  const problems = new Map<ArchiveEntry, string>();
  const latest = new Map<ArchiveEntry, string>();
  let left = entries;
  const attempt = async (
    change: (entry: ArchiveEntry, sql: string) => string | undefined,
  ): Promise<number> => {
    const before = left.length;
    left = await without(left, async (entry) => {
      const sql = change(entry, statements.get(entry) ?? '');
      if (sql === undefined) return false;
      const problem = await runIn(server, options, entry, sql);
      if (problem !== undefined) latest.set(entry, problem);
      if (problem !== undefined && !problems.has(entry)) problems.set(entry, problem);
      return problem === undefined;
    });
    return before - left.length;
  };
  const asTheyAre = async (): Promise<void> => {
    while (left.length > 0 && (await attempt((_, sql) => sql)) > 0) bench.signal.throwIfAborted();
  };
  await asTheyAre();
  notes.push(...(await standIns(server, options.database, [...problems.values()])));
  if (notes.length > 0) {
    problems.clear();
    await asTheyAre();
  }
  const weaker = left;
  // One may lack several things, and tells of one at a time.
  for (let isLess = true; isLess;) {
    isLess = false;
    await attempt((entry, sql) => {
      const less = entry.kind === 'TABLE' ? withoutDefaults(sql, latest.get(entry) ?? '') : undefined;
      if (less === undefined) return undefined;
      isLess = true;
      statements.set(entry, less);
      return less;
    });
  }
  await attempt((entry, sql) => weakened(entry, sql));
  const here = weaker.filter((entry) => !left.includes(entry));
  // What needed them comes now.
  if (here.length > 0) await asTheyAre();
  notes.push(...here.map((entry) => noteOf(entry, problems.get(entry) ?? '', true)));
  const lost = left.filter(holdsRows).map((entry) => ({ entry, problem: problems.get(entry) ?? '' }));
  for (const entry of left)
    if (!holdsRows(entry)) notes.push(noteOf(entry, problems.get(entry) ?? '', false));
  return { notes, lost };
}

async function without(
  entries: readonly ArchiveEntry[],
  isDone: (entry: ArchiveEntry) => Promise<boolean>,
): Promise<ArchiveEntry[]> {
  const left: ArchiveEntry[] = [];
  for (const entry of entries) if (!(await isDone(entry))) left.push(entry);
  return left;
}

/** What pg_restore would do for one entry, without the settings at its beginning: those are ours. */
export async function statementsOf(
  bench: Workbench,
  options: ArchiveFile,
  entry: ArchiveEntry,
): Promise<string> {
  if (entry.kind === 'TABLE DATA' || entry.kind.startsWith('BLOB')) return '';
  const list = path.join(options.scratch, 'again.list');
  await bench.machine.files.writeAtomic(list, `${entry.dumpId};\n`, 0o600, 'system');
  const script = await bench.machine.run(
    {
      program: options.client.pg_restore,
      args: [
        ...[
          '--no-tablespaces',
          '--no-subscriptions',
          '--no-security-labels',
          `--use-list=${list}`,
          '--file=-',
        ],
        ...['--', options.file],
      ],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      mark: bench.mark,
      parse: ({ code, stdout, stderr }) => {
        if (code !== 0) throw fail('restore_failed', { problem: explainUnreadable(stderr) });
        return stdout;
      },
    },
    { signal: bench.signal },
  );
  return bodyOf(script);
}

/** From the first object to the end, without what only psql knows. */
export function bodyOf(script: string): string {
  const start = /^-- Name: .*; Type: /m.exec(script)?.index ?? 0;
  const end = script.lastIndexOf('\n--\n-- PostgreSQL database dump complete');
  return script.slice(start, end === -1 ? undefined : end).replace(/^\\unrestrict .*$/m, '');
}

/** Undefined: it is there now; else the server's words. */
async function runIn(
  server: TemporaryServer,
  { database, searchPath }: AgainOptions,
  entry: ArchiveEntry,
  sql: string,
): Promise<string | undefined> {
  if (sql === '')
    return holdsRows(entry) ? 'its rows could not be read or written' : 'its text is in another encoding';
  // An object's own schema is where its author looked first.
  const schemas = [...new Set([...searchPath, ...(entry.schema === '' ? [] : [entry.schema])])];
  const settings = [
    'SET LOCAL check_function_bodies = off',
    'SET LOCAL row_security = off',
    'SET LOCAL xmloption = content',
    `SET LOCAL search_path = ${schemas.length === 0 ? "''" : schemas.map(quoteName).join(', ')}`,
  ];
  // A refresh of a materialized view, too, is possible in a transaction.
  return await server.query(database, (client) => inOneTransaction(client, [settings.join('; '), sql]));
}

const NOT_VALID = new Set(['FK CONSTRAINT', 'CHECK CONSTRAINT']);

function weakened(entry: ArchiveEntry, sql: string): string | undefined {
  if (NOT_VALID.has(entry.kind)) return notValid(sql);
  if (entry.kind === 'COLLATION') {
    const locale = / (?:locale|lc_collate) = '((?:[^']|'')*)'/.exec(sql)?.[1]?.replaceAll("''", "'");
    return locale === undefined
      ? undefined
      : sql.replace(/(CREATE COLLATION [^;]*?) \(provider = [^;]*\);/, `$1 (${nearLocale(locale)});`);
  }
  return undefined;
}

/** A constraint that is checked for new rows alone. */
function notValid(sql: string): string | undefined {
  const end = sql.lastIndexOf(';');
  return end === -1 || / NOT VALID;/.test(sql)
    ? undefined
    : `${sql.slice(0, end)} NOT VALID${sql.slice(end)}`;
}

/** How ICU calls what the system's library calls `de_DE.utf8`. */
export const icuLocale = (locale: string): string => locale.replace(/[.@].*$/, '').replaceAll('_', '-');

const nearLocale = (locale: string): string => `provider = icu, locale = ${quoteText(icuLocale(locale))}`;

/** The system's collations are those of the machine: for one that is not here ICU's of the same language stands in, under its name. */
async function standIns(
  server: TemporaryServer,
  database: string,
  problems: readonly string[],
): Promise<RestoreNote[]> {
  const lacking = new Set(
    problems.flatMap((problem) => {
      const name = /^collation "(?:pg_catalog\.)?(.+)" for encoding "[^"]*" does not exist$/.exec(
        problem,
      )?.[1];
      return name === undefined ? [] : [name];
    }),
  );
  const notes: RestoreNote[] = [];
  for (const name of lacking) {
    const made = await server.query(database, (client) => makeStandIn(client, name));
    if (made !== undefined)
      notes.push({
        object: `collation ${name}`,
        what: `is not on this machine: ${made} stands in for it`,
        problem: undefined,
      });
  }
  return notes;
}

/** Resolves to what it sorts by, for people. */
async function makeStandIn(client: Client, name: string): Promise<string | undefined> {
  await client.query('SET allow_system_table_mods = on');
  const locale = icuLocale(name);
  const candidates = [
    ...(/^(?:C|POSIX)$/.test(locale) ? [] : [{ is: nearLocale(name), title: `ICU's ${locale}` }]),
    { is: "provider = libc, locale = 'C'", title: 'the order of bytes' },
  ];
  for (const { is, title } of candidates) {
    try {
      await client.query(`CREATE COLLATION pg_catalog.${quoteName(name)} (${is})`);
      return title;
    } catch (error) {
      // A server without ICU has the other one.
      if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
    }
  }
  return undefined;
}

const TITLES: Readonly<Record<string, string>> = {
  'FK CONSTRAINT': 'foreign key',
  'CHECK CONSTRAINT': 'check',
  'MATERIALIZED VIEW DATA': 'materialized view',
  'ROW SECURITY': 'row security of',
  'DEFAULT ACL': 'default privileges',
  ACL: 'rights on',
  COMMENT: 'comment on',
};

export const LACKS_DEFAULTS = 'comes without defaults that are not possible here';

function noteOf(entry: ArchiveEntry, problem: string, isHere: boolean): RestoreNote {
  const title = TITLES[entry.kind] ?? entry.kind.toLowerCase();
  const what = isHere
    ? NOT_VALID.has(entry.kind)
      ? 'is NOT VALID'
      : entry.kind === 'TABLE'
        ? LACKS_DEFAULTS
        : 'is a near one'
    : entry.kind === 'MATERIALIZED VIEW DATA'
      ? 'is not filled'
      : 'is missing';
  return { entry, object: `${title} ${nameOf(entry)}`, what, problem };
}

const identifier = (name: string): string => (/^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteName(name));

/** The list has a table and what hangs on it in one, with a space between: which is unknown where names have spaces. */
export function nameOf({ kind, schema, name }: ArchiveEntry): string {
  const inSchema = schema === '' ? '' : `${identifier(schema)}.`;
  const parts = /^(?:(?:FK |CHECK )?CONSTRAINT|TRIGGER|POLICY|RULE|DEFAULT)$/.test(kind)
    ? /^([^ ]+) (.*)$/.exec(name)
    : null;
  if (parts !== null) return `${identifier(parts[2] ?? '')} on ${inSchema}${identifier(parts[1] ?? '')}`;
  return /^(?:COMMENT|ACL|DEFAULT ACL|FUNCTION|PROCEDURE|AGGREGATE|CAST|OPERATOR)$/.test(kind)
    ? `${inSchema}${name}`
    : `${inSchema}${identifier(name)}`;
}
