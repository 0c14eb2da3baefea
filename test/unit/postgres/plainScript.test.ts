import assert from 'node:assert/strict';
import { createScriptErrors } from '../../../engine/database/postgres/retrieval/restoreScript.ts';
import {
  connectedDatabase,
  createListingParser,
  objectAt,
  stretchesOf,
  type ScriptListing,
} from '../../../engine/database/postgres/retrieval/scriptListing.ts';
import { createQuotes } from '../../../engine/database/postgres/retrieval/scriptRewrite.ts';

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
