import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MemberDatabase } from '../../../engine/migrations/appliedTables.ts';
import { createLocalFiles } from '../../../engine/migrations/local/localFiles.ts';
import { compareMigrations } from '../../../engine/migrations/compareMigrations.ts';
import { flywayChecksum } from '../../../engine/migrations/tools/flyway.ts';
import { changeSetChecksum } from '../../../engine/migrations/tools/liquibase.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import { migrationSettingsSchema, type MigrationReport } from '../../../engine/protocol/migrationReport.ts';
import { oldestAndNewest } from '../../support/long.ts';
import { openPostgresBench, type PostgresBench, type RunningClone } from '../../support/postgresBench.ts';
import { presentMajors, startPostgresSource } from '../../support/postgresSource.ts';
import { postgresCatalogue } from '../../../engine/database/postgres/catalogue.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const SQL = 'CREATE TABLE a (id int);\n';
/** Atlas sums up names and contents of all files up to one. */
const atlasSum = (...parts: string[]): string => createHash('sha256').update(parts.join('')).digest('base64');

interface Case {
  tool: string;
  /** The table as the tool itself makes it, and rows for one of the two migrations. */
  statements: readonly string[];
  files: Readonly<Record<string, string>>;
  /** Marks the second one as applied. */
  rest: string;
}

