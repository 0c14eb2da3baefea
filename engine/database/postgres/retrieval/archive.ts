/** Reads the table of contents of a pg_dump archive, by `pg_restore --list`. */
import type { Machine } from '../../../machine/machine.ts';
import { fail } from '../../../protocol/errors.ts';
import type { ClientPrograms } from '../programs/locate.ts';

export interface ArchiveEntry {
  dumpId: number;
  /** e.g. "TABLE DATA", "INDEX". */
  kind: string;
  schema: string;
  name: string;
  owner: string;
  /** Schema, name and owner as they stand in the list: each may have spaces, so only who knows the names can tell them apart. */
  label: string;
  /** Dump ids of what must be there before it. */
  dependencies: readonly number[];
}

export interface Archive {
  entries: readonly ArchiveEntry[];
  database: string | undefined;
  /** Version of the server that was dumped, e.g. "16.4". */
  sourceVersion: string | undefined;
  createdAt: Date | undefined;
}

/** Rejects with `dump_unreadable`. */
export async function readArchive(
  machine: Machine,
  client: ClientPrograms,
  file: string,
  signal: AbortSignal | undefined,
  mark?: string,
): Promise<Archive> {
  return await machine.run(
    {
      program: client.pg_restore,
      // Told in full it lists what each entry depends on.
      args: ['--list', '--verbose', '--', file],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      ...(mark === undefined ? {} : { mark }),
      parse: (result) => {
        if (result.code !== 0)
          throw fail('dump_unreadable', { file, problem: explainUnreadable(result.stderr) });
        const packed =
          /this installation does not support compression \((?:could not set compression algorithm: )?[^)]*?(lz4|zstd)/i.exec(
            result.stderr,
          )?.[1];
        if (packed !== undefined) throw fail('dump_unreadable', { file, problem: unsupported(packed) });
        return parseArchiveList(result.stdout);
      },
    },
    { signal },
  );
}

/** The kinds of two words and more, which would swallow a schema in capitals otherwise; the longest first. */
const LONG_KINDS = [
  ...['MATERIALIZED VIEW DATA', 'PUBLICATION TABLES IN SCHEMA', 'TEXT SEARCH CONFIGURATION'],
  ...['TEXT SEARCH DICTIONARY', 'TEXT SEARCH TEMPLATE', 'TEXT SEARCH PARSER', 'FOREIGN DATA WRAPPER'],
  ...[
    'SEQUENCE OWNED BY',
    'MATERIALIZED VIEW',
    'PROCEDURAL LANGUAGE',
    'PUBLICATION TABLE',
    'DATABASE PROPERTIES',
  ],
  ...['CHECK CONSTRAINT', 'OPERATOR FAMILY', 'OPERATOR CLASS', 'FK CONSTRAINT', 'SECURITY LABEL'],
  ...['STATISTICS DATA', 'ACCESS METHOD', 'EVENT TRIGGER', 'FOREIGN TABLE', 'BLOB METADATA', 'LARGE OBJECTS'],
  ...['SUBSCRIPTION TABLE', 'INDEX ATTACH', 'TABLE ATTACH', 'ROW SECURITY', 'SEQUENCE SET', 'USER MAPPING'],
  ...['DEFAULT ACL', 'SHELL TYPE', 'TABLE DATA', 'BLOB DATA'],
].join('|');
const LINE = new RegExp(String.raw`^(\d+); \d+ \d+ (${LONG_KINDS}|[A-Z]+) (.*)$`);

/** Comments begin with `;`, entries are `dumpId; tableOid oid KIND schema name owner`. Names with line breaks are shown in one line. */
export function parseArchiveList(listing: string): Archive {
  const entries: ArchiveEntry[] = [];
  for (const line of listing.split('\n')) {
    const needed = /^;\s+depends on:((?: \d+)+)\s*$/.exec(line)?.[1];
    const before = entries.at(-1);
    if (needed !== undefined && before !== undefined)
      entries[entries.length - 1] = { ...before, dependencies: needed.trim().split(' ').map(Number) };
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, dumpId = '', kind = '', label = ''] = match;
    const [, schema = '', name = '', owner = ''] = /^(\S+) (.*) (\S*)$/.exec(label) ?? [];
    entries.push({
      dumpId: Number(dumpId),
      kind,
      schema: schema === '-' ? '' : schema,
      name,
      owner,
      label,
      dependencies: [],
    });
  }
  const header = (pattern: RegExp): string | undefined => pattern.exec(listing)?.[1]?.trim();
  const created = header(/^; Archive created at (.+)$/m);
  const createdAt =
    created === undefined ? undefined : new Date(created.replace(/^(\S+) (\S+) (?:UTC|GMT)$/, '$1T$2Z'));
  return {
    entries,
    database: header(/^;\s+dbname: (.+)$/m),
    sourceVersion: header(/^;\s+Dumped from database version: (\S+)/m),
    createdAt: createdAt === undefined || Number.isNaN(createdAt.getTime()) ? undefined : createdAt,
  };
}

const unsupported = (compression: string): string =>
  `its rows are compressed with ${compression.toLowerCase()}, which the client tools here do not read: make it with "pg_dump --compress=gzip", turn it into SQL where it was made ("pg_restore --file=dump.sql"), or name a folder of tools that read it in the settings (programs.clientDirectory)`;

/** pg_restore's own words, without its name. */
export function explainUnreadable(stderr: string): string {
  const text = stderr
    .split('\n')
    .map((line) => line.replace(/^pg_restore: (?:error: |fatal: |detail: )?/, '').trim())
    .filter((line) => line !== '')
    .slice(-2)
    .join(' ');
  if (/end of file|unexpected EOF|could not read/.test(text)) return `it is cut off or damaged (${text})`;
  if (/unsupported version/.test(text))
    return `it was made by a newer pg_dump than the tools here read (${text})`;
  return text === '' ? 'pg_restore does not read it' : text;
}
