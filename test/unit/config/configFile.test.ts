import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, parseWorkspace, readConfigFile } from '../../../engine/config/configFile.ts';
import { configFileJsonSchema } from '../../../engine/protocol/configFile.ts';
import { ThinClonesError, toFailure } from '../../../engine/protocol/errors.ts';

const parse = (text: string) => parseConfig({ text, name: 'thin-clones.yaml', directory: '/repo' });

function refusal(text: string): ThinClonesError {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ThinClonesError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it was accepted' });
}
const problems = (text: string): unknown => {
  const { code, document } = refusal(text);
  return code === 'not_supported' ? document.details.where : document.details.problems;
};

/** A file around one member, whose lines begin at line 6, column 9. */
const member = (...lines: string[]): string =>
  [
    'version: 1',
    'environments:',
    '  shop:',
    '    members:',
    '      orders:',
    ...lines.map((line) => `        ${line}`),
  ].join('\n');
const logical = ['engine: postgres', 'retrieval: logical', 'url: postgresql://reader@db.example.org/shop'];

describe('thin-clones.yaml', () => {
  it('becomes environments by name, with defaults filled in', () => {
    const { environments } = parse(`
version: 1
environments:
  shop:
    members:
      orders:
        engine: postgres
        retrieval: logical
        url: postgresql://reader@db.example.org:5432/shop
        password: { env: SHOP_DB_PASSWORD }
        include: { schemas: [public, billing] }
        exclude: { tables: [public.audit_log] }
    clones: { idleTtl: 24h, limit: 20, durable: true }
`);
    assert.deepEqual(JSON.parse(JSON.stringify([...environments])), [
      [
        'shop',
        {
          host: 'local',
          members: {
            orders: {
              engine: 'postgres',
              retrieval: 'logical',
              url: 'postgresql://reader@db.example.org:5432/shop',
              password: { env: 'SHOP_DB_PASSWORD' },
              include: { schemas: ['public', 'billing'] },
              exclude: { tables: ['public.audit_log'] },
            },
          },
          clones: { idleTtl: '24h', limit: 20, durable: true },
        },
      ],
    ]);
  });

  it('has paths that start at the folder of the file', () => {
    const [shop] = parse(
      [
        'version: 1',
        'environments:',
        '  shop:',
        '    members:',
        '      a: { engine: postgres, retrieval: dump, dump: dumps/shop.gz }',
        '      b: { engine: postgres, retrieval: directory, directory: /srv/pg }',
        '      c: { engine: postgres, retrieval: logical, url: "postgresql://u@h/d", password: { file: ../secret } }',
        '      d: { engine: postgres, retrieval: dump, dump: ~/shop.dump }',
      ].join('\n'),
    ).environments.values();
    const members = new Map<string, { dump?: unknown; directory?: unknown; password?: unknown }>(
      Object.entries(shop?.members ?? {}),
    );
    assert.equal(members.get('a')?.dump, '/repo/dumps/shop.gz');
    assert.equal(members.get('b')?.directory, '/srv/pg');
    assert.deepEqual(members.get('c')?.password, { file: '/secret' });
    assert.equal(members.get('d')?.dump, join(homedir(), 'shop.dump'));
  });

  it('is told all its problems at once, in the order of the lines', () => {
    const text = `version: 2
envronments: {}
environments:
  shop:
    host: prod
    parent: production
    retnetion: {}
    members:
      orders:
        engine: postgress
        retrieval: logical
        url: postgresql://reader:s3cret@db.example.org:5432/shop?sslmode=require
        password: hunter2
        include: { schema: [public], tables: [] }
      sessions:
        engine: mongodb
        retrieval: directory
        port: 7
      "a b/":
        engine: postgres
        retrieval: dump
        url: db.example.org
        version: 99
        version: 12
    clones: { idleTtl: 1 day, limit: 0, durable: yes }
    snapshots: { schedule: "0 3 * * *" }
  empty:
    members:
workspace: []
`;
    assert.deepEqual(problems(text), [
      'thin-clones.yaml:1:10: expected 1, found number 2',
      'thin-clones.yaml:2:1: "envronments" is not known here; did you mean "environments"?',
      'thin-clones.yaml:6:5: not supported by this version: "parent", a parent environment (syncs)',
      'thin-clones.yaml:7:5: "retnetion" is not known here: expected host, members or clones',
      'thin-clones.yaml:10:17: expected postgres or mongodb, found "postgress"; did you mean "postgres"?',
      'thin-clones.yaml:12:14: the URL has a password in it: write postgresql://reader@db.example.org:5432/shop?sslmode=require and beside it "password: { env: NAME }" or "password: { file: PATH }"',
      'thin-clones.yaml:13:19: expected { env: NAME } or { file: PATH }, which say where the password is; the password itself never stands in this file',
      'thin-clones.yaml:14:20: "schema" is not known here; did you mean "schemas"?',
      'thin-clones.yaml:14:46: expected at least one entry, found an empty list',
      'thin-clones.yaml:15:7: "directory" is missing here: "retrieval: directory" needs it',
      'thin-clones.yaml:18:9: "port" is not known here: expected engine, retrieval, url, password, include, exclude, directory, dump, database, user, version, image or onRestoreError',
      'thin-clones.yaml:19:7: "a b/" can\'t be a name: use 1 to 128 letters, digits, ".", "_", "-" or "/", starting with a letter or digit, without ".." or "//"',
      'thin-clones.yaml:19:7: "dump" is missing here: "retrieval: dump" needs it',
      'thin-clones.yaml:22:9: "url" does not go with "retrieval: dump": expected "dump"',
      'thin-clones.yaml:22:14: expected a URL as postgresql://user@host:port/database',
      'thin-clones.yaml:24:9: "version" is there twice in one mapping: expected each key once',
      'thin-clones.yaml:25:24: expected a number and m, h or d, e.g. 24h, found "1 day"',
      'thin-clones.yaml:25:38: expected 1 or more, found number 0',
      'thin-clones.yaml:25:50: expected true or false, found "yes"',
      'thin-clones.yaml:26:5: not supported by this version: "snapshots", a snapshot schedule',
      'thin-clones.yaml:28:13: expected a mapping (lines of "key: value"), found nothing',
      'thin-clones.yaml:29:12: expected a mapping (lines of "key: value"), found a list',
    ]);
    assert.ok(!JSON.stringify(refusal(text).document).includes('s3cret'));
    assert.ok(!JSON.stringify(refusal(text).document).includes('hunter2'));
  });

  for (const [what, text, expected] of [
    [
      'a tab as indentation',
      'version: 1\nenvironments:\n\tshop: {}\n',
      ['thin-clones.yaml:3:1: a tab is used for indentation: expected spaces'],
    ],
    [
      'an empty file',
      '',
      [
        'thin-clones.yaml:1:1: expected "version: 1" and "environments:" or "workspace:", or both, found nothing',
      ],
    ],
    [
      'neither environments nor a workspace',
      'version: 1\n',
      ['thin-clones.yaml:1:1: nothing is declared here: expected "environments:" or "workspace:", or both'],
    ],
    [
      'no environment at all',
      'version: 1\nenvironments: {}\n',
      ['thin-clones.yaml:2:15: expected at least one environment'],
    ],
    [
      'a second document',
      'version: 1\n---\nversion: 1\n',
      ['thin-clones.yaml:2:1: a second document begins here: expected one document in the file'],
    ],
    [
      'an unclosed list',
      'version: 1\nenvironments: [\n',
      [
        'thin-clones.yaml:3:1: this is not YAML: flow sequence in block collection must be sufficiently indented and end with a ]',
      ],
    ],
    [
      'an option of pg_dump in the place of a schema',
      member(...logical, 'include: { schemas: [--file=/etc/passwd] }'),
      [
        'thin-clones.yaml:9:30: expected a name without control characters that does not start with "-", found "--file=/etc/passwd"',
      ],
    ],
    [
      'no members',
      'version: 1\nenvironments:\n  shop: { members: {} }\n',
      ['thin-clones.yaml:3:20: an environment has at least one member'],
    ],
    [
      'something else than a list',
      member(...logical, 'include: { schemas: public }'),
      ['thin-clones.yaml:9:29: expected a list, found "public"'],
    ],
    [
      'a PostgreSQL version that is not known',
      member(...logical, 'version: 12'),
      ['thin-clones.yaml:9:18: expected 13 or more, found number 12'],
    ],
    [
      'a URL that nobody can use',
      member('engine: postgres', 'retrieval: logical', 'url: postgres://u@a:1,b:99999/d'),
      [
        'thin-clones.yaml:8:14: expected a URL as postgresql://user@host:port/database: its port is not a number from 1 to 65535',
      ],
    ],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.equal(refusal(text).code, 'invalid_file');
      assert.deepEqual(problems(text), expected);
    });
  }

  for (const url of [
    'postgresql://u:p@h/d',
    'postgresql://u:p%40x@h:5432/d',
    'postgresql://u:p@ss@h/d',
    'postgresql://u:pa/ss@h/d',
    'postgresql://:p@h/d',
    'postgresql://h/d?user=u&password=p@ss',
    'postgresql://h/d?password=p@ss&user=u',
  ]) {
    it(`never takes a password inside a URL, as in ${url}`, () => {
      const { message } = refusal(
        member('engine: postgres', 'retrieval: logical', `url: ${JSON.stringify(url)}`),
      );
      assert.match(
        message,
        /^thin-clones\.yaml:8:14: the URL has a password in it: write postgresql:\/\/[^ ]+ and/m,
      );
      assert.doesNotMatch(message, /p@ss|p%40x|:p@|pa\/ss/);
    });
  }
  for (const url of [
    'postgresql://u@h:5432/d',
    'postgresql://h:5432/d?application_name=a@b',
    'postgresql://u@[::1]:5432/d',
    'postgresql:///d?host=/run/postgresql',
  ]) {
    it(`takes ${url}`, () => {
      assert.equal(
        parse(member('engine: postgres', 'retrieval: logical', `url: ${JSON.stringify(url)}`)).environments
          .size,
        1,
      );
    });
  }

  it('says by name what this version does not support yet, when that is all there is', () => {
    const text = `version: 1
environments:
  shop:
    parent: production
    masking: {}
    retention: { last: 5 }
    members:
      a: { engine: mongodb, retrieval: physical }
`;
    assert.equal(refusal(text).code, 'not_supported');
    assert.deepEqual(problems(text), [
      'thin-clones.yaml:4:5: not supported by this version: "parent", a parent environment (syncs)',
      'thin-clones.yaml:5:5: not supported by this version: "masking", masking',
      'thin-clones.yaml:6:5: not supported by this version: "retention", retention',
      'thin-clones.yaml:8:40: not supported by this version: "retrieval: physical", physical retrieval',
    ]);
  });

  it('takes members of MongoDB, and says what means nothing for them', () => {
    const file = (member: string): string =>
      `version: 1\nenvironments:\n  shop:\n    members:\n      a: ${member}\n`;
    const [shop] = parse(
      file(
        '{ engine: mongodb, retrieval: logical, url: "mongodb://reader@db/shop", exclude: { collections: [logs*] } }',
      ),
    ).environments.values();
    assert.deepEqual(shop?.members, {
      a: {
        ...{ engine: 'mongodb', retrieval: 'logical', url: 'mongodb://reader@db/shop' },
        exclude: { collections: ['logs*'] },
      },
    });
    assert.deepEqual(
      problems(file('{ engine: mongodb, retrieval: dump, dump: /d, user: app, include: { tables: [x] } }')),
      [
        'thin-clones.yaml:5:40: retrieval: dumps of MongoDB are not read yet: use logical or directory',
        'thin-clones.yaml:5:56: user: clones of MongoDB have a user of their own',
        'thin-clones.yaml:5:67: include.tables: MongoDB has no tables: name collections',
      ],
    );
    assert.deepEqual(
      problems(
        file(
          '{ engine: postgres, retrieval: logical, url: "postgresql://db/x", include: { collections: [x] } }',
        ),
      ),
      ['thin-clones.yaml:5:76: include.collections: PostgreSQL has no collections: name tables or schemas'],
    );
  });

  describe('with a workspace section', () => {
    it('may have nothing else', () => {
      const { environments, workspace } = parse(`version: 1
workspace:
  environment: shop
  follow: automatic
  variables: { DATABASE_URL: "{orders.url}", PGPORT: "{orders.port}", OPTIONS: "{{a}}" }
  envFile: config/.env
  branches: { shared: [main, release/*], never: ["dependabot/**"], from: { "feature/**": current, "*": latest }, cleanUpAfter: 7d }
  endpoint: { onSwitch: drain, drainFor: 30s }
  migrations: { tool: sql, directory: db/migrations, table: migrations }
`);
      assert.equal(environments.size, 0);
      assert.deepEqual(JSON.parse(JSON.stringify(workspace)), {
        environment: 'shop',
        follow: 'automatic',
        variables: { DATABASE_URL: '{orders.url}', PGPORT: '{orders.port}', OPTIONS: '{{a}}' },
        envFile: 'config/.env',
        branches: {
          shared: ['main', 'release/*'],
          never: ['dependabot/**'],
          from: { 'feature/**': 'current', '*': 'latest' },
          cleanUpAfter: '7d',
        },
        endpoint: { onSwitch: 'drain', drainFor: '30s' },
        migrations: { tool: 'sql', directory: 'db/migrations', table: 'migrations' },
      });
    });
    it('is not needed', () => {
      assert.equal(parse(member(...logical)).workspace, undefined);
    });
    it('may be empty', () => {
      assert.deepEqual(parse('version: 1\nworkspace: {}\n').workspace, {});
    });

    it('is told all its problems at once, in the order of the lines', () => {
      const text = `version: 1
workspace:
  enviroment: shop
  environment: a b
  follow: automatc
  variables:
    DATABASE-URL: "{orders.url}"
    A: {orders.url}
    B: "{orders.uri}"
    C: 5432
    D: "{orders}"
  envFile: ../.env
  branches:
    shared: main
    never: [a b, ""]
    from: { "a b": latest, main: 5 }
    form: {}
    cleanUpAfter: soon
  endpoint: { onSwitch: drian, drainFor: 61s, drainfor: 5s }
  migrations:
    - { tool: prismaa }
    - { directory: /etc, tabel: x }
    - sql
`;
      assert.deepEqual(problems(text), [
        'thin-clones.yaml:3:3: "enviroment" is not known here; did you mean "environment"?',
        'thin-clones.yaml:4:16: "a b" can\'t be a name: use 1 to 128 letters, digits, ".", "_", "-" or "/", starting with a letter or digit, without ".." or "//"',
        'thin-clones.yaml:5:11: expected off, ask or automatic, found "automatc"; did you mean "automatic"?',
        'thin-clones.yaml:7:5: expected the name of an environment variable, found "DATABASE-URL"',
        'thin-clones.yaml:8:8: expected text, found a mapping; put it in quotes: "{orders.url}"',
        'thin-clones.yaml:9:8: {orders.uri} is not known: write {member.field} with a field of url, host, port, user, password, database, jdbc',
        'thin-clones.yaml:10:8: expected text, found number 5432',
        'thin-clones.yaml:11:8: {orders} is not known: write {member.field} with a field of url, host, port, user, password, database, jdbc',
        'thin-clones.yaml:12:12: expected a path inside the checkout to a file with .env in its name, found "../.env"',
        'thin-clones.yaml:14:13: expected a list, found "main"',
        'thin-clones.yaml:15:13: expected a branch name, in which * and ** may stand for a part, found "a b"',
        'thin-clones.yaml:15:18: expected some text, found ""',
        'thin-clones.yaml:15:18: expected a branch name, in which * and ** may stand for a part, found ""',
        'thin-clones.yaml:16:13: expected a branch name, in which * and ** may stand for a part, found "a b"',
        'thin-clones.yaml:16:34: expected text, found number 5',
        'thin-clones.yaml:17:5: "form" is not known here; did you mean "from"?',
        'thin-clones.yaml:18:19: expected a number and m, h or d, e.g. 7d, found "soon"',
        'thin-clones.yaml:19:25: expected close or drain, found "drian"; did you mean "drain"?',
        'thin-clones.yaml:19:42: expected 1s to 60s, found "61s"',
        'thin-clones.yaml:19:47: "drainfor" is not known here; did you mean "drainFor"?',
        'thin-clones.yaml:21:15: expected prisma, knex, typeorm, sequelize, drizzle, flyway, liquibase, rails, django, alembic, golang-migrate, node-pg-migrate, goose, sqlx, ecto, ef-core, mikro-orm, atlas or sql, found "prismaa"; did you mean "prisma"?',
        'thin-clones.yaml:22:20: expected a path inside the checkout, e.g. db/migrations, found "/etc"',
        'thin-clones.yaml:22:26: "tabel" is not known here; did you mean "table"?',
        'thin-clones.yaml:23:7: expected a mapping (lines of "key: value"), found "sql"',
      ]);
    });
    it('has migrations of one kind or a list of kinds', () => {
      assert.deepEqual(problems('version: 1\nworkspace: { migrations: sql }\n'), [
        'thin-clones.yaml:2:26: expected a mapping (lines of "key: value") or a list, found "sql"',
      ]);
      assert.match(
        String(problems('version: 1\nworkspace: { migrations: { tool: ssql } }\n')),
        /^thin-clones\.yaml:2:34: expected prisma, .* did you mean "sql"\?$/,
      );
    });

    const beside = (section: string) => [member(...logical), 'workspace:', `  ${section}`].join('\n');
    it('names only members of its environment, when that stands in the same file', () => {
      const unknown = 'variables: { DATABASE_URL: "{sessions.url}" }';
      assert.deepEqual(problems(beside(unknown)), [
        'thin-clones.yaml:10:30: {sessions.url}: there is no member "sessions" (there are: orders)',
      ]);
      assert.deepEqual(problems(beside('migrations: { member: sessions }')), [
        'thin-clones.yaml:10:25: there is no member "sessions" (there are: orders)',
      ]);
      assert.ok(parse(beside('variables: { DATABASE_URL: "{orders.url}" }')).workspace);
      // Declared elsewhere: what its members are is not known here.
      assert.ok(parse(`${beside(unknown)}\n  environment: other`).workspace);
    });

    it('sets no variable that decides which programs run', () => {
      assert.deepEqual(problems('version: 1\nworkspace: { variables: { PATH: x } }\n'), [
        'thin-clones.yaml:2:27: expected a name of a variable that does not decide which programs run, found "PATH"',
      ]);
    });
    for (const [what, line, expected] of [
      ['a pattern that begins with **', 'never: [**]', 18],
      ['a pattern that is *', 'never: [*]', 18],
    ] as const) {
      it(`says that ${what} wants quotes`, () => {
        assert.deepEqual(problems(`version: 1\nworkspace:\n  branches:\n         ${line}\n`), [
          `thin-clones.yaml:4:${expected}: a "*" at the beginning means an alias in YAML: put a pattern that begins with it in quotes, as "**"`,
        ]);
      });
    }
    it('says that text around an unquoted {member.field} wants quotes', () => {
      const [first, ...more] = problems(
        'version: 1\nworkspace:\n  variables:\n    A: {orders.url}?sslmode=disable\n',
      ) as string[];
      assert.match(first ?? '', /^thin-clones\.yaml:4:20: .*; put \{member\.url\} and the like in quotes$/);
      assert.deepEqual(more, []);
    });
  });

  it('finds the place of a problem behind an alias', () => {
    const text = `version: 1
environments:
  a: &one { members: { m: { engine: oracle, retrieval: dump, dump: x } } }
  b: *one
`;
    assert.deepEqual(problems(text), ['thin-clones.yaml:3:37: expected postgres or mongodb, found "oracle"']);
  });

  it('is not lured into resolving aliases without end', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 9; i++) {
      const [here, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      bomb.push(`${here}: &${here} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`);
    }
    assert.match(refusal(bomb.join('\n')).message, /aliases can't be resolved/);
  });

  describe('as a file', () => {
    let folder: string;
    before(async () => (folder = await mkdtemp(join(tmpdir(), 'thin-clones-config-'))));
    after(() => rm(folder, { recursive: true }));
    const reading = async (file: string) => {
      const error: unknown = await readConfigFile(file, folder).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof ThinClonesError);
      return error.message;
    };
    it('must be there', async () => {
      assert.equal(await reading('nope.yaml'), `There is no file ${join(folder, 'nope.yaml')}.`);
    });
    it('must be a file', async () => {
      assert.equal(await reading('.'), `The file ${folder} can't be read: it is a folder.`);
    });
    it('must be text', async () => {
      await writeFile(join(folder, 'binary.yaml'), Buffer.from([0xff, 0xfe, 0x00, 0x80]));
      assert.match(await reading('binary.yaml'), /no UTF-8 text/);
    });
    it('must not be huge', async () => {
      await writeFile(join(folder, 'huge.yaml'), '#'.repeat(1_000_001));
      assert.match(await reading('huge.yaml'), /1000001 bytes/);
    });
  });

  it('says in its JSON schema what every key is', () => {
    const silent: string[] = [];
    const look = (schema: unknown, path: readonly string[]) => {
      if (typeof schema !== 'object' || schema === null) return;
      const { properties, additionalProperties, items, anyOf, description } = schema as Record<
        string,
        unknown
      >;
      // Names that people choose say themselves what they are, and so do lists of names.
      const isNamed = path.at(-1) === '*' || ['schemas', 'tables', 'env', 'file'].includes(path.at(-1) ?? '');
      if (path.length > 0 && !isNamed && description === undefined) silent.push(path.join('.'));
      for (const [key, value] of Object.entries(properties ?? {})) look(value, [...path, key]);
      look(additionalProperties, [...path, '*']);
      if (items !== undefined && anyOf === undefined) {
        const { properties: inside } = items as { properties?: object };
        for (const [key, value] of Object.entries(inside ?? {})) look(value, [...path, key]);
      }
    };
    look(configFileJsonSchema(), []);
    assert.deepEqual(silent, []);
  });

  it('has the JSON schema that the extension contributes', async () => {
    const file = new URL('../../../media/thin-clones.schema.json', import.meta.url);
    assert.deepEqual(
      JSON.parse(await readFile(file, 'utf8')),
      JSON.parse(JSON.stringify(configFileJsonSchema())),
      'write it again: thin-clones env schema > media/thin-clones.schema.json',
    );
  });
});

