import assert from 'node:assert/strict';
import { names, report, type Files } from './checkout.ts';

describe('migrations of Knex', () => {
  const script = 'exports.up = (knex) => knex.schema.createTable("a", () => {});\n';
  const files = (...migrations: string[]): Files => ({
    'knexfile.js': 'module.exports = { client: "pg" };',
    ...Object.fromEntries(migrations.map((name) => [`migrations/${name}`, script])),
  });
  const rows = (...applied: string[]) =>
    applied.map((name, index) => ({ id: String(index), name, batch: '1', migration_time: 'now' }));
  const tables = (...applied: string[]) => ({ 'public.knex_migrations': rows(...applied) });

  it('are in step, behind, ahead or diverged by the names of files', async () => {
    const two = files('20240101_a.js', '20240102_b.js');
    const state = async (...applied: string[]) =>
      (await report({ files: two, tables: tables(...applied) })).state;
    assert.equal(await state('20240101_a.js', '20240102_b.js'), 'in-step');
    assert.equal(await state('20240101_a.js'), 'behind');
    assert.equal(await state('20240101_a.js', '20240102_b.js', '20240103_c.js'), 'ahead');
    assert.equal(await state('20240101_a.js', '20240103_c.js'), 'diverged');
  });

  it('are the same after a build turned .ts into .js', async () => {
    const found = await report({ files: files('20240101_a.ts'), tables: tables('20240101_a.js') });
    assert.equal(found.state, 'in-step');
  });

  it('lie where the knexfile says, in the table that it says', async () => {
    const knexfile = `module.exports = { development: {
      migrations: { directory: path.join(__dirname, 'db', 'changes'), tableName: 'my_changes', schemaName: 'meta' },
      seeds: { directory: './seeds' }, // migrations: { directory: './old' }
    } };`;
    const found = await report({
      files: { 'api/knexfile.ts': knexfile, 'api/db/changes/1_a.ts': script, 'api/seeds/1_s.ts': script },
      tables: { 'meta.my_changes': rows('1_a.ts'), 'public.my_changes': rows('1_a.ts', '2_b.ts') },
    });
    assert.equal(found.directory, 'api/db/changes');
    assert.equal(found.table, 'meta.my_changes');
    assert.equal(found.state, 'in-step');
  });

  it('have diverged while the lock is held', async () => {
    const found = await report({
      files: files('20240101_a.js'),
      tables: { ...tables('20240101_a.js'), 'public.knex_migrations_lock': [{ is_locked: '1' }] },
    });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.failed), ['knex_migrations_lock']);
    const free = await report({
      files: files('20240101_a.js'),
      tables: { ...tables('20240101_a.js'), 'public.knex_migrations_lock': [{ is_locked: '0' }] },
    });
    assert.equal(free.state, 'in-step');
  });
});

describe('migrations of Sequelize', () => {
  const script = 'module.exports = { up: (queryInterface) => queryInterface.createTable("a", {}) };\n';

  it('are compared by the names of files, in every state', async () => {
    const files = { 'migrations/20240101-a.js': script, 'migrations/20240102-b.js': script };
    const state = async (...applied: string[]) =>
      (await report({ files, tables: { 'public.SequelizeMeta': applied.map((name) => ({ name })) } })).state;
    assert.equal(await state('20240101-a.js', '20240102-b.js'), 'in-step');
    assert.equal(await state('20240101-a.js'), 'behind');
    assert.equal(await state('20240101-a.js', '20240102-b.js', '20240103-c.js'), 'ahead');
    assert.equal(await state('20240101-a.js', '20240103-c.js'), 'diverged');
  });

  it('lie where .sequelizerc says, in the table that config/config.json says', async () => {
    const found = await report({
      files: {
        '.sequelizerc': "module.exports = { 'migrations-path': path.resolve('db', 'migrate') };",
        'config/config.json':
          '{"development": {"migrationStorageTableName": "meta", "migrationStorageTableSchema": "own"}}',
        'db/migrate/20240101-a.js': script,
      },
      tables: { 'own.meta': [{ name: '20240101-a.js' }] },
    });
    assert.equal(found.tool, 'sequelize');
    assert.equal(found.directory, 'db/migrate');
    assert.equal(found.state, 'in-step');
  });
});