const cases: readonly Case[] = [
  {
    tool: 'prisma',
    statements: [
      `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
        migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(),
        applied_steps_count int NOT NULL DEFAULT 0)`,
      `INSERT INTO _prisma_migrations VALUES ('1', '${sha256(SQL)}', now(), '1_a', NULL, NULL, now(), 1)`,
    ],
    files: {
      'prisma/migrations/migration_lock.toml': 'provider = "postgresql"\n',
      'prisma/migrations/1_a/migration.sql': SQL,
      'prisma/migrations/2_b/migration.sql': SQL,
    },
    rest: `INSERT INTO _prisma_migrations VALUES ('2', '${sha256(SQL)}', now(), '2_b', NULL, NULL, now(), 1)`,
  },
  {
    tool: 'knex',
    statements: [
      'CREATE TABLE knex_migrations (id serial PRIMARY KEY, name varchar(255), batch int, migration_time timestamptz)',
      'CREATE TABLE knex_migrations_lock (index serial PRIMARY KEY, is_locked int)',
      'INSERT INTO knex_migrations_lock (is_locked) VALUES (0)',
      "INSERT INTO knex_migrations (name, batch, migration_time) VALUES ('1_a.js', 1, now())",
    ],
    files: { 'knexfile.js': '', 'migrations/1_a.js': 'knex', 'migrations/2_b.js': 'knex' },
    rest: "INSERT INTO knex_migrations (name, batch, migration_time) VALUES ('2_b.js', 1, now())",
  },
  {
    tool: 'sequelize',
    statements: [
      'CREATE TABLE "SequelizeMeta" (name varchar(255) PRIMARY KEY)',
      `INSERT INTO "SequelizeMeta" VALUES ('1-a.js')`,
    ],
    files: { 'migrations/1-a.js': 'queryInterface', 'migrations/2-b.js': 'queryInterface' },
    rest: `INSERT INTO "SequelizeMeta" VALUES ('2-b.js')`,
  },
  {
    tool: 'typeorm',
    statements: [
      'CREATE TABLE migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL)',
      `INSERT INTO migrations ("timestamp", name) VALUES (1700000000001, 'A1700000000001')`,
    ],
    files: {
      'src/migrations/1700000000001-A.ts': 'class A1700000000001 implements MigrationInterface {}',
      'src/migrations/1700000000002-B.ts': 'class B1700000000002 implements MigrationInterface {}',
    },
    rest: `INSERT INTO migrations ("timestamp", name) VALUES (1700000000002, 'B1700000000002')`,
  },
  {
    tool: 'drizzle',
    statements: [
      'CREATE SCHEMA drizzle',
      'CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)',
      `INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('${sha256(SQL)}', 1795273617737)`,
    ],
    files: {
      'drizzle/meta/_journal.json': JSON.stringify({
        dialect: 'postgresql',
        entries: [
          { idx: 0, when: 1795273617737, tag: '0000_a' },
          { idx: 1, when: 1795273619246, tag: '0001_b' },
        ],
      }),
      'drizzle/0000_a.sql': SQL,
      'drizzle/0001_b.sql': SQL,
    },
    rest: `INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('${sha256(SQL)}', 1795273619246)`,
  },
  {
    tool: 'flyway',
    statements: [
      `CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL,
        type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL,
        installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, success boolean NOT NULL)`,
      `INSERT INTO flyway_schema_history VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', ${flywayChecksum(Buffer.from(SQL))}, 'me', now(), 1, true)`,
    ],
    files: { 'sql/V1__a.sql': SQL, 'sql/V2__b.sql': SQL },
    rest: `INSERT INTO flyway_schema_history VALUES (2, '2', 'b', 'SQL', 'V2__b.sql', ${flywayChecksum(Buffer.from(SQL))}, 'me', now(), 1, true)`,
  },
  {
    tool: 'liquibase',
    statements: [
      `CREATE TABLE databasechangelog (id varchar(255) NOT NULL, author varchar(255) NOT NULL, filename varchar(255) NOT NULL,
        dateexecuted timestamp NOT NULL, orderexecuted int NOT NULL, exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255))`,
      'CREATE TABLE databasechangeloglock (id int PRIMARY KEY, locked boolean NOT NULL, lockgranted timestamp, lockedby varchar(255))',
      'INSERT INTO databasechangeloglock VALUES (1, false, NULL, NULL)',
      `INSERT INTO databasechangelog VALUES ('1', 'me', 'changelog.sql', now(), 1, 'EXECUTED', '${changeSetChecksum('select 1;')}', 'sql')`,
    ],
    files: {
      'changelog.sql':
        '--liquibase formatted sql\n--changeset me:1\nselect 1;\n--changeset me:2\nselect 2;\n',
    },
    rest: `INSERT INTO databasechangelog VALUES ('2', 'me', 'changelog.sql', now(), 2, 'EXECUTED', '${changeSetChecksum('select 2;')}', 'sql')`,
  },
  {
    tool: 'rails',
    statements: [
      'CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)',
      "INSERT INTO schema_migrations VALUES ('20240101000000')",
    ],
    files: { 'db/migrate/20240101000000_a.rb': '', 'db/migrate/20240102000000_b.rb': '' },
    rest: "INSERT INTO schema_migrations VALUES ('20240102000000')",
  },
  {
    tool: 'golang-migrate',
    statements: [
      'CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)',
      'INSERT INTO schema_migrations VALUES (1, false)',
    ],
    files: {
      'migrations/001_a.up.sql': SQL,
      'migrations/001_a.down.sql': '',
      'migrations/002_b.up.sql': SQL,
    },
    rest: 'UPDATE schema_migrations SET version = 2',
  },
  {
    tool: 'django',
    statements: [
      'CREATE TABLE django_migrations (id bigserial PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL)',
      "INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_a', now())",
    ],
    files: {
      'manage.py': 'import django',
      'shop/migrations/__init__.py': '',
      'shop/migrations/0001_a.py': 'class Migration: pass',
      'shop/migrations/0002_b.py': 'class Migration:\n    dependencies = [("shop", "0001_a")]\n',
    },
    rest: "INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0002_b', now())",
  },
  {
    tool: 'alembic',
    statements: [
      'CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)',
      "INSERT INTO alembic_version VALUES ('a')",
    ],
    files: {
      'alembic.ini': '[alembic]\nscript_location = alembic\n',
      'alembic/env.py': '',
      'alembic/versions/a.py': "revision = 'a'\ndown_revision = None\n",
      'alembic/versions/b.py': "revision = 'b'\ndown_revision = 'a'\n",
    },
    rest: "UPDATE alembic_version SET version_num = 'b'",
  },
  {
    tool: 'node-pg-migrate',
    statements: [
      'CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)',
      "INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now())",
    ],
    files: { 'migrations/1_a.js': 'pgm', 'migrations/2_b.js': 'pgm' },
    rest: "INSERT INTO pgmigrations (name, run_on) VALUES ('2_b', now())",
  },
  {
    tool: 'goose',
    statements: [
      `CREATE TABLE goose_db_version (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL,
        is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())`,
      'INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true)',
    ],
    files: {
      'migrations/00001_a.sql': `-- +goose Up\n${SQL}`,
      'migrations/00002_b.sql': `-- +goose Up\n${SQL}`,
    },
    rest: 'INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, true)',
  },
  {
    tool: 'sqlx',
    statements: [
      `CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(),
        success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL)`,
      `INSERT INTO _sqlx_migrations VALUES (1, 'a', now(), true, sha384('${SQL}'), 1)`,
    ],
    files: {
      'Cargo.toml': '[dependencies]\nsqlx = "0.8"\n',
      'migrations/1_a.sql': SQL,
      'migrations/2_b.sql': SQL,
    },
    rest: `INSERT INTO _sqlx_migrations VALUES (2, 'b', now(), true, sha384('${SQL}'), 1)`,
  },
  {
    tool: 'ecto',
    statements: [
      'CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, inserted_at timestamp(0))',
      'INSERT INTO schema_migrations VALUES (20240101000000, now())',
    ],
    files: {
      'mix.exs': '',
      'priv/repo/migrations/20240101000000_a.exs': '',
      'priv/repo/migrations/2024/20240102000000_b.exs': '',
      'deps/other/mix.exs': '',
      'deps/other/priv/repo/migrations/20200101000000_x.exs': '',
    },
    rest: 'INSERT INTO schema_migrations VALUES (20240102000000, now())',
  },
  {
    tool: 'ef-core',
    statements: [
      `CREATE TABLE "__EFMigrationsHistory" ("MigrationId" varchar(150) PRIMARY KEY, "ProductVersion" varchar(32) NOT NULL)`,
      `INSERT INTO "__EFMigrationsHistory" VALUES ('20240101000000_A', '9.0.0')`,
    ],
    files: {
      'shop/shop.csproj': '',
      'shop/Migrations/20240101000000_A.cs': 'public partial class A : Migration {}',
      'shop/Migrations/20240101000000_A.Designer.cs':
        '[DbContext(typeof(ShopContext))]\n[Migration("20240101000000_A")]\npartial class A {}',
      'shop/Migrations/ShopContextModelSnapshot.cs': '',
      'shop/Other/20240102000000_B.cs': 'public partial class B : Migration {}',
      'shop/Other/20240102000000_B.Designer.cs':
        '[DbContext(typeof(ShopContext))]\n[Migration("20240102000000_B")]\npartial class B {}',
    },
    rest: `INSERT INTO "__EFMigrationsHistory" VALUES ('20240102000000_B', '9.0.0')`,
  },
  {
    tool: 'mikro-orm',
    statements: [
      'CREATE TABLE mikro_orm_migrations (id serial PRIMARY KEY, name varchar(255), executed_at timestamptz DEFAULT now())',
      "INSERT INTO mikro_orm_migrations (name) VALUES ('Migration20240101000000')",
    ],
    files: {
      'package.json': '{"dependencies": {"@mikro-orm/migrations": "7"}}',
      'mikro-orm.config.ts':
        "const dir = 'migrations';\nexport default { migrations: { path: `dist/${dir}`, pathTs: `src/${dir}` } };",
      'src/migrations/Migration20240101000000.ts': '',
      'src/migrations/Migration20240102000000_more.ts': '',
    },
    rest: "INSERT INTO mikro_orm_migrations (name) VALUES ('Migration20240102000000_more')",
  },
  {
    tool: 'atlas',
    statements: [
      'CREATE SCHEMA atlas_schema_revisions',
      `CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (version varchar PRIMARY KEY, description varchar NOT NULL,
        type bigint NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, executed_at timestamptz NOT NULL,
        execution_time bigint NOT NULL, error text, error_stmt text, hash varchar NOT NULL, partial_hashes jsonb, operator_version varchar NOT NULL)`,
      `INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES ('.atlas_cloud_identifier', 'x', 2, 0, 0, now(), 0, NULL, NULL, '', NULL, 'x')`,
      `INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES ('1', 'a', 2, 1, 1, now(), 0, NULL, NULL, '${atlasSum('1_a.sql', SQL)}', NULL, 'x')`,
    ],
    files: { 'migrations/atlas.sum': 'h1:x', 'migrations/1_a.sql': SQL, 'migrations/2_b.sql': SQL },
    rest: `INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES ('2', 'b', 2, 1, 1, now(), 0, NULL, NULL, '${atlasSum('1_a.sql', SQL, '2_b.sql', SQL)}', NULL, 'x')`,
  },
  {
    tool: 'sql',
    statements: [
      'CREATE TABLE schema_version (version int PRIMARY KEY, applied_at timestamptz)',
      'INSERT INTO schema_version VALUES (1, now())',
    ],
    files: { 'db/migrations/001_a.sql': SQL, 'db/migrations/002_b.sql': SQL },
    rest: 'INSERT INTO schema_version VALUES (2, now())',
  },
];

