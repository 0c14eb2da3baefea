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
      args: ['--list', '--', file],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      ...(mark === undefined ? {} : { mark }),
      parse: (result) => {
        if (result.code !== 0)
          throw fail('dump_unreadable', { file, problem: explainUnreadable(result.stderr) });
        return parseArchiveList(result.stdout);
      },
    },
    { signal },
  );
}

/** Comments begin with `;`, entries are `dumpId; tableOid oid KIND schema name owner`. Names with line breaks are shown in one line. */
export function parseArchiveList(listing: string): Archive {
  const entries: ArchiveEntry[] = [];
  for (const line of listing.split('\n')) {
    const match = /^(\d+); \d+ \d+ ([A-Z][A-Z ]*[A-Z]) (\S+) (.*) (\S+)$/.exec(line);
    if (match === null) continue;
    const [, dumpId = '', kind = '', schema = '', name = '', owner = ''] = match;
    entries.push({ dumpId: Number(dumpId), kind, schema: schema === '-' ? '' : schema, name, owner });
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
