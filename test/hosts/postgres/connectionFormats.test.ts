import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import pg from 'pg';
import { clientTools } from '../../../engine/database/postgres/programs.ts';
import { formatConnection } from '../../../engine/protocol/connectionString.ts';
import type { Connection } from '../../../engine/protocol/entities.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import { startPostgresSource, testPrograms, type PostgresSource } from '../../support/postgresSource.ts';

/** What PostgreSQL takes for a name, and some reader for something else. */
const readByAll = [
  'x; touch y',
  '$(touch y)',
  '`touch y`',
  '|touch y',
  '&& touch y',
  '> y',
  'a=b',
  'host=127.0.0.9 port=1',
  'postgresql://127.0.0.9:1/x',
  'postgres://x',
  '-x',
  '--help',
  'a b',
  ' a ',
  "it's",
  'say "a"',
  'back\\slash',
  '$HOME',
  '%41',
  '%',
  'a+b',
  'a&password=x',
  'a?user=x',
  'a/b',
  'a#b',
  '# a',
  '*',
  '(a)',
  '{a}',
  '!x',
  '~',
  'é😀',
  "a'b c",
  "'; touch y; '",
];
/** Programs that read .env files disagree on these. */
const notInEnv = ['a\nb', `'"`, "'$(touch y)'", '${HOME}', 'a\\'];
const password = `p'w"$(touch y); \\ %41+&?#@:/`;
const question = "select current_database() || '|' || current_user";

/** As the driver's `Driver.parseURL` does, which decodes as `java.net.URLDecoder`, with "+" for a space. */
function readJdbc(url: string): Record<string, string> {
  const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
  const prefix = 'jdbc:postgresql:';
  assert.ok(url.startsWith(`${prefix}//`), url);
  assert.match(url, /^[!-~]+$/);
  const [server = '', ...query] = url.slice(prefix.length).split('?');
  assert.ok(query.length === 1, url);
  const authority = server.slice(2);
  const slash = authority.indexOf('/');
  const address = authority.slice(0, slash);
  const colon = address.lastIndexOf(':');
  const found: Record<string, string> = {
    host: address.slice(0, colon),
    port: address.slice(colon + 1),
    database: decode(authority.slice(slash + 1)),
  };
  for (const pair of (query[0] ?? '').split('&')) {
    const at = pair.indexOf('=');
    assert.ok(at > 0 && !(pair.slice(0, at) in found), url);
    found[pair.slice(0, at)] = decode(pair.slice(at + 1));
  }
  return found;
}

describe('a connection with a hostile name of a database', () => {
  let source: PostgresSource;
  let folder: string;
  let psql: string;
  const connectionTo = (database: string): Connection => ({
    ...{ name: memberNameSchema.parse('orders'), engine: 'postgres', host: '127.0.0.1', port: source.port },
    ...{ user: `u'"$(touch y) =`, password, database },
  });
  before(async function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), 'thin-clones-formats-'));
    source = await startPostgresSource();
    ({ psql } = await clientTools(testPrograms()));
    const names = [...readByAll, ...notInEnv];
    const role = pg.escapeIdentifier(connectionTo('').user);
    await source.run(
      'postgres',
      `create role ${role} superuser login password ${pg.escapeLiteral(password)}`,
      ...names.map((name) => `create database ${pg.escapeIdentifier(name)} template template0`),
    );
  });
  after(async () => {
    await source.remove();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => assert.deepEqual(readdirSync(folder), [], 'a name ran as a command'));

  const environment = () => ({
    PATH: `${dirname(psql)}${delimiter}${process.env['PATH'] ?? ''}`,
    LC_ALL: 'C',
    PGCLIENTENCODING: 'UTF8',
  });
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { cwd: folder, encoding: 'utf8', env: environment() });
  const isRead = (answer: string, { database, user }: Connection) =>
    assert.equal(answer, `${database}|${user}\n`);
  const ask = ['-X', '-w', '-A', '-t', '-c', question] as const;

  for (const database of [...readByAll, ...notInEnv]) {
    it(`leads to ${JSON.stringify(database)} by each format`, async function () {
      this.timeout(60_000);
      const connection = connectionTo(database);
      const uri = formatConnection(connection, 'uri');
      isRead(run(psql, ...ask, '-d', uri), connection);
      const url = new URL(uri);
      assert.equal(decodeURIComponent(url.pathname), `/${database}`);
      assert.equal(decodeURIComponent(url.username), connection.user);
      assert.equal(decodeURIComponent(url.password), password);

      isRead(run(psql, ...ask, '-d', formatConnection(connection, 'libpq')), connection);
      isRead(
        run('sh', '-c', `${formatConnection(connection, 'psql')} -X -w -A -t -c "${question}"`),
        connection,
      );
      assert.deepEqual(readJdbc(formatConnection(connection, 'jdbc')), {
        ...{ host: '127.0.0.1', port: String(source.port) },
        ...{ database, user: connection.user, password },
      });
    });
  }

  for (const database of readByAll) {
    it(`has .env lines for ${JSON.stringify(database)} that sh and Node read alike`, () => {
      const connection = { ...connectionTo(database), user: 'clone', password: 'p%41$(touch y)' };
      const text = formatConnection(connection, 'env');
      const expected = {
        DATABASE_URL: formatConnection(connection, 'uri'),
        ...{ PGHOST: '127.0.0.1', PGPORT: String(source.port), PGUSER: 'clone' },
        ...{ PGPASSWORD: connection.password, PGDATABASE: database },
      };
      assert.deepEqual({ ...parseEnv(text) }, expected);
      const file = join(folder, '.env');
      writeFileSync(file, text);
      try {
        const tell =
          'const v={}; for (const n of process.argv.slice(1)) v[n]=process.env[n]; console.log(JSON.stringify(v))';
        const names = Object.keys(expected);
        const byNode = run(process.execPath, `--env-file=${file}`, '-e', tell, ...names);
        assert.deepEqual(JSON.parse(byNode), expected);
        const script = 'set -a; . "$1"; shift; exec "$@"';
        const byShell = run('sh', '-c', script, 'sh', file, process.execPath, '-e', tell, ...names);
        assert.deepEqual(JSON.parse(byShell), expected);
      } finally {
        rmSync(file);
      }
    });
  }

  for (const database of notInEnv) {
    it(`has no .env lines for ${JSON.stringify(database)}, and says so`, () => {
      const connection = { ...connectionTo(database), user: 'clone', password: 'secret-of-the-test' };
      assert.throws(
        () => formatConnection(connection, 'env'),
        (error) =>
          isFailure(error, 'usage') &&
          /PGDATABASE/.test(error.message) &&
          !error.message.includes('secret-of-the-test'),
      );
    });
  }
});
