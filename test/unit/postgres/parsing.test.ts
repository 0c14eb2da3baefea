import assert from 'node:assert/strict';
import { parseConfiguration } from '../../../engine/database/postgres/configuration.ts';
import { parseArchiveList } from '../../../engine/database/postgres/retrieval/archive.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import {
  dumpProblems,
  explainConnectError,
  explainDumpFailure,
} from '../../../engine/database/postgres/sourceErrors.ts';
import { dependentsOf } from '../../../engine/database/postgres/retrieval/leaveOut.ts';
import { withoutDefaults } from '../../../engine/database/postgres/retrieval/withoutDefaults.ts';
import { shapeOf } from '../../../engine/database/postgres/retrieval/dump.ts';
import { recognise } from '../../../engine/database/postgres/retrieval/dumpFile.ts';
import { rolesOf } from '../../../engine/database/postgres/retrieval/dumpRoles.ts';
import {
  createErrorCollector,
  judgeRestoreError,
  shorten,
} from '../../../engine/database/postgres/retrieval/restore.ts';
import { settingAssignment } from '../../../engine/database/postgres/roles.ts';
import { scramSecret, scramVerifier } from '../../../engine/database/postgres/scram.ts';
import { parsePattern } from '../../../engine/database/postgres/selection.ts';
import { socketDirectoryOf } from '../../../engine/database/postgres/serverSpec.ts';
import { datasetIdSchema } from '../../../engine/protocol/ids.ts';
import { parseProcessList } from '../../../engine/runtime/process/serverProcesses.ts';
import { postgresServerTraits } from '../../../engine/database/postgres/serverTraits.ts';

describe('patterns for tables', () => {
  const cases: readonly [string, { schema?: string; name: string }][] = [
    ['Orders', { name: '^(orders)$' }],
    ['"Orders"', { name: '^(Orders)$' }],
    ['public.audit_*', { schema: '^(public)$', name: '^(audit_.*)$' }],
    ['shop?.t', { schema: '^(shop.)$', name: '^(t)$' }],
    ['"a.b"."c""d"', { schema: '^(a\\.b)$', name: '^(c"d)$' }],
    ['"x*y"', { name: '^(x\\*y)$' }],
    ['a$(b)|c', { name: '^(a\\$\\(b\\)\\|c)$' }],
  ];
  for (const [pattern, { schema, name }] of cases) {
    it(`reads ${pattern} as pg_dump does`, () => {
      assert.deepEqual(parsePattern(pattern), { schema, name });
    });
  }
});

