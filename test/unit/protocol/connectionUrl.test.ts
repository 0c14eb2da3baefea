import assert from 'node:assert/strict';
import {
  readConnectionUrl,
  writeConnectionUrl,
  type ConnectionUrl,
} from '../../../engine/protocol/connectionUrl/connectionUrl.ts';

const read = (text: string): ConnectionUrl => {
  const found = readConnectionUrl(text);
  assert.ok(found.ok, found.ok ? '' : `${text}: ${found.problem}`);
  return found.value;
};
const problem = (text: string): string => {
  const found = readConnectionUrl(text);
  assert.ok(!found.ok, `${JSON.stringify(text)} was read`);
  return found.problem;
};

/** As people find them in the manuals of what they use; what comes of each, and how many notes are made. */
const table: readonly (readonly [
  of: string,
  text: string,
  canonical: string,
  password?: string | undefined,
  notes?: number,
])[] = [
  ['libpq', 'postgresql://', ''],
  ['libpq', 'postgresql:///mydb?host=localhost&port=5433', 'postgresql://localhost:5433/mydb'],
  ['libpq', 'postgresql://user@localhost', 'postgresql://user@localhost'],
  ['libpq', 'postgresql://user:secret@localhost', 'postgresql://user@localhost', 'secret'],
  [
    'libpq',
    'postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp',
    'postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp',
  ],
  [
    'libpq',
    'postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp',
    'postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp',
  ],
  ['libpq', 'postgresql://[2001:db8::1234]/database', 'postgresql://[2001:db8::1234]/database'],
  ['libpq', 'postgresql://%2Fvar%2Flib%2Fpostgresql/dbname', 'postgresql:///dbname?host=/var/lib/postgresql'],
  [
    'libpq',
    'host=localhost port=5432 dbname=mydb connect_timeout=10',
    'postgresql://localhost:5432/mydb?connect_timeout=10',
  ],
  ['libpq', "host=a,b port=5432,5433 user='an na' password='it''s' dbname=d", ''],
  [
    'libpq',
    "host=a,b hostaddr=10.0.0.1,10.0.0.2 user='an na' password='it\\'s' dbname=d",
    'postgresql://an%20na@/d?host=a,b&hostaddr=10.0.0.1,10.0.0.2',
    "it's",
  ],
  ['libpq', 'service=mine', 'postgresql:///?service=mine'],
  [
    'libpq',
    'postgresql://u@h/d?options=-c%20search_path%3Dapp&sslmode=verify-ca&sslrootcert=/c/ca.pem&passfile=/c/pass',
    'postgresql://u@h/d?options=-c%20search_path%3Dapp&sslmode=verify-ca&sslrootcert=/c/ca.pem&passfile=/c/pass',
  ],
  [
    'Prisma',
    'postgresql://janedoe:mypassword@localhost:5432/mydb?schema=sample',
    'postgresql://janedoe@localhost:5432/mydb',
    'mypassword',
    1,
  ],
  [
    'Prisma',
    'postgresql://u:p@h:6543/d?schema=public&connection_limit=5&pool_timeout=2&socket_timeout=3&connect_timeout=30&pgbouncer=true&sslmode=require',
    'postgresql://u@h:6543/d?connect_timeout=30&sslmode=require',
    'p',
    1,
  ],
  [
    'Prisma',
    'postgresql://u:p@h/d?schema=public&sslmode=require&sslcert=/c/ca.pem&sslaccept=strict',
    'postgresql://u@h/d?sslmode=require&sslrootcert=/c/ca.pem',
    'p',
    3,
  ],
  ['Prisma', 'prisma+postgres://localhost:51213/?api_key=abc', ''],
  [
    'SQLAlchemy',
    'postgresql+psycopg2://scott:tiger@localhost/mydatabase',
    'postgresql://scott@localhost/mydatabase',
    'tiger',
  ],
  [
    'SQLAlchemy',
    'postgresql+pg8000://scott:tiger@localhost/mydatabase',
    'postgresql://scott@localhost/mydatabase',
    'tiger',
  ],
  [
    'SQLAlchemy',
    'postgresql+psycopg://user:password@/dbname?host=/var/lib/postgresql',
    'postgresql://user@/dbname?host=/var/lib/postgresql',
    'password',
  ],
  [
    'SQLAlchemy',
    'postgresql+psycopg2://user:password@/dbname?host=HostA:123&host=HostB:456&host=HostC',
    'postgresql://user@HostA:123,HostB:456,HostC/dbname',
    'password',
  ],
  [
    'SQLAlchemy',
    'postgresql+asyncpg://user:p%40ss@h/d?prepared_statement_cache_size=0&ssl=require',
    'postgresql://user@h/d?sslmode=require',
    'p@ss',
    2,
  ],
  [
    'asyncpg',
    'postgres://user:pass@host:5432/database?command_timeout=60',
    'postgresql://user@host:5432/database',
    'pass',
    1,
  ],
  [
    'Celery',
    'db+postgresql://scott:tiger@localhost/mydatabase',
    'postgresql://scott@localhost/mydatabase',
    'tiger',
  ],
  [
    'Airflow',
    'postgresql+psycopg2://airflow:airflow@postgres/airflow',
    'postgresql://airflow@postgres/airflow',
    'airflow',
  ],
  [
    'Django (dj-database-url)',
    'postgres://USER:PASSWORD@HOST:5432/NAME?conn_max_age=600&ssl_require=True',
    'postgresql://USER@HOST:5432/NAME?sslmode=require',
    'PASSWORD',
    2,
  ],
  ['Django (dj-database-url)', 'postgis://u:p@h/d', 'postgresql://u@h/d', 'p'],
  [
    'Django (dj-database-url)',
    'postgres://%2Fvar%2Frun%2Fpostgresql/dbname',
    'postgresql:///dbname?host=/var/run/postgresql',
  ],
  [
    'Django (django-environ)',
    'psql://user:un-githubbedpassword@127.0.0.1:8458/database',
    'postgresql://user@127.0.0.1:8458/database',
    'un-githubbedpassword',
  ],
  ['Django (django-environ)', 'pgsql://u:p@h/d?CONN_MAX_AGE=600', 'postgresql://u@h/d', 'p', 1],
  ['Rails', 'postgresql:///blog_development?pool=5', 'postgresql:///blog_development', undefined, 1],
  [
    'Rails',
    'postgresql://localhost/blog_development?pool=5&encoding=unicode&reaping_frequency=10&prepared_statements=false&variables[statement_timeout]=5s',
    'postgresql://localhost/blog_development',
    undefined,
    1,
  ],
  ['Rails', 'postgis://rails:pw@db/app_development', 'postgresql://rails@db/app_development', 'pw'],
  [
    'Phoenix',
    'ecto://postgres:postgres@localhost/my_app_dev?pool_size=10&ssl=true',
    'postgresql://postgres@localhost/my_app_dev?sslmode=verify-full',
    'postgres',
    2,
  ],
  [
    'JDBC',
    'jdbc:postgresql://localhost/test?user=fred&password=secret&ssl=true',
    'postgresql://fred@localhost/test?sslmode=verify-full',
    'secret',
    1,
  ],
  ['JDBC', 'jdbc:postgresql:test', 'postgresql:///test'],
  ['JDBC', 'jdbc:postgresql:/', ''],
  ['JDBC', 'jdbc:postgresql://host:5433/', 'postgresql://host:5433'],
  [
    'JDBC',
    'jdbc:postgresql://node1,node2/accounting?targetServerType=primary&loadBalanceHosts=true',
    'postgresql://node1,node2/accounting?target_session_attrs=primary&load_balance_hosts=random',
    undefined,
    2,
  ],
  [
    'JDBC',
    'jdbc:postgresql://h/d?user=a+b&password=x%2By&currentSchema=app&reWriteBatchedInserts=true&ApplicationName=x&connectTimeout=5',
    'postgresql://a%20b@h/d?application_name=x&connect_timeout=5',
    'x+y',
    1,
  ],
  [
    'JDBC',
    'jdbc:postgresql://h/d?sslmode=require&sslfactory=org.postgresql.ssl.NonValidatingFactory',
    'postgresql://h/d?sslmode=require',
    undefined,
    1,
  ],
  [
    'JDBC',
    'jdbc:aws-wrapper:postgresql://h:5432/d?wrapperPlugins=failover',
    'postgresql://h:5432/d',
    undefined,
    1,
  ],
  ['R2DBC', 'r2dbc:postgresql://u:p@h:5432/d?schema=x', 'postgresql://u@h:5432/d', 'p', 1],
  ['R2DBC', 'r2dbc:pool:postgresql://u@h/d', 'postgresql://u@h/d'],
  ['Npgsql', 'Host=mydb;Port=5433;Database=shop;Username=mylogin;Password=my;pass', ''],
  [
    'Npgsql',
    'Host=mydb;Port=5433;Database=shop;Username=mylogin;Password="my;pa""ss";SSL Mode=VerifyFull;Root Certificate=/c/ca.crt',
    'postgresql://mylogin@mydb:5433/shop?sslmode=verify-full&sslrootcert=/c/ca.crt',
    'my;pa"ss',
  ],
  [
    'Npgsql',
    'Host=a:5433,b;Database=d;User Id=u;Password=p;Target Session Attributes=Prefer-Standby;Load Balance Hosts=true;Pooling=true;Maximum Pool Size=5',
    'postgresql://u@a:5433,b/d?target_session_attrs=prefer-standby&load_balance_hosts=random',
    'p',
    2,
  ],
  [
    'Entity Framework',
    'Server=localhost;Database=app;User Id=postgres;Password=secret;Include Error Detail=true;',
    'postgresql://postgres@localhost/app',
    'secret',
    1,
  ],
  [
    'ODBC',
    'Driver={PostgreSQL Unicode};Server=h;Port=5432;Database=d;Uid=u;Pwd=p;',
    'postgresql://u@h:5432/d',
    'p',
    1,
  ],
  [
    'PDO',
    'pgsql:host=localhost;port=5432;dbname=testdb;user=bruce;password=mypass',
    'postgresql://bruce@localhost:5432/testdb',
    'mypass',
  ],
  ['DBI', 'dbi:Pg:dbname=testdb;host=localhost', 'postgresql://localhost/testdb'],
  [
    'Doctrine',
    'postgresql://app:!ChangeMe!@127.0.0.1:5432/app?serverVersion=16&charset=utf8',
    'postgresql://app@127.0.0.1:5432/app',
    '!ChangeMe!',
    1,
  ],
  ['Doctrine', 'pdo-pgsql://u:p@h/d', 'postgresql://u@h/d', 'p'],
  ['node-postgres', 'postgres://u:p@h/d?ssl=true', 'postgresql://u@h/d?sslmode=verify-full', 'p', 1],
  [
    'node-postgres',
    'postgres://u:p@h/d?sslmode=no-verify&uselibpqcompat=true',
    'postgresql://u@h/d?sslmode=require',
    'p',
    1,
  ],
  [
    'Sequelize',
    'postgres://user:pass@example.com:5432/dbname?ssl=0',
    'postgresql://user@example.com:5432/dbname?sslmode=disable',
    'pass',
    1,
  ],
  [
    'Go (pgx)',
    'postgres://jack:secret@pg.example.com:5432/mydb?sslmode=verify-ca&pool_max_conns=10&pool_max_conn_lifetime=1h30m&search_path=app',
    'postgresql://jack@pg.example.com:5432/mydb?sslmode=verify-ca',
    'secret',
    1,
  ],
  [
    'Go (lib/pq)',
    'user=pqgotest dbname=pqgotest sslmode=verify-full binary_parameters=yes',
    'postgresql://pqgotest@/pqgotest?sslmode=verify-full',
    undefined,
    1,
  ],
  [
    'golang-migrate',
    'pgx5://u:p@h:5432/d?sslmode=disable&x-migrations-table=m',
    'postgresql://u@h:5432/d?sslmode=disable',
    'p',
    1,
  ],
  [
    'dbmate',
    'postgres://postgres@127.0.0.1:5432/myapp?sslmode=disable&search_path=my,public',
    'postgresql://postgres@127.0.0.1:5432/myapp?sslmode=disable',
    undefined,
    1,
  ],
  [
    'sqlx',
    'postgres://u:p@h/d?ssl-mode=verify-full&ssl-root-cert=/c/ca.pem&statement-cache-capacity=0&options[geqo]=off',
    'postgresql://u@h/d?sslmode=verify-full&sslrootcert=/c/ca.pem',
    'p',
    1,
  ],
  ['Heroku', 'postgres://localhost/myapp', 'postgresql://localhost/myapp'],
  [
    'Supabase',
    'postgres://postgres.abcdef:[YOUR-PASSWORD]@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1&supa=base-pooler.x',
    'postgresql://postgres.abcdef@aws-0-eu-central-1.pooler.supabase.com:6543/postgres',
    '[YOUR-PASSWORD]',
    1,
  ],
  [
    'Neon',
    'postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require',
    'postgresql://alex@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require',
    'AbC123dEf',
  ],
  [
    'Neon',
    'postgresql://alex:x@ep-1.neon.tech/d?options=endpoint%3Dep-1',
    'postgresql://alex@ep-1.neon.tech/d?options=endpoint%3Dep-1',
    'x',
  ],
  [
    'TablePlus',
    'postgresql://u:p@h/d?statusColor=686B6F&env=local&name=x&tLSMode=0&usePrivateKey=false&safeModeLevel=0&advancedSafeModeLevel=0&driverVersion=0&lazyload=false',
    'postgresql://u@h/d',
    'p',
    1,
  ],
  ['TablePlus', 'postgresql+ssh://me@bastion/u:p@h/d', ''],
  ['others', 'mysql://u@h/d', ''],
  ['others', 'cockroachdb://u@h/d', ''],
  ['unencoded', 'postgres://u:p@ss@h/d', 'postgresql://u@h/d', 'p@ss'],
  ['unencoded', 'postgres://u:p#s?s@h/d', 'postgresql://u@h/d', 'p#s?s'],
  ['unencoded', 'postgres://u:pa/ss@h/d', ''],
];

