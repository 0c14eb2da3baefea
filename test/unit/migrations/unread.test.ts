import assert from 'node:assert/strict';
import { names, report, type Files } from './checkout.ts';

const state = async (question: Parameters<typeof report>[0]) => (await report(question)).state;

describe('migrations that nobody has applied yet', () => {
  const script = (name: string): string =>
    `import { MigrationInterface, QueryRunner } from 'typeorm';\nexport class ${name} implements MigrationInterface {}\n`;
  const rows = (...applied: string[]) => ({
    'public.migrations': applied.map((name) => ({ id: '1', timestamp: name.slice(-13), name })),
  });

  describe('of TypeORM', () => {
    const nested: Files = {
      'package.json': '{}',
      'src/migrations/2023/1600000000001-A.ts': script('A1600000000001'),
      'src/migrations/2024/1700000000001-B.ts': script('B1700000000001'),
    };
    const source = (migrations: string): Files => ({
      ...nested,
      'src/data-source.ts': `import path from 'path';\nexport default new DataSource({ type: 'postgres', migrations: ${migrations} });\n`,
    });

    it('are pending in folders below that the data source names', async () => {
      for (const migrations of [
        "['src/migrations/**/*.ts']",
        "[__dirname + '/migrations/**/*{.ts,.js}']",
        "[path.join(__dirname, 'migrations', '**', '*.ts')]",
        "['dist/migrations/**/*.js']",
      ]) {
        const files = source(migrations);
        const found = await report({ files, tables: rows('A1600000000001') });
        assert.equal(found.state, 'behind', migrations);
        assert.deepEqual(names(found.pending), ['B1700000000001'], migrations);
        assert.equal(await state({ files, tables: rows('A1600000000001', 'B1700000000001') }), 'in-step');
      }
    });

    it('are those of the folders that are named, and of no other', async () => {
      const files = source("['src/migrations/2023/*.ts']");
      assert.equal(await state({ files, tables: rows('A1600000000001') }), 'in-step');
    });

    it('are classes that the data source lists, behind an index of modules too', async () => {
      const files: Files = {
        ...nested,
        'src/migrations/index.ts':
          "export * from './2023/1600000000001-A';\nexport { B1700000000001 } from './2024/1700000000001-B.js';\n",
        'src/data-source.ts':
          "import * as all from './migrations';\nnew DataSource({ migrations: Object.values(all) });\n",
      };
      assert.equal(await state({ files, tables: rows('A1600000000001') }), 'behind');
      const one: Files = {
        ...nested,
        'src/data-source.ts':
          "import { A1600000000001 } from './migrations/2023/1600000000001-A';\nnew DataSource({ migrations: [A1600000000001] });\n",
      };
      assert.equal(await state({ files: one, tables: rows('A1600000000001') }), 'in-step');
    });

    it('are unknown where only the program knows which they are, and where nothing says', async () => {
      for (const files of [source('migrationsFor(process.env.SHARD)'), nested]) {
        const found = await report({ files, tables: rows('A1600000000001') });
        assert.equal(found.state, 'unknown');
        assert.match(found.problem ?? '', /data-source\.ts is, is only known|src\/migrations\/2024/i);
      }
    });

    it('are read below the folder of the settings, and are not missing then', async () => {
      const settings = [{ tool: 'typeorm', directory: 'src/migrations' }];
      assert.equal(await state({ files: nested, settings, tables: rows('A1600000000001') }), 'behind');
      const both = rows('A1600000000001', 'B1700000000001');
      assert.equal(await state({ files: nested, settings, tables: both }), 'in-step');
    });
  });

  it('of Knex are pending in a second folder of the knexfile, and unknown where it is computed', async () => {
    const files = (directory: string): Files => ({
      'knexfile.js': `const shared = '../shared/migrations';\nmodule.exports = { migrations: { directory: ${directory} }, seeds: { directory: './seeds' } };`,
      'migrations/1_a.js': 'knex',
      'db/more/2_b.js': 'knex',
    });
    const tables = { 'public.knex_migrations': [{ name: '1_a.js', batch: '1', migration_time: 'now' }] };
    const found = await report({ files: files("['./migrations', './db/more']"), tables });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['2_b.js']);
    assert.equal(await state({ files: files("['./migrations']"), tables }), 'in-step');
    for (const computed of ["['./migrations', ...plugins()]", "['./migrations', shared]"]) {
      const unclear = await report({ files: files(computed), tables });
      assert.equal(unclear.state, 'unknown', computed);
      assert.match(unclear.problem ?? '', /knexfile\.js/i);
    }
  });

  it('of node-pg-migrate are those that --use-glob names, in all folders', async () => {
    const command =
      "node-pg-migrate up -m 'db/migrations/**/*.{js,sql}' --use-glob --ignore-pattern 'db/**/draft_*'";
    const files: Files = {
      'package.json': JSON.stringify({ dependencies: { 'node-pg-migrate': '9' }, scripts: { up: command } }),
      'db/migrations/2023/1_a.js': 'pgm',
      'db/migrations/2024/2_b.sql': '',
      'db/migrations/2024/draft_c.sql': '',
    };
    const applied = (...all: string[]) => ({
      'public.pgmigrations': all.map((name) => ({ name, run_on: 'now' })),
    });
    const found = await report({ files, tables: applied('1_a') });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['2_b']);
    assert.equal(await state({ files, tables: applied('1_a', '2_b') }), 'in-step');
    const configured: Files = {
      ...files,
      'package.json': JSON.stringify({
        dependencies: { 'node-pg-migrate': '9' },
        scripts: { up: 'node-pg-migrate up -f pg.json' },
      }),
      'pg.json': '{"migrations-dir": "db/migrations/**/*.js", "use-glob": true, "migrations-table": "steps"}',
    };
    const own = { 'public.steps': [{ name: '1_a', run_on: 'now' }] };
    assert.equal(await state({ files: configured, tables: own }), 'in-step');
  });

  describe('of Flyway', () => {
    const SQL = 'select 1;\n';
    const row = (script: string, rank: number) => ({
      installed_rank: String(rank),
      version: /\d+/.exec(script)?.[0] ?? null,
      description: 'x',
      type: 'SQL',
      script,
      checksum: null,
      success: 't',
    });
    const tables = (...scripts: string[]) => ({
      'public.flyway_schema_history': scripts.map((script, index) => row(script, index + 1)),
    });

    it('are pending in a second location, also one that is a pattern', async () => {
      for (const locations of ['filesystem:sql,filesystem:views', 'filesystem:sql,filesystem:vi*']) {
        const files = {
          'flyway.conf': `flyway.locations=${locations}\n`,
          'sql/V1__a.sql': SQL,
          'views/V2__b.sql': SQL,
        };
        const found = await report({ files, tables: tables('V1__a.sql') });
        assert.deepEqual([found.state, ...names(found.pending)], ['behind', 'V2__b.sql'], locations);
      }
    });

    it('are unknown in a location or under names that can not be followed', async () => {
      for (const text of [
        'flyway.locations=filesystem:sql,s3:bucket/x',
        'flyway.locations=filesystem:sql,filesystem:${HOME}/x',
        'flyway.locations=filesystem:sql,filesystem:/srv/x',
        'flyway.locations=filesystem:sql\nflyway.sqlMigrationPrefix=M',
      ]) {
        const found = await report({
          files: { 'flyway.conf': `${text}\n`, 'sql/V1__a.sql': SQL },
          tables: tables('V1__a.sql'),
        });
        assert.equal(found.state, 'unknown', text);
      }
    });

    const module = (name: string, uses: readonly string[] = []): Files => ({
      [`${name}/pom.xml`]: `<project><parent><artifactId>all</artifactId></parent><artifactId>${name}</artifactId><dependencies>${uses
        .map((each) => `<dependency><artifactId>${each}</artifactId></dependency>`)
        .join('')}</dependencies></project>`,
    });
    const migrations: Files = {
      'shop/src/main/resources/db/migration/V1__a.sql': SQL,
      'billing/src/main/resources/db/migration/V2__b.sql': SQL,
    };

    it('of a module on the class path of the program are pending, in Maven and in Gradle', async () => {
      const maven = { ...module('shop', ['billing']), ...module('billing'), ...migrations };
      const gradle = {
        'shop/build.gradle.kts': 'dependencies { implementation(project(":billing")) }',
        'billing/build.gradle.kts': '',
        ...migrations,
      };
      for (const files of [maven, gradle]) {
        const found = await report({ files, tables: tables('V1__a.sql') });
        assert.deepEqual([found.state, ...names(found.pending)], ['behind', 'V2__b.sql']);
      }
    });

    it('of a module that may be another program are unknown, and left out where it has a configuration of its own', async () => {
      const apart = { ...module('shop'), ...module('billing'), ...migrations };
      const found = await report({ files: apart, tables: tables('V1__a.sql') });
      assert.equal(found.state, 'unknown');
      assert.match(found.problem ?? '', /billing\/src\/main\/resources\/db\/migration/);
      const own = {
        ...apart,
        'billing/src/main/resources/application.yml': 'spring:\n  flyway:\n    enabled: true\n',
      };
      assert.equal(await state({ files: own, tables: tables('V1__a.sql') }), 'in-step');
    });
  });

  it('of Rails are pending in folders below, in packs and in paths of the configuration', async () => {
    const files = (more: Files): Files => ({
      'config/database.yml': '',
      'db/migrate/20240101000000_a.rb': '',
      ...more,
    });
    const tables = { 'public.schema_migrations': [{ version: '20240101000000' }] };
    const pack = { 'packs/pay/db/migrate/20240102000000_b.rb': '' };
    const engine = { 'engines/pay/db/migrate/20240102000000_b.rb': '' };
    for (const more of [
      { 'db/migrate/2024/20240102000000_b.rb': '' },
      { ...pack, Gemfile: 'gem "packs-rails"\n' },
      { ...engine, 'config/application.rb': "config.paths['db/migrate'] << 'engines/pay/db/migrate'\n" },
    ])
      assert.equal(await state({ files: files(more), tables }), 'behind', JSON.stringify(more));
    assert.equal(await state({ files: files(pack), tables }), 'unknown');
    const computed = {
      'config/application.rb': "config.paths['db/migrate'].concat(Dir[root.join('x')])\n".replace("'x'", 'x'),
    };
    assert.equal(await state({ files: files(computed), tables }), 'unknown');
  });

  describe('of Django', () => {
    const migration = 'class Migration(migrations.Migration):\n    dependencies = []\n';
    const files = (settings: string, more: Files = {}): Files => ({
      'manage.py': 'import django\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings.local")\n',
      'site/settings/__init__.py': '',
      'site/settings/local.py': 'from .base import *\n',
      'site/settings/base.py': settings,
      'site/settings/test.py': 'MIGRATION_MODULES = {"shop": None}\n',
      'shop/migrations/__init__.py': '',
      'shop/migrations/0001_old.py': migration,
      'shop/db_migrations/__init__.py': '',
      'shop/db_migrations/0001_initial.py': migration,
      'shop/db_migrations/0002_more.py': migration,
      ...more,
    });
    const tables = (...applied: string[]) => ({
      'public.django_migrations': applied.map((each) => {
        const [app = '', name = ''] = each.split('.');
        return { id: '1', app, name, applied: 'now' };
      }),
    });

    it('are those of MIGRATION_MODULES in the settings that manage.py names', async () => {
      const settings = 'MIGRATION_MODULES = {\n    "shop": "shop.db_migrations",  # not the old ones\n}\n';
      const found = await report({ files: files(settings), tables: tables('shop.0001_initial') });
      assert.deepEqual([found.state, ...names(found.pending)], ['behind', 'shop.0002_more']);
      const all = tables('shop.0001_initial', 'shop.0002_more');
      assert.equal(await state({ files: files(settings), tables: all }), 'in-step');
    });

    it('are those of MIGRATION_MODULES by the names of constants, its own and imported ones', async () => {
      for (const settings of [
        'MOVED = "shop.db_migrations"\nMIGRATION_MODULES = {"shop": MOVED}\n',
        'from .names import MOVED as THERE\nMIGRATION_MODULES = {\n    "shop": THERE,\n}\n',
        'from . import names\nMIGRATION_MODULES = {}\nMIGRATION_MODULES["shop"] = names.MOVED\n',
      ]) {
        const more = { 'site/settings/names.py': 'MOVED = "shop.db_migrations"\n' };
        const all = tables('shop.0001_initial', 'shop.0002_more');
        assert.equal(await state({ files: files(settings, more), tables: all }), 'in-step', settings);
      }
      const computed = 'MOVED = find("shop")\nMIGRATION_MODULES = {"shop": MOVED}\n';
      assert.equal(await state({ files: files(computed), tables: tables('shop.0001_old') }), 'unknown');
    });

    it('are unknown where MIGRATION_MODULES is computed or leads out of the checkout', async () => {
      for (const settings of [
        'MIGRATION_MODULES = modules_for(INSTALLED_APPS)\n',
        'MIGRATION_MODULES = {"shop": "shop.migrations", **extra}\n',
        'MIGRATION_MODULES = {"shop": "shop.migrations"}\nMIGRATION_MODULES.update(extra)\n',
        'MIGRATION_MODULES = {"shop": "shop.migrations", "pay": "vendored.pay.migrations"}\n',
      ])
        assert.equal(
          await state({ files: files(settings), tables: tables('shop.0001_old') }),
          'unknown',
          settings,
        );
    });

    it('of an app all of whose files are pending are pending', async () => {
      const more = { 'pay/migrations/__init__.py': '', 'pay/migrations/0001_initial.py': migration };
      const found = await report({ files: files('', more), tables: tables('shop.0001_old') });
      assert.deepEqual([found.state, ...names(found.pending)], ['behind', 'pay.0001_initial']);
    });
  });

  describe('of Alembic', () => {
    const revision = (id: string, down: string): string => `revision = '${id}'\ndown_revision = ${down}\n`;
    const files = (env: string, more: Files = {}): Files => ({
      'alembic.ini': '[alembic]\nscript_location = db\n',
      'db/env.py': env,
      'db/versions/a.py': revision('a', 'None'),
      ...more,
    });
    const at = (table: string, ...heads: string[]) => ({
      [table]: heads.map((version_num) => ({ version_num })),
    });

    it('take the table from a constant, of env.py or of a module that it imports', async () => {
      const constant = {
        'app/__init__.py': '',
        'app/names.py': 'TABLE: str = "revisions"\nSCHEMA = "meta"\n',
      };
      for (const env of [
        'TABLE = "revisions"\nSCHEMA = "meta"\ncontext.configure(version_table=TABLE, version_table_schema=SCHEMA)\n',
        'from app.names import TABLE, SCHEMA\ncontext.configure(\n    version_table=TABLE,\n    version_table_schema=SCHEMA,\n)\n',
        'from app import names as n\ncontext.configure(version_table=n.TABLE, version_table_schema=n.SCHEMA)\n',
        'import app.names as n\noptions = {"version_table": n.TABLE, "version_table_schema": n.SCHEMA}\n',
      ]) {
        const tables = { ...at('public.alembic_version', 'x'), ...at('meta.revisions', 'a') };
        const found = await report({ files: files(env, constant), tables });
        assert.deepEqual([found.table, found.state], ['meta.revisions', 'in-step'], env);
      }
    });

    it('are unknown where the table is computed', async () => {
      const env = 'context.configure(version_table=f"{app}_revisions")\n';
      const found = await report({ files: files(env), tables: at('public.alembic_version', 'a') });
      assert.equal(found.state, 'unknown');
      assert.match(found.problem ?? '', /version_table in db\/env\.py.*workspace\.migrations/);
    });

    it('are pending in a second location, whatever the separator', async () => {
      const more = { 'extra/b.py': revision('b', 'None') };
      for (const stated of [
        'version_locations = db/versions extra',
        'version_locations = %(here)s/db/versions:%(here)s/extra\npath_separator = os',
        'version_locations =\n    db/versions\n    extra\npath_separator = newline',
      ]) {
        const ini = `[alembic]\nscript_location = db\n${stated}\n`;
        const found = await report({
          files: { ...files('', more), 'alembic.ini': ini },
          tables: at('public.alembic_version', 'a'),
        });
        assert.deepEqual([found.state, ...names(found.pending)], ['behind', 'b'], stated);
        const both = {
          files: { ...files('', more), 'alembic.ini': ini },
          tables: at('public.alembic_version', 'a', 'b'),
        };
        assert.equal(await state(both), 'in-step', stated);
      }
    });

    it('are read in folders below only where the configuration says so', async () => {
      const more = { 'db/versions/2024/b.py': revision('b', "'a'") };
      const question = { files: files('', more), tables: at('public.alembic_version', 'a') };
      assert.equal(await state(question), 'in-step');
      const deep = '[alembic]\nscript_location = db\nrecursive_version_locations = true\n';
      assert.equal(await state({ ...question, files: { ...question.files, 'alembic.ini': deep } }), 'behind');
    });
  });

  it('of a project’s own files are unknown in a folder beside the known one', async () => {
    const files = {
      'db/migrations/2023/001_a.sql': '',
      'db/migrations/2024/002_b.sql': '',
      'db/seeds/001_s.sql': '',
    };
    const found = await report({ files, tables: { 'public.schema_version': [{ filename: '001_a.sql' }] } });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /db\/migrations\/2024/);
    assert.doesNotMatch(found.problem ?? '', /seeds/);
  });

  it('of a second tool with a table in the database are pending', async () => {
    const { reports } = await import('./checkout.ts');
    const found = await reports({
      files: {
        'alembic.ini': '[alembic]\nscript_location = db\n',
        'db/env.py': '',
        'db/versions/a.py': "revision = 'a'\ndown_revision = None\n",
        'web/schema.prisma': 'datasource db {\n  provider = "postgresql"\n}\n',
        'web/migrations/1_a/migration.sql': '',
      },
      tables: { 'public.alembic_version': [{ version_num: 'a' }], 'public._prisma_migrations': [] },
      columns: {
        'public._prisma_migrations': ['migration_name', 'checksum', 'finished_at', 'rolled_back_at', 'logs'],
      },
    });
    assert.deepEqual(found.map((each) => [each.tool, each.state]).sort(), [
      ['alembic', 'in-step'],
      ['prisma', 'behind'],
    ]);
  });

  it('do not make an advice that loses work without saying so', async () => {
    const files = { 'config/database.yml': '', 'db/migrate/1_a.rb': '', 'db/migrate/3_c.rb': '' };
    const at = (...versions: string[]) => ({
      'public.schema_migrations': versions.map((version) => ({ version })),
    });
    for (const tables of [at('1', '3', '4'), at('1', '2')]) {
      const { message } = await report({ files, tables });
      assert.match(
        message,
        /reset.*everything that was changed in the clone since \(keep it as a snapshot first\)/,
      );
    }
  });
});
