import assert from 'node:assert/strict';
import { nameFrom, parseConnectionUrl } from '../../../src/sources/connectionUrl.ts';
import { findUrls } from '../../../src/sources/envFiles.ts';

const parsed = (text: string) => {
  const result = parseConnectionUrl(text);
  assert.ok(result.ok, result.ok ? '' : result.problem);
  return result.value;
};
const problem = (text: string): string => {
  const result = parseConnectionUrl(text);
  assert.ok(!result.ok, `"${text}" was accepted`);
  return result.problem;
};

describe('a pasted connection URL', () => {
  it('is split from its password', () => {
    assert.deepEqual(parsed('postgresql://reader:s%40cret@db.example.org:5433/shop?sslmode=require'), {
      engine: 'postgres',
      url: 'postgresql://reader@db.example.org:5433/shop?sslmode=require',
      password: 's@cret',
      user: 'reader',
      host: 'db.example.org',
      port: 5433,
      database: 'shop',
      notes: [],
    });
  });

  it('of MongoDB is split in the same way, also as a line of a .env file', () => {
    const expected = {
      engine: 'mongodb',
      url: 'mongodb://ada@db.example.org:27018/shop?authSource=admin',
      password: 's@cret',
      user: 'ada',
      host: 'db.example.org',
      port: 27018,
      database: 'shop',
      notes: [],
    };
    const url = 'mongodb://ada:s%40cret@db.example.org:27018/shop?authSource=admin';
    assert.deepEqual(parsed(url), expected);
    assert.deepEqual(parsed(`MONGODB_URI="${url}"`), expected);
    assert.equal(parsed('mongodb+srv://cluster0.example.net/').host, 'cluster0.example.net');
    assert.equal(parsed('mongodb://a:1,b:2/shop?replicaSet=rs').host, 'a:1,b:2');
  });

  it('is understood in the other form of libpq, too', () => {
    assert.deepEqual(
      parsed("host=db.example.org port = 5433 dbname=shop user=reader password='s@ \\'cret' sslmode=require"),
      {
        engine: 'postgres',
        url: 'postgresql://reader@db.example.org:5433/shop?sslmode=require',
        password: "s@ 'cret",
        user: 'reader',
        host: 'db.example.org',
        port: 5433,
        database: 'shop',
        notes: [],
      },
    );
    assert.equal(parsed('psql "host=db user=reader dbname=shop"').url, 'postgresql://reader@db/shop');
    assert.equal(parsed('host=::1 user=reader dbname=shop').host, '[::1]');
    assert.equal(
      parsed('host=/run/postgresql user=reader dbname=shop').url,
      'postgresql://reader@/shop?host=/run/postgresql',
    );
    // As libpq: what is missing is this machine, whoever runs the engine, and a database of the user's name.
    assert.equal(parsed('user=reader dbname=shop').host, 'localhost');
    assert.equal(parsed('host=db dbname=shop').user, undefined);
    assert.equal(parsed('host=db user=reader').database, 'reader');
  });

  it('may name several servers, and loses what is of another program with a note', () => {
    const value = parsed(
      'DATABASE_URL="postgres://a:p@one:1,two/shop?schema=public&target_session_attrs=primary"',
    );
    assert.equal(value.url, 'postgresql://a@one:1,two/shop?target_session_attrs=primary');
    assert.equal(value.host, 'one, two');
    assert.deepEqual(value.notes, ['"schema" of the connection URL is of another program and left out.']);
  });

  it('is accepted in the ways in which people copy it', () => {
    const url = 'postgresql://reader@db/shop';
    for (const text of [
      'postgres://reader@db/shop',
      '  postgresql://reader@db/shop\n',
      '"postgresql://reader@db/shop"',
      'DATABASE_URL=postgres://reader@db/shop',
      'export DATABASE_URL="postgres://reader@db/shop"',
    ]) {
      assert.equal(parsed(text).url, url, text);
    }
  });

  it('may have user and password as parameters, and then keeps neither there', () => {
    const value = parsed('jdbc:postgresql://db:5432/shop?user=reader&password=geheim&sslmode=disable');
    assert.equal(value.url, 'postgresql://reader@db:5432/shop?sslmode=disable');
    assert.equal(value.password, 'geheim');
  });

  it('never keeps a password in the URL', () => {
    for (const text of [
      'postgres://a:pw1@h/d',
      'postgres://a@h/d?password=pw1',
      'postgres://a:pw1@h/d?password=pw1',
    ]) {
      assert.ok(!parsed(text).url.includes('pw1'), text);
    }
  });

  it('is refused with what is missing', () => {
    assert.match(problem(''), /Paste a URL/);
    assert.match(problem('db.example.org'), /starts with postgresql/);
    assert.match(problem('mysql://a@h/d'), /not mysql/);
    assert.match(problem('mongodb://a@'), /names no host/);
    assert.match(problem('postgres://reader@'), /neither a host nor a database/);
    assert.match(problem('postgres://a:p%zz@db/shop'), /written as %25/);
    assert.match(problem('postgres://a b@db/shop'), /no spaces/);
  });

  it('gives names that the engine accepts', () => {
    const none = () => false;
    assert.equal(nameFrom('shop', none, 'x'), 'shop');
    assert.equal(nameFrom('/srv/dumps/shop 2026.sql.gz', none, 'x'), 'shop-2026');
    assert.equal(nameFrom('../..', none, 'fallback'), 'fallback');
    assert.equal(
      nameFrom('shop', (name) => name === 'shop' || name === 'shop-2', 'x'),
      'shop-3',
    );
  });
});

describe('an .env file', () => {
  it('offers its PostgreSQL URLs, each once', () => {
    const text = [
      '# DATABASE_URL=postgres://old@h/old',
      'PORT=3000',
      "export DATABASE_URL='postgres://app:pw@localhost:5432/shop' # main",
      'READ_URL=postgresql://reader@replica/shop   # a comment',
      'AGAIN=postgres://app:other@localhost:5432/shop',
      'MYSQL=mysql://a@h/d',
      'BUILT=postgres://${USER}:${PASS}@h/d',
      "LITERAL='postgres://a:pa$$@h/d'",
      'SQLALCHEMY_DATABASE_URI=postgresql+psycopg2://scott:tiger@h/e',
      'ConnectionStrings__Default="Host=h;Database=f;Username=u;Password=w"',
      'GREETING=user=anna',
      '',
    ].join('\r\n');
    assert.deepEqual(
      findUrls(text).map(({ variable, line, connection }) => [
        variable,
        line,
        connection.url,
        connection.password,
      ]),
      [
        ['DATABASE_URL', 3, 'postgresql://app@localhost:5432/shop', 'pw'],
        ['READ_URL', 4, 'postgresql://reader@replica/shop', undefined],
        ['LITERAL', 8, 'postgresql://a@h/d', 'pa$$'],
        ['SQLALCHEMY_DATABASE_URI', 9, 'postgresql://scott@h/e', 'tiger'],
        ['ConnectionStrings__Default', 10, 'postgresql://u@h/f', 'w'],
      ],
    );
  });
});