describe('a connection URL as frameworks and tools write it', () => {
  for (const [of, text, canonical, password, notes = 0] of table)
    it(`${canonical === '' ? 'is no source' : 'is read'}: ${of}: ${text}`, () => {
      if (canonical === '') {
        problem(text);
        return;
      }
      const url = read(text);
      assert.equal(writeConnectionUrl(url), canonical);
      assert.equal(url.password, password);
      assert.equal(url.notes.length, notes, url.notes.join('\n'));
    });

  it('says what it left out, and what it took for something else', () => {
    const { notes } = read('postgresql://u@h/d?schema=a&pgbouncer=true&connection_limit=1&ssl=true');
    assert.deepEqual(notes, [
      '"schema", "pgbouncer" and "connection_limit" of the connection URL are of another program and left out.',
      '"ssl" is taken as sslmode=verify-full.',
    ]);
  });

  it('refuses a slip of the pen where the connection would be less safe without the word', () => {
    assert.match(problem('postgresql://u@h/d?sslmod=verify-full'), /"sslmod".*is "sslmode" meant/);
    assert.match(problem('postgresql://u@h/d?ssl_verify=yes'), /"ssl_verify" is not known/);
    assert.match(problem('postgresql://u@h/d?sslmode=verify'), /its value of "sslmode" is not known/);
    assert.match(problem('postgresql://u@h/d?require_atuh=scram-sha-256'), /is "require_auth" meant/);
    assert.match(problem('postgresql://u@h/d?gssencmode=require'), /Kerberos/);
    assert.match(problem('postgresql://u@h/d?sslpassword=x'), /service file/);
  });

  it('is refused with what is wrong with it', () => {
    assert.match(problem('postgresql://u@h:port/d'), /not a valid URL/);
    assert.match(problem('postgresql://u@h:99999/d'), /port is not a number from 1 to 65535/);
    assert.match(problem('postgresql://u@a,b,c/d?port=1,2'), /another number of ports/);
    assert.match(problem('host=a,b hostaddr=1.1.1.1 dbname=d'), /another number of hosts/);
    assert.match(problem('postgresql://u@h/d%00'), /NUL/);
    assert.match(problem('postgresql://u@h/%zz'), /percent/);
    assert.match(problem('postgresql://u@h/a b'), /no spaces/);
    assert.match(problem('not a url'), /does not begin with postgresql/);
  });
});

