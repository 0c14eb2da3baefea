import assert from 'node:assert/strict';
import { names, report, type Files, type Tables } from './checkout.ts';

/**
 * Trees with folders below and a second location, on which the tool itself was run; the rows are those that it wrote after its
 * first step, and `said` is what it then called pending.
 */
interface Run {
  tool: string;
  files: Files;
  table: string;
  /** After the first step, and after all of them. */
  first: Tables[string];
  all: Tables[string];
  said: readonly string[];
  /** What is told besides. */
  notCompared?: RegExp;
}

const typeorm = (name: string): string =>
  `import { MigrationInterface, QueryRunner } from 'typeorm';\nexport class ${name} implements MigrationInterface {}\n`;
const typeormRows = (...rows: string[]) =>
  rows.map((name, index) => ({ id: String(index), timestamp: name.slice(1), name }));

const pgMigrateRows = (...rows: string[]) =>
  rows.map((name, index) => ({ id: String(index), name, run_on: 'now' }));

const mikroOrm = (glob: string): Files => ({
  'package.json': '{"type":"module","dependencies":{"@mikro-orm/core":"7","@mikro-orm/migrations":"7"}}',
  'mikro-orm.config.ts': `import { defineConfig } from '@mikro-orm/postgresql';
export default defineConfig({
  extensions: [Migrator],
  migrations: { path: 'src/migrations', pathTs: 'src/migrations',${glob} snapshot: false },
});
`,
  'src/migrations/Migration20240101000000.ts': 'export class Migration20240101000000 extends Migration {}',
  'src/migrations/sub/Migration20240102000000.ts':
    'export class Migration20240102000000 extends Migration {}',
});
const mikroOrmRows = (...rows: string[]) =>
  rows.map((name, index) => ({ id: String(index), name, executed_at: 'now' }));

const django = (...dependencies: string[]): string =>
  `from django.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [${dependencies.join()}]\n    operations = [migrations.RunSQL('select 1')]\n`;
const djangoRows = (...rows: string[]) =>
  rows.map((each, index) => {
    const [app = '', name = ''] = each.split('.');
    return { id: String(index), app, name, applied: 'now' };
  });

const revision = (id: string, down: string): string => `revision = '${id}'\ndown_revision = ${down}\n`;

const flywayRow = (rank: number, version: string | null, script: string, checksum: string) => ({
  installed_rank: String(rank),
  version,
  description: /__(\w+)\.sql/.exec(script)?.[1] ?? '',
  type: 'SQL',
  script,
  checksum,
  installed_by: 't',
  installed_on: 'now',
  execution_time: '1',
  success: 't',
});
const flywayRows = [
  flywayRow(1, '1', 'V1__a.sql', '-1193849269'),
  flywayRow(2, '2', 'nested/V2__b.sql', '1407251784'),
  flywayRow(3, '3', 'V3__c.sql', '-1138581898'),
  flywayRow(4, null, 'nested/R__v.sql', '865944825'),
];

const changeSetRow = (order: number, filename: string, md5sum: string) => ({
  id: String(order),
  author: 'me',
  filename,
  dateexecuted: 'now',
  orderexecuted: String(order),
  exectype: 'EXECUTED',
  md5sum,
  description: 'sql',
});
const changeSetRows = [
  changeSetRow(1, 'db/changelog/changes/1.sql', '9:bc977861bd4473eb06a874429a50b8f6'),
  changeSetRow(2, 'db/changelog/changes/nested/2.sql', '9:4ccccc9eab4f4e56a6297af436a1d73e'),
  changeSetRow(3, 'db/more/extra.yaml', '9:9f3a7ce7fee33734ec175c1d4ad897c5'),
];

const atlasRow = (version: string, description: string, type: number, hash: string) => ({
  ...{ version, description, type: String(type), applied: '1', total: '1', error: null, hash },
});
const atlasFiles: Files = {
  'db/atlas.sum': 'h1:x',
  'db/1_a.sql': 'create table t_1_a (id int);\n',
  // Not at its top, and so no mark of the file.
  'db/2_b.sql': 'select 1;\n-- atlas:checkpoint\nselect 2;\n',
  'db/3_c.sql': 'create table t_3_c (id int);\n',
};
const atlasRows = [
  atlasRow('1', 'a', 2, '+st7PMO6DkXNcbX5/GOjB9CZeYnChSyz3tAkFpKHNQk='),
  atlasRow('2', 'b', 2, 'oFP8kd9xkuIspkjwkYNKh9jZKHyQZjy858LjVQXNCvU='),
  atlasRow('3', 'c', 2, 'adh32r6C2eD8gUZc47dcuELz04q98KtmmsYVB34k2ig='),
];