const majors = oldestAndNewest(await presentMajors(), 'migrations');
for (const major of majors) {
  describe(`migrations in PostgreSQL ${major}`, () => {
    let bench: PostgresBench;
    let clone: RunningClone;
    let root: string;
    let number = 0;
    before(async () => {
      bench = await openPostgresBench();
      const source = await startPostgresSource({ major });
      try {
        await source.stop();
        const golden = await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
        clone = await bench.start(golden.target, golden.version);
      } finally {
        await source.remove();
      }
    });
    beforeEach(async () => {
      root = await mkdtemp(path.join(tmpdir(), 'tc-checkout-'));
    });
    afterEach(() => rm(root, { recursive: true, force: true }));
    after(async () => {
      await clone.stop();
      await bench.checkNothingLeft();
      await bench.close();
    });

    const run = async (database: string, ...statements: readonly string[]): Promise<void> => {
      for (const statement of statements) await clone.query(database, statement);
    };
    const newDatabase = async (...statements: readonly string[]): Promise<string> => {
      const name = `database ${++number}`;
      await run('postgres', `CREATE DATABASE "${name}"`);
      await run(name, ...statements);
      return name;
    };
    const put = async (files: Readonly<Record<string, string>>): Promise<void> => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(path.join(root, path.dirname(name)), { recursive: true });
        await writeFile(path.join(root, name), text);
      }
    };
    const memberOf = (database: string): MemberDatabase => ({
      member: memberNameSchema.parse('main'),
      problem: null,
      catalogue: postgresCatalogue,
      read: (statements) => bench.database.read(clone.spec, database, statements),
    });
    const report = async (database: string, settings?: object): Promise<MigrationReport> => {
      const [only, ...more] = await compareMigrations({
        files: createLocalFiles({ root }),
        databases: [memberOf(database)],
        settings: settings === undefined ? undefined : [migrationSettingsSchema.parse(settings)],
      });
      assert.ok(only);
      assert.deepEqual(more, []);
      return only;
    };

    // What the tools write doesn't depend on the version; how it is read might.
    const own = major === majors.at(-1) ? cases : cases.slice(0, 1);
    for (const { tool, statements, files, rest } of own) {
      it(`of ${tool} are read from its own table`, async () => {
        await put(files);
        const database = await newDatabase(...statements);
        const behind = await report(database);
        assert.equal(behind.tool, tool);
        assert.equal(behind.state, 'behind', behind.message);
        assert.equal(behind.counts.applied, 1);
        await run(database, rest);
        const inStep = await report(database);
        assert.equal(inStep.state, 'in-step', inStep.message);
        assert.deepEqual(inStep.counts, { ...inStep.counts, files: 2, applied: 2, pending: 0, missing: 0 });
      });
    }

    it('are read from a table and columns with any name', async () => {
      await put({ 'db/1_a.sql': SQL, 'db/2_b.sql': SQL });
      const database = await newDatabase(
        `CREATE SCHEMA "my ""schema"""`,
        `CREATE TABLE "my ""schema"""."it's; DROP" ("a ""name""" text)`,
        `INSERT INTO "my ""schema"""."it's; DROP" VALUES ('1_a.sql')`,
      );
      const settings = {
        tool: 'sql',
        directory: 'db',
        schema: 'my "schema"',
        table: "it's; DROP",
        column: 'a "name"',
      };
      const found = await report(database, settings);
      assert.equal(found.state, 'behind');
      assert.equal(found.counts.applied, 1);
    });

    it('are not read from a view, whose functions would run as a superuser', async () => {
      await put({ 'db/migrate/1_a.rb': '' });
      const database = await newDatabase(
        'CREATE TABLE calls (at timestamptz)',
        `CREATE FUNCTION trap() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the trap was called'; END $$`,
        'CREATE VIEW schema_migrations AS SELECT trap()::varchar AS version',
      );
      const found = await report(database);
      assert.equal(found.state, 'behind');
      assert.equal(found.counts.applied, 0);
    });

    it('are not read from a view even when it is asked for, where the server can refuse that', async function () {
      const name = 'restrict_nonsystem_relation_kind';
      if ((await clone.query('postgres', `SELECT FROM pg_settings WHERE name = '${name}'`)).length === 0)
        this.skip();
      const database = await newDatabase('CREATE VIEW shown AS SELECT 1 AS one');
      await assert.rejects(memberOf(database).read([{ text: 'SELECT one FROM public.shown' }]), (error) =>
        isFailure(error, 'read_failed'),
      );
    });

    it('are unknown while somebody changes the table, and not waited for', async () => {
      await put({ 'db/migrate/1_a.rb': '' });
      const database = await newDatabase('CREATE TABLE schema_migrations (version varchar)');
      const session = await clone.connect(database);
      try {
        await session.query('BEGIN');
        await session.query('LOCK TABLE schema_migrations');
        const found = await report(database);
        assert.equal(found.state, 'unknown');
        assert.match(found.problem ?? '', /lock timeout/);
      } finally {
        await session.end();
      }
    });

    it('are unknown in a database that is not there', async () => {
      await put({ 'db/migrate/1_a.rb': '' });
      const found = await report('nowhere');
      assert.equal(found.state, 'unknown');
      assert.match(found.problem ?? '', /"nowhere" does not exist/);
    });

    it('are read without a chance to change anything', async () => {
      const database = await newDatabase('CREATE TABLE kept (id int)', 'INSERT INTO kept VALUES (1)');
      for (const text of ['DELETE FROM public.kept', 'CREATE TABLE public.more (id int)'])
        await assert.rejects(memberOf(database).read([{ text }]), (error) => isFailure(error, 'read_failed'));
      assert.deepEqual(await clone.query(database, 'SELECT id FROM kept'), [{ id: 1 }]);
    });

    it('are let go when the question is given up', async () => {
      const stop = new AbortController();
      // Open before: a question may take five seconds.
      const session = await clone.connect('postgres');
      const waiting = bench.database.read(
        clone.spec,
        'postgres',
        [{ text: 'SELECT pg_catalog.pg_sleep(4)' }],
        stop.signal,
      );
      const asleep = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)' AND pid <> pg_backend_pid()`;
      const sleeping = async (): Promise<boolean> =>
        (await session.query<{ count: number }>(asleep)).rows[0]?.count === 1;
      while (!(await sleeping())) await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await session.end();
      await assert.rejects(waiting, { name: 'AbortError' });
    });
  });
}
