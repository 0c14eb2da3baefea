/** Tells what a dump holds before anything is made of it: of which server, and whether tables, rows or roles are missing. */
import { fail } from '../../../protocol/errors.ts';
import type { Machine } from '../../../machine/machine.ts';
import type { Archive } from './archive.ts';
import type { PreparedDump } from './dumpFile.ts';

export interface PlainFacts {
  /** Of the server that was dumped, as pg_dump wrote it. */
  version: string | undefined;
  /** True when the script makes its databases itself (pg_dump --create, pg_dumpall). */
  createsDatabase: boolean;
  crlf: boolean;
}

const DATA_ONLY =
  'it holds rows without their tables (--data-only, or --section=data); make one without that option';
const ROLES_ONLY = 'it holds roles and no database (--globals-only, or --roles-only); make one with pg_dump';
const NO_ROWS = 'The dump holds no rows (as of --schema-only): all tables will be empty.';

/** Errors: `dump_unreadable` for what would fail after all else was done. */
export async function readPlainFacts(
  machine: Pick<Machine, 'run'>,
  prepared: PreparedDump,
  dump: string,
  signal?: AbortSignal,
): Promise<PlainFacts> {
  const head = prepared.head.toString('latin1');
  const isCluster = /^-- PostgreSQL database cluster dump\r?$/m.test(head);
  const isDump = isCluster || /^-- PostgreSQL database dump\r?$/m.test(head);
  const createsHere = /^(?:CREATE DATABASE |\\connect )/m.test(head);
  const find = async (pattern: string): Promise<string | undefined> =>
    prepared.isPacked ? undefined : await firstLine(machine, prepared.file, pattern, signal);
  const createsDatabase =
    createsHere || (isCluster && (await find('^(CREATE DATABASE |\\\\connect )')) !== undefined);
  if (isCluster && !createsDatabase && !prepared.isPacked)
    throw fail('dump_unreadable', { file: dump, problem: ROLES_ONLY });
  const rows = head.search(/^(?:COPY .* FROM stdin;|INSERT INTO )/m);
  const tables = head.search(/^CREATE (?:UNLOGGED |FOREIGN )?TABLE /m);
  if (isDump && rows !== -1 && (tables === -1 || tables > rows))
    throw fail('dump_unreadable', { file: dump, problem: DATA_ONLY });
  const said = /^-- Dumped from database version (\d\S*)/m;
  const line = said.test(head) || !isDump ? head : await find('^-- Dumped from database version [0-9]');
  return {
    version: said.exec(line ?? '')?.[1],
    createsDatabase,
    crlf: /^[^\n]*\r\n/.test(head),
  };
}

/** A warning where a dump of pg_dump has no rows. */
export async function noRowsInScript(
  machine: Pick<Machine, 'run'>,
  { file, head, isPacked }: PreparedDump,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const text = head.toString('latin1');
  if (isPacked || !/^-- PostgreSQL database (?:cluster )?dump\r?$/m.test(text)) return undefined;
  if ((await firstLine(machine, file, '^CREATE (UNLOGGED |FOREIGN )?TABLE ', signal)) === undefined)
    return undefined;
  const rows = await firstLine(machine, file, '^(COPY .* FROM stdin;|INSERT INTO )', signal);
  return rows === undefined ? NO_ROWS : undefined;
}

async function firstLine(
  machine: Pick<Machine, 'run'>,
  file: string,
  pattern: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  return await machine.run(
    {
      program: 'grep',
      args: ['-m', '1', '-aE', pattern, '--', file],
      env: { LC_ALL: 'C' },
      parse: ({ code, stdout }) => (code === 0 ? stdout : undefined),
    },
    { signal },
  );
}

/** The same of an archive, by its table of contents: the warning, if there is one. */
export function checkArchive({ entries }: Archive, dump: string): string | undefined {
  const has = (...kinds: readonly string[]): boolean => entries.some(({ kind }) => kinds.includes(kind));
  if (has('TABLE DATA') && !has('TABLE')) throw fail('dump_unreadable', { file: dump, problem: DATA_ONLY });
  return has('TABLE') && !has('TABLE DATA') ? NO_ROWS : undefined;
}
