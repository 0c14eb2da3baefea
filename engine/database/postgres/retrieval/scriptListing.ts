/** Reads what pg_dump says of the objects in a plain dump: above each stand its name, kind, schema and owner. */
import type { Workbench } from '../workbench.ts';
import type { ArchiveEntry } from './archive.ts';
import { holdsRows } from './restoreAgain.ts';

export interface ListedObject {
  /** From 1, of the first line of what pg_dump says of it. */
  line: number;
  /** In which database it is made; undefined: where the script begins. */
  database: string | undefined;
  /** Undefined: another database begins here, and nothing is listed yet. */
  entry: ArchiveEntry | undefined;
}

/** In the order of the script. Empty: no pg_dump wrote it. */
export type ScriptListing = readonly ListedObject[];

export async function readScriptListing(bench: Workbench, script: string): Promise<ScriptListing> {
  const parser = createListingParser();
  await bench.machine.run(
    {
      program: 'grep',
      args: [
        '-anE',
        ...['-B', '1', '-A', '1'],
        String.raw`^-- (Data for )?Name: .*; Type: [A-Z ]+; Schema: .*; Owner: |^\\connect `,
        '--',
        script,
      ],
      env: { LC_ALL: 'C' },
      mark: bench.mark,
      parse: () => undefined,
    },
    { signal: bench.signal, onStdoutLine: parser.take },
  );
  return parser.list();
}

const TITLE =
  /^-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*?)(?:; Tablespace: .*)?$/;

/** Takes lines of `grep -n -B1 -A1`. A line of somebody's text that looks like a title does not stand between two of `--`. */
export function createListingParser(): { take: (line: string) => void; list: () => ScriptListing } {
  const objects: ListedObject[] = [];
  let database: string | undefined;
  let above: number | undefined;
  let open: ListedObject | undefined;
  return {
    take: (found) => {
      const [, number = '', mark = '', text = ''] = /^(\d+)([:-])(.*)$/.exec(found) ?? [];
      const line = Number(number);
      if (mark === '-') {
        if (text === '--' && open !== undefined && line === open.line + 2) objects.push(open);
        open = undefined;
        above = text === '--' ? line : undefined;
        return;
      }
      if (mark !== ':') return;
      const title = TITLE.exec(text);
      const connected = title === null ? connectedDatabase(text) : undefined;
      if (connected !== undefined) {
        database = connected;
        objects.push({ line, database, entry: undefined });
      }
      open =
        title !== null && above === line - 1
          ? { line: line - 1, database, entry: entryOf(title, line) }
          : undefined;
    },
    list: () => objects,
  };
}

function entryOf(title: RegExpExecArray, line: number): ArchiveEntry {
  const [, name = '', kind = '', schema = '', owner = ''] = title;
  const label = `${schema} ${name}${owner === '-' ? '' : ` ${owner}`}`;
  return {
    dumpId: line,
    kind,
    schema: schema === '-' ? '' : schema,
    name,
    owner: owner === '-' ? '' : owner,
    label,
    dependencies: [],
  };
}

/** `\connect shop` and `\connect -reuse-previous=on "dbname='a b'"`. */
export function connectedDatabase(line: string): string | undefined {
  const [, text = ''] = /^\\connect (?:-reuse-previous=\w+ )?(.*)$/.exec(line) ?? [];
  const plain = text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
  const value = /^dbname='((?:[^'\\]|\\.)*)'$/.exec(plain)?.[1];
  const name = value === undefined ? plain : value.replace(/\\(.)/g, '$1');
  return name === '' ? undefined : name;
}

/** What a line belongs to. */
export const objectAt = (listing: ScriptListing, line: number): ListedObject | undefined =>
  listing.findLast((object) => object.line <= line);

export interface Stretch {
  from: number;
  /** Its rows: from the first to the last of a database. */
  holdsRows: boolean;
  /** Undefined: where the script begins. */
  database: string | undefined;
}

/** Each database has definitions, rows, and what is made over them. The first stretch begins with the script. */
export function stretchesOf(listing: ScriptListing): readonly Stretch[] {
  const stretches: Stretch[] = [{ from: 1, holdsRows: false, database: undefined }];
  for (const group of databasesOf(listing)) {
    const isRows = ({ entry }: ListedObject): boolean => entry !== undefined && holdsRows(entry);
    const [first, last] = [group.findIndex(isRows), group.findLastIndex(isRows)];
    const initial = group[0];
    if (initial !== undefined && initial.entry === undefined)
      stretches.push({ from: initial.line, holdsRows: false, database: initial.database });
    const [rows, after] = [group[first], group[last + 1]];
    if (rows === undefined) continue;
    const { database } = rows;
    stretches.push({ from: rows.line, holdsRows: true, database });
    if (after !== undefined) stretches.push({ from: after.line, holdsRows: false, database });
  }
  return stretches;
}

/** A script may come back to a database: each visit is for itself. */
function databasesOf(listing: ScriptListing): readonly ListedObject[][] {
  const groups: ListedObject[][] = [];
  for (const object of listing) {
    if (groups.length === 0 || object.entry === undefined) groups.push([]);
    groups.at(-1)?.push(object);
  }
  return groups;
}