const gooseRows = (...versions: string[]) =>
  ['0', ...versions].map((version_id, index) => ({ id: String(index + 1), version_id, is_applied: 't' }));

const sqlxRows = [
  {
    ...{ version: '1', description: 'first one', success: 't' },
    checksum:
      '\\x333f92a8b147295e02867266eff3efdec74f83a55973146d680b6c0edcb6d74500111c96663422a9c77f878ed204d818',
  },
  {
    ...{ version: '20240102000000', description: 'b', success: 't' },
    checksum:
      '\\xfeb1553ce8c4e51e396c44fb0bfe1ae070e582f51f927cadfb8a9d84803a53fddb4ea2960ea7194757c7b5174fa2cafb',
  },
];

const runs: Readonly<Record<string, Run>> = {
  'TypeORM 1.1': {
    tool: 'typeorm',
    files: {
      'package.json': '{"dependencies":{"typeorm":"1","pg":"8"}}',
      'src/data-source.ts': `import { DataSource } from 'typeorm';
import { join } from 'path';
export default new DataSource({
  type: 'postgres',
  migrationsTableName: 'steps',
  migrations: [join(__dirname, 'migrations', '**', '*.{ts,js}'), 'src/modules/*/migrations/*.ts'],
});
`,
      'src/migrations/1700000000001-A.ts': typeorm('A1700000000001'),
      'src/migrations/2024/q1/1700000000002-B.ts': typeorm('B1700000000002'),
      'src/modules/billing/migrations/1700000000003-C.ts': typeorm('C1700000000003'),
    },
    table: 'public.steps',
    first: typeormRows('A1700000000001'),
    all: typeormRows('A1700000000001', 'B1700000000002', 'C1700000000003'),
    said: ['B1700000000002', 'C1700000000003'],
  },
  'node-pg-migrate 9': {
    tool: 'node-pg-migrate',
    files: {
      'package.json': `{"scripts":{"migrate":"node-pg-migrate --use-glob -m \\"{migrations,more}/**/*.{js,cjs,sql}\\""},"dependencies":{"node-pg-migrate":"9","pg":"8"}}`,
      'migrations/1700000000001_a.cjs': 'exports.up = (pgm) => {};',
      'migrations/sub/1700000000002_b.cjs': 'exports.up = (pgm) => {};',
      'more/1700000000003_c.sql': '-- Up Migration\nselect 1;\n',
    },
    table: 'public.pgmigrations',
    first: pgMigrateRows('1700000000001_a'),
    all: pgMigrateRows('1700000000001_a', '1700000000002_b', '1700000000003_c'),
    said: ['1700000000002_b', '1700000000003_c'],
  },
  'MikroORM 7 with a pattern': {
    tool: 'mikro-orm',
    files: mikroOrm(" glob: '**/!(*.d).{js,ts}',"),
    table: 'public.mikro_orm_migrations',
    first: mikroOrmRows('Migration20240101000000'),
    all: mikroOrmRows('Migration20240101000000', 'Migration20240102000000'),
    said: ['Migration20240102000000'],
  },
  'MikroORM 7 without one': {
    tool: 'mikro-orm',
    files: mikroOrm(''),
    table: 'public.mikro_orm_migrations',
    first: mikroOrmRows('Migration20240101000000'),
    all: mikroOrmRows('Migration20240101000000'),
    said: [],
  },
  'MikroORM 7 with a schema in the name of its table': {
    tool: 'mikro-orm',
    files: mikroOrm(" tableName: 'meta.steps', glob: '**/!(*.d).{js,ts}',"),
    table: 'meta.steps',
    first: mikroOrmRows('Migration20240101000000'),
    all: mikroOrmRows('Migration20240101000000', 'Migration20240102000000'),
    said: ['Migration20240102000000'],
  },
  'MikroORM 7 with a schema for its table': {
    tool: 'mikro-orm',
    files: mikroOrm(" tableName: 'other.steps', schema: 'meta', glob: '**/!(*.d).{js,ts}',"),
    table: 'meta.steps',
    first: mikroOrmRows('Migration20240101000000'),
    all: mikroOrmRows('Migration20240101000000', 'Migration20240102000000'),
    said: ['Migration20240102000000'],
  },
  'goose 3.30': {
    tool: 'goose',
    files: {
      'db/00001_a.sql': '-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;\n',
      'db/00004_x.up.sql': '-- +goose Up\nselect 1;\n',
      'db/007_test.sql': '-- +goose Up\nselect 1;\n',
      'db/8_.sql': '-- +goose Up\nselect 1;\n',
      'db/20240102030405_b.sql': '-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;\n',
    },
    table: 'public.goose_db_version',
    first: gooseRows('1'),
    all: gooseRows('1', '4', '7', '8', '20240102030405'),
    said: ['00004_x.up.sql', '007_test.sql', '8_.sql', '20240102030405_b.sql'],
  },
  'SQLx 0.9': {
    tool: 'sqlx',
    files: {
      'Cargo.toml': '[dependencies]\nsqlx = "0.9"\n',
      'migrations/0001_first_one.sql': 'create table a (id int);\r\n',
      'migrations/20240102000000_b.up.sql': 'create table b (id int);\n',
      'migrations/20240102000000_b.down.sql': 'drop table b;\n',
      'migrations/README.md': 'x\n',
    },
    table: 'public._sqlx_migrations',
    first: sqlxRows.slice(0, 1),
    all: sqlxRows,
    said: ['20240102000000_b'],
  },
  'Atlas 0.32': {
    tool: 'atlas',
    files: atlasFiles,
    table: 'atlas_schema_revisions.atlas_schema_revisions',
    first: atlasRows.slice(0, 2),
    all: atlasRows,
    said: ['3_c'],
  },
  'Atlas 0.32 from a baseline on': {
    tool: 'atlas',
    files: { ...atlasFiles, 'db/2_b.sql': 'create table t_2_b (id int);\n' },
    table: 'atlas_schema_revisions.atlas_schema_revisions',
    first: [{ ...atlasRow('2', 'b', 1, ''), applied: '0', total: '0' }],
    all: [
      { ...atlasRow('2', 'b', 1, ''), applied: '0', total: '0' },
      atlasRow('3', 'c', 2, 'ZDqiXvx0oIqZVNLAdYKa0iCa2M25RLn5O/h1wpxGWH0='),
    ],
    said: ['3_c'],
  },
  'Knex 3.3': {
    tool: 'knex',
    files: {
      'package.json': '{"dependencies":{"knex":"3","pg":"8"}}',
      'knexfile.js': `module.exports = { development: { client: 'pg', migrations: { directory: ['./migrations', './more'], sortDirsSeparately: false } } };`,
      'migrations/20240101_a.js': 'exports.up = (knex) => knex.schema;',
      'migrations/sub/20240102_b.js': 'exports.up = (knex) => knex.schema;',
      'more/20240103_c.js': 'exports.up = (knex) => knex.schema;',
    },
    table: 'public.knex_migrations',
    first: [{ id: '1', name: '20240101_a.js', batch: '1', migration_time: 'now' }],
    all: ['20240101_a.js', '20240103_c.js'].map((name) => ({
      id: '1',
      name,
      batch: '1',
      migration_time: 'now',
    })),
    said: ['20240103_c.js'],
  },
  'Django 5.2': {
    tool: 'django',
    files: {
      'manage.py': "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'project.settings.dev')\nimport django\n",
      'project/settings/__init__.py': '',
      'project/settings/base.py': "OTHERS = 'elsewhere.orders'\nMIGRATION_MODULES = {'orders': OTHERS}\n",
      'project/settings/dev.py': 'from .base import *\n',
      'shop/migrations/__init__.py': '',
      'shop/migrations/0001_initial.py': django(),
      'shop/migrations/0002_more.py': django("('shop', '0001_initial')"),
      'apps/billing/apps.py':
        "class BillingConfig(AppConfig):\n    name = 'apps.billing'\n    label = 'bills'\n",
      'apps/billing/migrations/__init__.py': '',
      'apps/billing/migrations/0001_initial.py': django(),
      'apps/billing/migrations/old/__init__.py': '',
      'apps/billing/migrations/old/0000_x.py': django(),
      'elsewhere/__init__.py': '',
      'elsewhere/orders/__init__.py': '',
      'elsewhere/orders/0001_initial.py': django("('bills', '0001_initial')"),
      'orders/migrations/__init__.py': '',
      'orders/migrations/0009_dead.py': django(),
    },
    table: 'public.django_migrations',
    first: djangoRows('shop.0001_initial'),
    all: djangoRows('shop.0001_initial', 'shop.0002_more', 'bills.0001_initial', 'orders.0001_initial'),
    said: ['bills.0001_initial', 'orders.0001_initial', 'shop.0002_more'],
  },
  'Alembic 1.20': {
    tool: 'alembic',
    files: {
      'alembic.ini': `[alembic]
script_location = %(here)s/db/migrations
version_locations = %(here)s/db/one
    %(here)s/db/two
path_separator = newline
recursive_version_locations = true
`,
      'db/migrations/env.py': "TABLE = 'my_versions'\ncontext.configure(connection=c, version_table=TABLE)\n",
      'db/one/a.py': revision('aaa', 'None'),
      'db/one/deep/b.py': revision('bbb', "'aaa'"),
      'db/two/c.py': revision('ccc', "'bbb'"),
    },
    table: 'public.my_versions',
    first: [{ version_num: 'bbb' }],
    all: [{ version_num: 'ccc' }],
    said: ['c'],
  },
  'Flyway 13': {
    tool: 'flyway',
    files: {
      'pom.xml':
        '<project><build><plugins><plugin><artifactId>flyway-maven-plugin</artifactId><configuration><locations><location>filesystem:src/main/resources/db/migration</location><location>filesystem:src/main/resources/db/extra</location></locations></configuration></plugin></plugins></build></project>',
      'src/main/resources/db/migration/V1__a.sql': 'create table a(id int);\n',
      'src/main/resources/db/migration/nested/V2__b.sql': 'create table b(id int);\n',
      'src/main/resources/db/migration/nested/R__v.sql': 'create or replace view v as select 1 as x;\n',
      'src/main/resources/db/extra/V3__c.sql': 'create table c(id int);\n',
    },
    table: 'public.flyway_schema_history',
    first: flywayRows.slice(0, 1),
    all: flywayRows,
    said: ['V2__b.sql', 'V3__c.sql', 'R__v.sql'],
  },
  'Liquibase 4.33': {
    tool: 'liquibase',
    files: {
      'src/main/resources/db/changelog/db.changelog-master.yaml':
        'databaseChangeLog:\n  - includeAll:\n      path: changes/\n      relativeToChangelogFile: true\n  - include:\n      file: db/more/extra.yaml\n',
      'src/main/resources/db/changelog/changes/1.sql':
        '--liquibase formatted sql\n--changeset me:1\ncreate table a(id int);\n',
      'src/main/resources/db/changelog/changes/nested/2.sql':
        '--liquibase formatted sql\n--changeset me:2\ncreate table b(id int);\n',
      'src/main/resources/db/more/extra.yaml':
        'databaseChangeLog:\n  - changeSet:\n      id: 3\n      author: me\n      changes:\n        - sql:\n            sql: create table c(id int)\n',
    },
    table: 'public.databasechangelog',
    first: changeSetRows.slice(0, 1),
    all: changeSetRows,
    said: ['changes/nested/2.sql::2::me', 'more/extra.yaml::3::me'],
    notCompared: /Whether 1 of the applied change sets were changed/,
  },
};