describe('the hosts of a file', () => {
  const parse = (hosts: string) =>
    parseConfig({
      text: `version: 1\nhosts:\n${hosts}\nworkspace: { follow: ask }\n`,
      name: 'thin-clones.yaml',
      directory: '/repo',
    }).hosts;
  const problemOf = (hosts: string): string => {
    try {
      parse(hosts);
    } catch (error) {
      return toFailure(error).message;
    }
    throw new Error(`taken: ${hosts}`);
  };

  it('are told with where their data goes', () => {
    assert.deepEqual(
      [
        ...parse(
          '  big: { kind: ssh, address: "ssh://me@big:22", dataset: tank/thin }\n  small: { address: small }',
        ),
      ],
      [
        ['big', { kind: 'ssh', address: 'ssh://me@big:22', dataset: 'tank/thin' }],
        ['small', { address: 'small' }],
      ],
    );
  });
  it('are refused with their place where an address could be more than data', () => {
    for (const [address, said] of [
      ['-oProxyCommand=touch /tmp/x', /space/],
      ['-oProxyCommand=x', /dash/],
      ['ssh://-oProxyCommand=x', /dash/],
      ['ssh://me@big;id', /character/],
      ['ssh://$(id)@big', /character/],
      ['ssh://me:secret@big', /password/],
      ['big\\u0007', /control character/],
      ['big\\nHost', /control character/],
      ['https://big', /another kind/],
    ] as const) {
      const problem = problemOf(`  big: { address: "${address}" }`);
      assert.match(problem, /thin-clones\.yaml:3:19: /);
      assert.match(problem, said);
    }
    assert.match(problemOf('  local: { address: big }'), /:3:3: "local" is this machine/);
    assert.match(problemOf('  a/b: { address: big }'), /:3:3: .*without "\/"/);
    assert.match(problemOf('  big: { address: big, path: /a, dataset: b }'), /:3:34: .*not both/);
    assert.match(
      problemOf('  desk: { kind: docker, context: x }'),
      /:3:17: not supported by this version: "kind: docker"/,
    );
  });
  it('do not keep a checkout from its own section', () => {
    const text = 'version: 1\nhosts: { big: { address: -x } }\nworkspace: { follow: ask }\n';
    assert.deepEqual(parseWorkspace({ text, name: 'thin-clones.yaml' })?.follow, 'ask');
  });
});