/** The same numbers each time. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('hostile text in place of a connection URL', () => {
  const words =
    `postgresql:// postgres:// jdbc: jdbc:postgresql: host= Host= ; @ : / ? & = , % %2F %00 %40 # ' " \\ [ ]
    ::1 { } + .. $(id) \`id\` é 😀 -c --help localhost user sslmode= options= password= Hunter2 dbname= port=5432
    service= &ssl=true`.split(/\s+/);
  const pieces = [
    ...words,
    ...['\0', '\n', '\r\n', '\t', ' ', '\u2028', '\u202e', '\ud800', 'a'.repeat(300)],
  ];

  it('is read or refused without a word of its secrets: 300 texts', () => {
    const random = chance(20261129);
    for (let number = 1; number <= 300; number += 1) {
      const body = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join('');
      // A secret at a place where it is one.
      const text = random(2) === 0 ? `postgresql://u:Hunter2@${body}` : body;
      const found = readConnectionUrl(text);
      if (!found.ok) {
        assert.ok(!found.problem.includes('Hunter2'), `${text}: ${found.problem}`);
        continue;
      }
      const written = writeConnectionUrl(found.value);
      const without = (url: ConnectionUrl) => ({ ...url, notes: [], password: undefined });
      assert.deepEqual(without(read(written)), without(found.value), written);
      assert.match(written, /^postgresql:\/\/[!-~]*$/);
      const { password = '', notes } = found.value;
      if (password.includes('Hunter2') && text.split('Hunter2').length === 2)
        assert.ok(!written.includes('Hunter2'), written);
      assert.ok(!notes.join().includes('Hunter2'), text);
    }
  });

  for (const [what, text] of [
    ['many quotes', `host=${"'a".repeat(20_000)}`],
    ['many backslashes', `host=${'\\'.repeat(50_000)}`],
    ['many semicolons', `${'Host=a;'.repeat(10_000)}x`],
    ['many spaces', `host=a;${' '.repeat(50_000)}x`],
    ['many hosts', `postgresql://${'a,'.repeat(20_000)}`],
    ['many colons', `postgresql://${':'.repeat(50_000)}@`],
    ['many ats', `postgresql://${'@'.repeat(50_000)}`],
    ['many parameters', `postgresql://h/d?${'a=b&'.repeat(10_000)}`],
    ['many brackets', `postgresql://${'['.repeat(50_000)}`],
    ['a long scheme', `${'a+'.repeat(20_000)}://`],
  ] as const)
    it(`is answered at once, also when it is long: ${what}`, () => {
      assert.match(problem(text), /too long/);
      readConnectionUrl(text.slice(0, 4000));
    });
});