describe('what tools themselves say of trees with folders below and a second location', () => {
  for (const [title, { tool, files, table, first, all, said, notCompared }] of Object.entries(runs))
    it(`is what is said here: ${title}`, async () => {
      const begun = await report({ files, tables: { [table]: first } });
      assert.deepEqual(
        [begun.tool, begun.state, begun.problem, begun.pending.length],
        [tool, said.length === 0 ? 'in-step' : 'behind', null, said.length],
      );
      for (const each of said)
        assert.ok(
          names(begun.pending).some((name) => name.endsWith(each)),
          names(begun.pending).join(),
        );
      const done = await report({ files, tables: { [table]: all } });
      assert.equal(done.state, 'in-step');
      assert.deepEqual(done.edited, []);
      assert.match(done.problem ?? '', notCompared ?? /^$/);
    });

  // Both read no folder below theirs. Whether another program reads it can't be known, so this is not called in step.
  for (const [tool, table, columns, files] of [
    [
      'sequelize',
      'public.SequelizeMeta',
      { name: '20240101-a.js' },
      {
        'package.json': '{"dependencies":{"sequelize":"6","sequelize-cli":"6"}}',
        'migrations/20240101-a.js': 'module.exports = { up: (queryInterface) => {} };',
        'migrations/sub/20240102-b.js': 'module.exports = { up: (queryInterface) => {} };',
      },
    ],
    [
      'goose',
      'public.goose_db_version',
      { id: '1', version_id: '1', is_applied: 't' },
      {
        'db/migrations/00001_a.sql': '-- +goose Up\nselect 1;\n',
        'db/migrations/nested/00003_c.sql': '-- +goose Up\nselect 1;\n',
      },
    ],
  ] as const)
    it(`is unknown where ${tool} has files in a folder below, which it does not read, until the settings name the one that counts`, async () => {
      const question = { files, tables: { [table]: [columns] } };
      const found = await report(question);
      assert.equal(found.state, 'unknown');
      assert.match(found.problem ?? '', /workspace\.migrations/);
      const directory = tool === 'goose' ? 'db/migrations' : 'migrations';
      assert.equal((await report({ ...question, settings: [{ tool, directory }] })).state, 'in-step');
    });
});
