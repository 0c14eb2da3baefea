import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createScriptErrors } from '../../../engine/database/postgres/retrieval/restoreScript.ts';
import {
  connectedDatabase,
  createListingParser,
  objectAt,
  stretchesOf,
  type ScriptListing,
} from '../../../engine/database/postgres/retrieval/scriptListing.ts';
import { writeRemainder } from '../../../engine/database/postgres/retrieval/scriptRemainder.ts';
import { createQuotes } from '../../../engine/database/postgres/retrieval/scriptRewrite.ts';
import type { Workbench } from '../../../engine/database/postgres/workbench.ts';

/** What `grep -n -B1 -A1` says of a script. */
function listingOf(...lines: readonly string[]): ScriptListing {
  const parser = createListingParser();
  const isTitle = (line: string | undefined): boolean =>
    /^-- (?:Data for )?Name: |^\\connect /.test(line ?? '');
  lines.forEach((line, index) => {
    if (isTitle(line)) parser.take(`${index + 1}:${line}`);
    else if (isTitle(lines[index - 1]) || isTitle(lines[index + 1])) parser.take(`${index + 1}-${line}`);
  });
  return parser.list();
}

const object = (kind: string, name: string, more = ''): readonly string[] => [
  '--',
  `-- Name: ${name}; Type: ${kind}; Schema: public; Owner: app${more}`,
  '--',
  '',
];

describe('what a plain dump lists', () => {
  it('has name, kind, schema and owner, also of hostile ones', () => {
    const listing = listingOf(
      ...object('TABLE', 'a; Type: VIEW; Schema: x', '; Tablespace: fast'),
      ...['--', '-- Name: app; Type: SCHEMA; Schema: -; Owner: -', '--'],
    );
    assert.deepEqual(
      listing.map(({ line, entry }) => [line, entry?.kind, entry?.schema, entry?.name, entry?.label]),
      [
        [1, 'TABLE', 'public', 'a; Type: VIEW; Schema: x', 'public a; Type: VIEW; Schema: x app'],
        [5, 'SCHEMA', '', 'app', '- app'],
      ],
    );
  });

  it('does not have what only looks like it', () => {
    const title = '-- Name: t; Type: TABLE; Schema: public; Owner: app';
    assert.deepEqual(listingOf(title, '--', 'x', '--', title, 'x', title), []);
  });

  it('belongs to a database', () => {
    const listing = listingOf(
      ...object('TABLE', 'a'),
      '\\connect shop',
      '',
      ...object('TABLE', 'b'),
      `\\connect -reuse-previous=on "dbname='a ""b"" \\\\ c'"`,
      ...object('TABLE', 'c'),
    );
    assert.deepEqual(
      listing.map(({ database, entry }) => `${database ?? ''}: ${entry?.name ?? ''}`),
      [': a', 'shop: ', 'shop: b', 'a "b" \\ c: ', 'a "b" \\ c: c'],
    );
    assert.equal(objectAt(listing, 4)?.entry?.name, 'a');
    assert.equal(objectAt(listing, 6)?.entry, undefined);
    assert.equal(connectedDatabase('\\connect "a b"'), 'a b');
  });

  it('has definitions, rows and what comes over them, in each database', () => {
    const rows = (name: string): readonly string[] =>
      object('TABLE DATA', name).map((line) => line.replace('-- Name', '-- Data for Name'));
    const listing = listingOf(
      ...object('TABLE', 'a'),
      ...rows('a'),
      ...object('COMMENT', 'LARGE OBJECT 1'),
      ...rows('b'),
      ...object('INDEX', 'i'),
      '\\connect shop',
      ...object('TABLE', 'a'),
      ...rows('a'),
    );
    assert.deepEqual(
      stretchesOf(listing).map(({ from, holdsRows, database }) => [from, holdsRows, database]),
      [
        [1, false, undefined],
        [5, true, undefined],
        [17, false, undefined],
        [21, false, 'shop'],
        [26, true, 'shop'],
      ],
    );
  });
});