describe('a command that a restore failed on', () => {
  const secret = 'hunter2';
  for (const [command, shown] of [
    [`ALTER ROLE app WITH PASSWORD '${secret}'`, 'ALTER ROLE app WITH PASSWORD ...'],
    [`SELECT dblink_connect('host=x password=${secret}')`, 'SELECT dblink_connect(...'],
    [
      `CREATE SUBSCRIPTION s CONNECTION 'postgresql://u:${secret}@h/d' PUBLICATION p`,
      'CREATE SUBSCRIPTION s CONNECTION ...',
    ],
    [
      `CREATE USER MAPPING FOR u SERVER s OPTIONS (passwd '${secret}')`,
      /^CREATE USER MAPPING .* \(passwd \.\.\.$/,
    ],
    [`CREATE FUNCTION f() RETURNS text AS $_$SELECT ${secret}$_$`, 'CREATE FUNCTION f() RETURNS text AS ...'],
  ] as const) {
    it(`is told without a secret in it: ${command.split(' ', 2).join(' ')}`, () => {
      const text = shorten(command);
      assert.ok(!text.includes(secret), text);
      if (typeof shown === 'string') assert.equal(text, shown);
      else assert.match(text, shown);
    });
  }

  it('is told whole when it is short, and cut when it is not', () => {
    assert.equal(shorten('CREATE INDEX a ON b (c)'), 'CREATE INDEX a ON b (c)');
    assert.equal(shorten(`CREATE INDEX ${'a'.repeat(200)}`).length, 120);
  });
});

describe('postgresql.conf', () => {
  it('is read with and without equals signs, quotes and comments', () => {
    const text =
      "# c\nport = 5432 # c\nWork_Mem '9MB'\nname = 'it''s'\n  app.x='a#b'\ninclude_dir 'conf.d'\nbroken\n";
    assert.deepEqual(parseConfiguration(text), [
      { name: 'port', value: '5432' },
      { name: 'work_mem', value: '9MB' },
      { name: 'name', value: "it's" },
      { name: 'app.x', value: 'a#b' },
      { name: 'include_dir', value: 'conf.d' },
    ]);
  });
});

describe('settings of roles', () => {
  it('become one literal, or one for each name of a list', () => {
    assert.equal(settingAssignment("work_mem=1'MB"), `"work_mem" TO '1''MB'`);
    assert.equal(
      settingAssignment('search_path="My Schema", public'),
      `"search_path" TO 'My Schema', 'public'`,
    );
    assert.equal(settingAssignment('search_path='), `"search_path" TO ''`);
    assert.equal(settingAssignment('app.tenant=a=b'), `"app"."tenant" TO 'a=b'`);
  });
});

describe('the SCRAM verifier', () => {
  it('is what PostgreSQL makes of the same password and salt', async () => {
    // From PostgreSQL 15: ALTER ROLE ... PASSWORD 'pencil' with the salt of RFC 7677.
    const verifier = scramVerifier(
      await scramSecret('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')),
    );
    assert.equal(
      verifier,
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });
});

describe('dumps', () => {
  it('are recognised by their first bytes', () => {
    assert.equal(recognise(Buffer.from('PGDMP\x01')), 'custom');
    assert.equal(recognise(Buffer.from([0x1f, 0x8b, 8])), 'gzip');
    assert.equal(recognise(Buffer.from('-- SQL')), 'plain');
    assert.equal(recognise(Buffer.alloc(0)), 'empty');
  });

  it('name their roles in many statements', () => {
    assert.deepEqual(rolesOf('ALTER TABLE public.t OWNER TO app;'), ['app']);
    assert.deepEqual(rolesOf('ALTER TABLE t OWNER TO "O""dd Rôle";'), ['O"dd Rôle']);
    assert.deepEqual(rolesOf('GRANT SELECT ON TABLE t TO a, "b c" WITH GRANT OPTION;'), ['a', 'b c']);
    assert.deepEqual(rolesOf('REVOKE ALL ON SCHEMA public FROM PUBLIC;'), []);
    assert.deepEqual(rolesOf('ALTER DEFAULT PRIVILEGES FOR ROLE x IN SCHEMA s GRANT ALL ON TABLES TO y;'), [
      'y',
      'x',
    ]);
    assert.deepEqual(rolesOf('CREATE POLICY p ON t FOR SELECT TO r USING (true);'), ['r']);
  });

  it('tell how their database was made', () => {
    const shape = shapeOf(
      "CREATE DATABASE x WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = icu LOCALE = 'de_DE' ICU_LOCALE = 'de-x-it''s';",
    );
    assert.deepEqual(
      [shape.encoding, shape.provider, shape.collate, shape.locale],
      ['LATIN1', 'i', 'de_DE', "de-x-it's"],
    );
  });

  it('tell their contents', () => {
    const archive = parseArchiveList(
      ';\n; Archive created at 2026-11-20 10:00:01 UTC\n;     dbname: my shop\n;     Dumped from database version: 16.4 (Debian)\n;\n3360; 0 16386 TABLE DATA public orders app\n3208; 2606 16390 CONSTRAINT public orders orders_pkey app\n;\tdepends on: 2 3360\n2; 3079 16387 EXTENSION - citext \n',
    );
    assert.equal(archive.database, 'my shop');
    assert.equal(archive.sourceVersion, '16.4');
    assert.equal(archive.createdAt?.toISOString(), '2026-11-20T10:00:01.000Z');
    assert.deepEqual(archive.entries[0], {
      dumpId: 3360,
      kind: 'TABLE DATA',
      schema: 'public',
      name: 'orders',
      owner: 'app',
      label: 'public orders app',
      dependencies: [],
    });
    assert.deepEqual(archive.entries[1]?.dependencies, [2, 3360]);
    assert.deepEqual(archive.entries[2], {
      dumpId: 2,
      kind: 'EXTENSION',
      schema: '',
      name: 'citext',
      owner: '',
      label: '- citext ',
      dependencies: [],
    });
  });

  it('tell what depends on an extension, also through others and before it in the list', () => {
    const { entries } = parseArchiveList(
      [
        '9; 0 1 VIEW public of_moody app\n;\tdepends on: 5',
        '2; 3079 1 EXTENSION - nowhere \n3; 0 0 COMMENT - EXTENSION nowhere \n;\tdepends on: 2',
        '5; 0 1 TABLE public moody app\n;\tdepends on: 2\n6; 0 1 TABLE DATA public moody app\n;\tdepends on: 5',
        '7; 0 1 TABLE public kept app\n8; 0 1 FK CONSTRAINT public kept to_moody app\n;\tdepends on: 7 5\n',
      ].join('\n'),
    );
    const idsOf = (found: Iterable<{ dumpId: number }>): readonly number[] =>
      [...found].map(({ dumpId }) => dumpId).sort();
    const { out, doubtful } = dependentsOf(entries, ['nowhere']);
    assert.deepEqual(idsOf(out), [2, 3]);
    // It may need no more than a default.
    assert.deepEqual(idsOf(doubtful), [5]);
    const through = entries.map((entry) => ({
      ...entry,
      dependencies: entry.dumpId === 5 ? [2, 9] : entry.dumpId === 9 ? [2] : entry.dependencies,
    }));
    assert.deepEqual(idsOf(dependentsOf(through, ['nowhere']).out), [2, 3, 5, 6, 8, 9]);
    assert.deepEqual(idsOf(dependentsOf(through, ['nowhere']).doubtful), []);
    assert.equal(dependentsOf(entries, ['other']).out.size, 0);
  });

  it('have tables without the defaults that name what is not here', () => {
    const table = [
      'CREATE TABLE public.t (',
      '    id uuid DEFAULT "My Tools".v4() NOT NULL,',
      "    name text DEFAULT 'v4()'::text CONSTRAINT named NOT NULL,",
      '    both integer DEFAULT (public.a() + public.b()),',
      '    last text',
      ');',
    ].join('\n');
    assert.equal(
      withoutDefaults(table, 'function My Tools.v4() does not exist'),
      table.replace(' DEFAULT "My Tools".v4()', ''),
    );
    assert.equal(
      withoutDefaults(table, 'function public.a(unknown) does not exist'),
      table.replace(' DEFAULT (public.a() + public.b())', ''),
    );
    assert.equal(withoutDefaults(table, 'function public.c() does not exist'), undefined);
    assert.equal(withoutDefaults(table, 'relation "public.t" already exists'), undefined);
  });
});

describe('errors of a dump', () => {
  const source = { host: 'db', port: 5432, user: 'reader', database: 'shop', connectSeconds: 10 };
  const stderr = [
    'pg_dump: reading table "public.error_log"',
    'pg_dump: finding the columns and types of table "public.details"',
    'pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout',
    '\tin a second line',
    'pg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE',
    'pg_dump: dumping contents of table "public.fatal_errors"',
  ].join('\n');

  it('are those lines alone that are errors', () => {
    assert.deepEqual(
      dumpProblems(stderr).map((line) => line.trim()),
      [
        'pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout',
        'in a second line',
        'pg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE',
      ],
    );
    assert.doesNotMatch(explainDumpFailure(stderr, source).message, /error_log|details|fatal_errors/);
  });

  it('point to a job log only where there is a job', () => {
    const inJob = explainDumpFailure(stderr, source);
    assert.ok(isFailure(inJob, 'source_failed'));
    assert.match(inJob.document.next, /job log/);
    const outside = explainConnectError(new Error('something else'), source, 'orders');
    assert.ok(isFailure(outside, 'source_failed'));
    assert.doesNotMatch(outside.document.next, /log/);
  });
});

describe('errors of a restore', () => {
  it('are put together from several lines', () => {
    const errors = createErrorCollector();
    for (const line of [
      'pg_restore: connecting to database for restore',
      'pg_restore: while PROCESSING TOC:',
      'pg_restore: error: could not execute query: ERROR:  relation "x" does not exist',
      'Command was: ALTER TABLE ONLY y',
      '    ADD CONSTRAINT z FOREIGN KEY (x) REFERENCES x;',
      'pg_restore: finished item 1 TABLE y',
    ]) {
      errors.take(line);
    }
    assert.deepEqual(errors.list(), [
      {
        message: 'relation "x" does not exist',
        command: 'ALTER TABLE ONLY y     ADD CONSTRAINT z FOREIGN KEY (x) REFERENCES x;',
      },
    ]);
  });

  it('are told apart, each with its entry, when two processes write beside each other', () => {
    const one = (entry: number, problem: string): readonly string[] => [
      ...['pg_restore:', ' ', `from TOC entry ${entry}; 2606 16404 CONSTRAINT a b error: owner\n`],
      ...[
        'pg_restore:',
        ' ',
        'error: ',
        `could not execute query: ERROR:  ${problem}\nCommand was: ALTER ${problem};\n`,
      ],
      ...['pg_restore:', ' ', `finished item ${entry} CONSTRAINT a b\n`],
    ];
    const [first, second] = [one(5, 'broken'), one(7, 'lost')];
    for (let seed = 0; seed < 2000; seed += 1) {
      const errors = createErrorCollector();
      const parts = ['pg_restore: launching item 5 X\npg_restore: launching item 7 X\n'];
      let [at, other, random] = [0, 0, seed + 1];
      while (at < first.length || other < second.length) {
        random = (random * 48271) % 2147483647;
        const isFirst = other === second.length || (at < first.length && random % 2 === 0);
        parts.push((isFirst ? first[at++] : second[other++]) ?? '');
      }
      const text = parts.join('');
      for (const line of text.split('\n')) errors.take(line);
      assert.deepEqual([...errors.entries()].sort(), [5, 7], text);
      const messages = errors.list().map(({ message }) => message);
      assert.deepEqual(messages.sort(), ['broken', 'lost'], text);
    }
  });

  it('are forgiven only where the copy is still what was asked for', () => {
    const missing = {
      message: 'relation "x" does not exist',
      command: 'ALTER TABLE ONLY y ADD CONSTRAINT ...',
    };
    assert.equal(judgeRestoreError(missing, true), 'warning');
    assert.equal(judgeRestoreError(missing, false), 'fatal');
    const timeout = {
      message: 'unrecognized configuration parameter "transaction_timeout"',
      command: 'SET ...',
    };
    assert.equal(judgeRestoreError(timeout, false), 'harmless');
    assert.equal(judgeRestoreError({ message: 'invalid input syntax', command: 'COPY t' }, true), 'fatal');
  });
});

describe('processes of a server', () => {
  it('are told by title and by parent', () => {
    const listing =
      ' 10 1 /usr/bin/postgres -D /d\n 11 10 postgres: data-a: checkpointer \n 12 1 postgres: data-a: clone shop idle\n 13 1 postgres: data-ab: idle\n';
    assert.deepEqual(parseProcessList(listing, postgresServerTraits, 'data-a', undefined), [11, 12]);
    assert.deepEqual(parseProcessList(listing, postgresServerTraits, 'data-x', 10), [11]);
  });
});

describe('the socket folder of a server', () => {
  const dataset = datasetIdSchema.parse('data-aaaaaaaaaaaaaaaa');
  it('is refused with the reason when its path is too long', () => {
    assert.equal(socketDirectoryOf('/run/tc', dataset, 'linux'), '/run/tc/aaaaaaaaaaaaaaaa');
    assert.throws(() => socketDirectoryOf(`/${'x'.repeat(90)}`, dataset, 'linux'), /characters too long/);
  });
});