describe('migrations of node-pg-migrate', () => {
  const script = 'exports.up = (pgm) => pgm.createTable("a", {});\n';
  const files = (...migrations: string[]): Files => ({
    'package.json': '{"dependencies": {"node-pg-migrate": "8"}}',
    ...Object.fromEntries(migrations.map((name) => [`migrations/${name}`, script])),
  });
  const tables = (...applied: string[]) => ({
    'public.pgmigrations': applied.map((name) => ({ name, run_on: 'now' })),
  });

  it('are compared by names without ends, in every state', async () => {
    const two = files('1700000000001_a.js', '1700000000002_b.sql');
    const state = async (...applied: string[]) =>
      (await report({ files: two, tables: tables(...applied) })).state;
    assert.equal(await state('1700000000001_a', '1700000000002_b'), 'in-step');
    assert.equal(await state('1700000000001_a'), 'behind');
    assert.equal(await state('1700000000001_a', '1700000000002_b', '1700000000003_c'), 'ahead');
    assert.equal(await state('1700000000001_a', '1700000000003_c'), 'diverged');
  });

  it('have diverged when an older one is pending: node-pg-migrate refuses it', async () => {
    const two = files('1700000000001_a.js', '1700000000002_b.js');
    const found = await report({ files: two, tables: tables('1700000000002_b') });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.outOfOrder), ['1700000000001_a']);
    assert.match(found.message, /1700000000001_a comes before/);
  });

  it('are in the order of their times, written in milliseconds or in digits', async () => {
    const found = await report({
      files: files('20240101000000000_digits.js', '1600000000000_old.js'),
      tables: tables('1600000000000_old'),
    });
    assert.deepEqual(found.outOfOrder, []);
    assert.equal(found.state, 'behind');
  });

  it('take folder and table from the command in package.json', async () => {
    const command = 'node-pg-migrate -m db/steps --migrations-table steps';
    const found = await report({
      files: {
        'package.json': JSON.stringify({
          devDependencies: { 'node-pg-migrate': '8' },
          scripts: { m: command },
        }),
        'db/steps/1_a.js': script,
      },
      tables: { 'public.steps': [{ name: '1_a', run_on: 'now' }] },
    });
    assert.equal(found.directory, 'db/steps');
    assert.equal(found.state, 'in-step');
  });
});

describe('migrations of TypeORM', () => {
  const script = (name: string, body = ''): string =>
    `import { MigrationInterface, QueryRunner } from 'typeorm';\nexport class ${name} implements MigrationInterface {${body}}\n`;
  const files: Files = {
    'src/migration/1700000000001-First.ts': script('First1700000000001'),
    'src/migration/1700000000002-Second.ts': script('Whatever', "\n  name = 'Second1700000000002'\n"),
  };
  const tables = (...applied: string[]) => ({
    'public.migrations': applied.map((name) => ({ id: '1', timestamp: name.slice(-13), name })),
  });

  it('are compared by class or by its property name, in every state', async () => {
    const state = async (...applied: string[]) => (await report({ files, tables: tables(...applied) })).state;
    assert.equal(await state('First1700000000001', 'Second1700000000002'), 'in-step');
    assert.equal(await state('First1700000000001'), 'behind');
    assert.equal(await state('First1700000000001', 'Second1700000000002', 'Third1700000000003'), 'ahead');
    assert.equal(await state('First1700000000001', 'Third1700000000003'), 'diverged');
  });

  it('name the file of each pending one', async () => {
    const found = await report({ files, tables: tables('First1700000000001') });
    assert.deepEqual(found.pending, [
      { name: 'Second1700000000002', file: 'src/migration/1700000000002-Second.ts' },
    ]);
  });

  it('take the table from the data source', async () => {
    const source = "new DataSource({ migrationsTableName: 'meta.typeorm_migrations' })";
    const found = await report({
      files: { ...files, 'src/data-source.ts': source },
      tables: { 'meta.typeorm_migrations': tables('First1700000000001')['public.migrations'] },
    });
    assert.equal(found.table, 'meta.typeorm_migrations');
    assert.equal(found.state, 'behind');
  });

  it('are not mistaken for those of a table with batches, which is another tool’s', async () => {
    const laravel = [{ id: '1', migration: '2024_01_01_a', batch: '1', name: 'x', timestamp: '1' }];
    const found = await report({ files, tables: { 'public.migrations': laravel } });
    assert.equal(found.state, 'behind');
    assert.equal(found.counts.applied, 0);
  });
});