describe('what is left of a plain dump', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tc-script-'));
  });
  after(() => rm(folder, { recursive: true }));

  const remainderOf = async (name: string, lines: readonly string[], after: number, rows: number) => {
    const script = path.join(folder, `${name}.sql`);
    await writeFile(script, `${lines.join('\n')}\n`);
    const parts = await writeRemainder(
      {
        machine: {
          files: {
            makeDirectory: (at: string) => mkdir(at),
            giveToServerUser: async () => undefined,
          },
        },
        signal: new AbortController().signal,
      } as unknown as Workbench,
      script,
      path.join(folder, name),
      {
        after,
        stretches: [
          { from: 1, holdsRows: false, database: undefined },
          { from: rows, holdsRows: true, database: undefined },
        ],
      },
    );
    return parts?.map(({ file, holdsRows, lineOf }) => ({
      text: readFileSync(file, 'latin1'),
      holdsRows,
      lineOf,
    }));
  };

  it('begins behind the statement that failed, in the state of its session', async () => {
    const lines = [
      ...['\\restrict key', 'SET a = 1;', "COMMENT ON TABLE t IS '", 'SET b = 2;', "';"],
      ...['CREATE VIEW v AS SELECT 1;', 'CREATE VIEW w AS SELECT 2;', 'SET c = 3;'],
      ...['COPY t FROM stdin;', 'SET d = 4; n\u00e4me', '\\.', 'SELECT 1;'],
    ];
    const parts = await remainderOf('state', lines, 6, 9);
    assert.deepEqual(
      parts?.map(({ text, holdsRows }) => [text.split('\n').slice(0, -1), holdsRows]),
      [
        [[...lines.slice(0, 2), ...lines.slice(6, 8)], false],
        [
          [lines[0], lines[1], lines[7], ...lines.slice(8)].map((line) =>
            Buffer.from(line ?? '').toString('latin1'),
          ),
          true,
        ],
      ],
    );
    assert.deepEqual(
      parts.map(({ lineOf }) => [lineOf(3), lineOf(4)]),
      [
        [7, 8],
        [8, 9],
      ],
    );
  });

  it('is nothing to go on with in the middle of a transaction', async () => {
    const lines = ['BEGIN;', 'CREATE TABLE t ();', 'CREATE VIEW v AS SELECT;', 'COPY t FROM stdin;', '\\.'];
    assert.equal(await remainderOf('begun', lines, 3, 4), undefined);
    assert.notEqual(await remainderOf('ended', ['BEGIN;', 'COMMIT;', ...lines.slice(1)], 4, 5), undefined);
  });
});

describe("psql's errors", () => {
  const file = '/tmp/dump: 1.sql';
  const collected = (...lines: readonly string[]) => {
    const errors = createScriptErrors(file, (line) => line + 100);
    for (const line of lines) errors.take(line);
    return errors.list();
  };

  it('have the line of the script and the whole statement, which may look like an error', () => {
    assert.deepEqual(
      collected(
        `psql:${file}:3: NOTICE:  hallo`,
        `psql:${file}:3: ERROR:  type "nix" does not exist`,
        'LINE 1: CREATE TABLE b (id nix',
        '                           ^',
        `psql:${file}:3: STATEMENT:  CREATE TABLE b (id nix`,
        'ERROR:  no',
        ');',
        `psql:${file}:7: error: invalid command \\x`,
        'psql: error: connection to server failed',
      ),
      [
        {
          message: 'type "nix" does not exist',
          line: 103,
          statement: 'CREATE TABLE b (id nix\nERROR:  no\n);',
        },
        { message: 'invalid command \\x', line: 107, statement: undefined },
        { message: 'connection to server failed', line: undefined, statement: undefined },
      ],
    );
  });
});

describe('lines of a string', () => {
  for (const [title, lines, inside] of [
    ['between dollar tags', ['AS $$a', "it's $_$", '$$;', 'b'], [false, true, true, false]],
    ['between quotes', ["IS 'it''s", 'SET x = 1;', "-- ';", 'b'], [false, true, true, false]],
    ['of a name', ['CREATE TABLE "a\'', 'b" (c int);', 'b'], [false, true, false]],
    ['after a comment', ["-- Name: it's $$", 'b', "a$b$c 'x'", 'b'], [false, false, false, false]],
  ] as const) {
    it(`are told from others: ${title}`, () => {
      const isQuoted = createQuotes();
      assert.deepEqual(
        lines.map((line) => isQuoted(line)),
        inside,
      );
    });
  }
});
