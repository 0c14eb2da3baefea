import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import type { Login } from '../../../engine/database/database.ts';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { useBenchWithSource } from '../../support/benchWithSource.ts';
import type { PostgresBench } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, type PostgresSource } from '../../support/postgresSource.ts';

const noRole = (error: ThinClonesError): boolean => {
  assert.equal(error.code, 'member_user', error.message);
  assert.match(error.message, /no role "nobody"/);
  assert.match(error.document.next, /app_user/);
  return true;
};

describe('a member whose user is a role of the source', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  useBenchWithSource({}, async (made) => {
    ({ bench, source } = made);
    await source.run(
      'postgres',
      'CREATE ROLE owners NOLOGIN',
      "CREATE ROLE app_user NOSUPERUSER NOLOGIN CONNECTION LIMIT 7 VALID UNTIL '2020-01-01'",
      'CREATE DATABASE shop OWNER owners',
    );
    await source.run(
      'shop',
      'CREATE SCHEMA app_user AUTHORIZATION app_user',
      'CREATE TABLE app_user.mine AS SELECT 1 AS one',
      'ALTER TABLE app_user.mine OWNER TO app_user',
      'CREATE TABLE orders (id int, tenant text)',
      "INSERT INTO orders VALUES (1, 'app_user'), (2, 'another')",
      'ALTER TABLE orders ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY own ON orders USING (tenant = current_user)',
      'GRANT SELECT ON orders TO app_user',
      'CREATE TABLE secrets (text text)',
    );
  });

  const definition = () => ({ retrieval: 'logical', url: source.url('shop'), user: 'app_user' }) as const;

  it('logs in with the rights of that role, its policies and its schema, and after a start on other data again', async () => {
    const retrieved = await bench.retrieve(definition(), { password: SOURCE_PASSWORD });
    for (const password of ['first password', 'another password']) {
      const login: Login = { user: 'app_user', password, isOfSource: true };
      const spec = await bench.specFor(await bench.copy(retrieved.target), retrieved.version);
      const server = await bench.runtime.start(spec);
      try {
        await bench.database.ready(spec, () => bench.runtime.alive(server), login);
        await bench.database.checkLogin(spec, login, retrieved.database);
        const client = new pg.Client({
          ...{ host: '127.0.0.1', port: spec.port ?? 0, user: 'app_user', password, database: 'shop' },
        });
        await client.connect();
        const value = async (text: string): Promise<unknown[]> =>
          (await client.query<pg.QueryResultRow>(text)).rows;
        assert.deepEqual(await value('SELECT id FROM orders'), [{ id: 1 }]);
        assert.deepEqual(await value('SELECT one FROM mine'), [{ one: 1 }]);
        await assert.rejects(value('SELECT * FROM secrets'), /permission denied for table secrets/);
        await assert.rejects(value('CREATE ROLE more'), /permission denied/);
        assert.deepEqual(
          await value('SELECT rolsuper, rolconnlimit FROM pg_roles WHERE rolname = current_user'),
          [{ rolsuper: false, rolconnlimit: 7 }],
        );
        // Nobody else came along with it.
        assert.deepEqual(await value("SELECT rolname FROM pg_roles WHERE rolname LIKE 'thin_clone'"), []);
        await client.end();
      } finally {
        await bench.runtime.stop(server, 'immediate');
      }
    }
  });

  it('is refused before anything is copied when the source has no such role', async () => {
    await assert.rejects(
      bench.retrieve({ ...definition(), user: 'nobody' }, { password: SOURCE_PASSWORD }),
      noRole,
    );
    assert.deepEqual(bench.phases, ['reading the source']);
  });

  it('is refused when a dump names no such role', async () => {
    const dump = path.join(bench.root, 'shop.sql');
    await writeFile(
      dump,
      'CREATE TABLE orders (id int);\nALTER TABLE orders OWNER TO app_user;\n-- PostgreSQL database dump complete\n',
    );
    await assert.rejects(bench.retrieve({ retrieval: 'dump', dump, user: 'nobody' }), noRole);
    const retrieved = await bench.retrieve({ retrieval: 'dump', dump, user: 'app_user' });
    assert.ok(retrieved.database !== '');
  });

  it('is refused by a server whose data has none', async () => {
    const retrieved = await bench.retrieve(definition(), { password: SOURCE_PASSWORD });
    const spec = await bench.specFor(retrieved.target, retrieved.version);
    const server = await bench.runtime.start(spec);
    const login: Login = { user: 'nobody', password: 'password', isOfSource: true };
    await assert.rejects(
      bench.database.ready(spec, () => bench.runtime.alive(server), login),
      noRole,
    );
    await bench.runtime.stop(server, 'immediate');
  });
});
