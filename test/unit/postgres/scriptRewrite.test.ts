import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import {
  createMemberships,
  createRewriting,
  ifExists,
  rewriteLines,
} from '../../../engine/database/postgres/retrieval/scriptRewrite.ts';

const rewritten = (lines: readonly string[], major = 16): (string | undefined)[] => {
  const rewrite = createRewriting({ major, crlf: false });
  return lines.map(rewrite);
};

describe('a plain dump that is rewritten', () => {
  for (const [line, expected] of [
    ['DROP TABLE public.t;', 'DROP TABLE IF EXISTS public.t;'],
    ['DROP MATERIALIZED VIEW public.v;', 'DROP MATERIALIZED VIEW IF EXISTS public.v;'],
    ['DROP TEXT SEARCH CONFIGURATION a.b;', 'DROP TEXT SEARCH CONFIGURATION IF EXISTS a.b;'],
    ['DROP OPERATOR CLASS a.b USING btree;', 'DROP OPERATOR CLASS IF EXISTS a.b USING btree;'],
    ['DROP POLICY own ON public.t;', 'DROP POLICY IF EXISTS own ON public.t;'],
    ['DROP ROLE app;', 'DROP ROLE IF EXISTS app;'],
    ['DROP TABLE IF EXISTS public.t;', 'DROP TABLE IF EXISTS public.t;'],
    ['DROP TABLESPACE fast;', undefined],
    ["SELECT pg_catalog.lo_unlink('4711');", undefined],
    ['ALTER DOMAIN public.d DROP CONSTRAINT c;', undefined],
    [
      'ALTER TABLE ONLY public.t DROP CONSTRAINT c;',
      'ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c;',
    ],
    [
      'ALTER TABLE public.t ALTER COLUMN id DROP DEFAULT;',
      'ALTER TABLE IF EXISTS public.t ALTER COLUMN id DROP DEFAULT;',
    ],
    [
      'ALTER TABLE public.t DETACH PARTITION public.p;',
      'ALTER TABLE IF EXISTS public.t DETACH PARTITION public.p;',
    ],
    ['ALTER TABLE public.t OWNER TO app;', 'ALTER TABLE public.t OWNER TO app;'],
  ] as const)
    it(`drops only what is there: ${line}`, () => assert.equal(ifExists(line), expected));

  it('keeps whom a membership was granted by where that role may', () => {
    assert.deepEqual(
      [
        'GRANT team TO boss WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;',
        'GRANT team TO guest WITH INHERIT TRUE GRANTED BY boss;',
        'GRANT "Ro le" TO "a""b" GRANTED BY boss;',
        'GRANT team TO app;',
        'GRANT SELECT ON TABLE public.t TO app;',
      ].map(createMemberships()),
      [
        'GRANT team TO boss WITH ADMIN OPTION, INHERIT TRUE;',
        'GRANT team TO guest WITH INHERIT TRUE GRANTED BY boss;',
        'GRANT "Ro le" TO "a""b";',
        'GRANT team TO app;',
        'GRANT SELECT ON TABLE public.t TO app;',
      ],
    );
  });

  it('is as it was in rows and in functions, and after the first definition', () => {
    const kept = [
      'CREATE FUNCTION f() RETURNS void AS $_$',
      'SET default_tablespace = fast;',
      'COPY t FROM stdin;',
      '$_$;',
      "COMMENT ON TABLE t IS 'costs $$';",
      'DROP TABLE t;',
      'SET transaction_timeout = 0;',
      'COPY t FROM stdin;',
      'DROP TABLE t;',
      'SET default_tablespace = fast;',
      '\\.',
    ];
    assert.deepEqual(rewritten(kept), kept);
    assert.deepEqual(rewritten([...kept, 'SET default_tablespace = fast;']), [
      ...kept,
      "SET default_tablespace = '';",
    ]);
  });

  it('has a head that ends with the first definition', () => {
    const head = ['CREATE OR REPLACE VIEW v AS', 'SELECT NULL::int AS id;', 'DROP VIEW v;'];
    assert.equal(rewritten(head).at(-1), 'DROP VIEW IF EXISTS v;');
    assert.equal(
      rewritten(['-- Name: v; Type: VIEW; Schema: public; Owner: a', 'DROP VIEW v;']).at(-1),
      'DROP VIEW v;',
    );
  });

  it('has a head in each of its databases', () => {
    assert.deepEqual(
      rewritten([
        'SET transaction_timeout = 0;',
        'CREATE TABLE a ();',
        '\\connect b',
        'SET transaction_timeout = 0;',
        'DROP TABLE t;',
      ]),
      [undefined, 'CREATE TABLE a ();', '\\connect b', undefined, 'DROP TABLE IF EXISTS t;'],
    );
    assert.deepEqual(rewritten(['SET transaction_timeout = 0;'], 17), ['SET transaction_timeout = 0;']);
    assert.deepEqual(
      rewritten([
        "CREATE TABLESPACE fast OWNER a LOCATION '/x';",
        'CREATE TABLESPACE b',
        "  LOCATION '/y';",
        'x',
      ]),
      [...[undefined, undefined, undefined], 'x'],
    );
  });

  it('is the same whatever the pieces that it comes in, and keeps every byte', async () => {
    const bytes = Buffer.from(
      ['DROP TABLE t;', 'COPY t FROM stdin;', '\xe9\xff\x80\t\\r', '\\.', 'last'].join('\r\n'),
      'latin1',
    );
    const expected = [
      'DROP TABLE IF EXISTS t;',
      'COPY t FROM stdin;',
      '\xe9\xff\x80\t\\r',
      '\\.',
      'last',
    ].join('\n');
    for (const size of [1, 2, 3, 7, 1000]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const stream = Readable.from(pieces).pipe(rewriteLines({ major: 18, crlf: true }));
      stream.setEncoding('latin1');
      assert.equal(await text(stream), expected);
    }
  });
});
