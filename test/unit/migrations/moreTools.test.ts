import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { names, report, type Files } from './checkout.ts';

const SQL = 'create table a (id int);\n';

describe('migrations of goose', () => {
  const files: Files = {
    'db/00001_a.sql': `-- +goose Up\n${SQL}`,
    'db/00002_b.go': 'func init() { goose.AddMigrationContext(up, down) }',
    'db/00002_b_test.go': '',
  };
  const tables = (...rows: [string, string][]) => ({
    'public.goose_db_version': [['0', 't'], ...rows].map(([version_id = '', is_applied = ''], id) => ({
      id: String(id),
      version_id,
      is_applied,
    })),
  });
  const state = async (...rows: [string, string][]) =>
    (await report({ files, tables: tables(...rows) })).state;

  it('are compared by version, of which the last row counts', async () => {
    assert.equal(await state(['1', 't'], ['2', 't']), 'in-step');
    assert.equal(await state(['1', 't']), 'behind');
    assert.equal(await state(['1', 't'], ['2', 't'], ['2', 'f']), 'behind');
    assert.equal(await state(['1', 't'], ['2', 't'], ['3', 't']), 'ahead');
    assert.equal(await state(['2', 't']), 'diverged');
  });
});

describe('migrations of SQLx', () => {
  const files: Files = {
    'Cargo.toml': '[dependencies]\nsqlx = { version = "0.8" }\n',
    'migrations/20240101000000_first_one.up.sql': SQL,
    'migrations/20240101000000_first_one.down.sql': '',
    'migrations/20240102000000_b.up.sql': SQL,
  };
  const checksum = `\\x${createHash('sha384').update(SQL).digest('hex')}`;
  const row = (version: string, more: object = {}) => ({
    version,
    description: 'first one',
    success: 't',
    checksum,
    ...more,
  });
  const of = (...rows: ReturnType<typeof row>[]) =>
    report({ files, tables: { 'public._sqlx_migrations': rows } });

  it('are compared by version and checksum', async () => {
    const [one, two] = [row('20240101000000'), row('20240102000000')];
    assert.equal((await of(one, two)).state, 'in-step');
    assert.deepEqual(names((await of(one)).pending), ['20240102000000_b']);
    assert.equal((await of(one, two, row('20240103000000'))).state, 'ahead');
    assert.deepEqual(names((await of(one, row('20240102000000', { checksum: '\\x00' }))).edited), [
      '20240102000000_b',
    ]);
    assert.equal((await of(one, row('20240102000000', { success: 'f' }))).state, 'diverged');
  });

  it('have the table of sqlx.toml', async () => {
    const found = await report({
      files: { ...files, 'sqlx.toml': '[migrate]\ntable-name = "steps"\n' },
      tables: { 'public.steps': [row('20240101000000'), row('20240102000000')] },
    });
    assert.deepEqual([found.table, found.state], ['public.steps', 'in-step']);
  });

  it('lie where sqlx.toml says, with a schema for the table and without the characters that are left out', async () => {
    const begun = {
      files: {
        'Cargo.toml': '[dependencies]\nsqlx = { version = "0.9", features = ["sqlx-toml"] }\n',
        'sqlx.toml': `[migrate]
create-schemas = ["meta"]
table-name = 'meta."My steps"'
migrations-dir = "db/migs"
ignored-chars = [
  "\\r",
  " ",
]
`,
        'db/migs/0001_first_one.sql': 'create table a (id int);\r\n',
        'other/migrations/1_x.sql': SQL,
      },
      tables: {
        'meta.My steps': [
          row('1', {
            checksum: `\\x${createHash('sha384').update('createtablea(idint);\n').digest('hex')}`,
          }),
        ],
      },
    };
    const found = await report(begun);
    assert.deepEqual(
      [found.table, found.directory, found.state, found.edited],
      ['meta.My steps', 'db/migs', 'in-step', []],
    );
    const edited = await report({
      ...begun,
      files: { ...begun.files, 'db/migs/0001_first_one.sql': 'create table b (id int);\n' },
    });
    assert.equal(edited.state, 'edited');
    // Nothing is applied yet: the folder that is said counts, and no other one.
    const empty = await report({ files: begun.files });
    assert.deepEqual([empty.directory, empty.state], ['db/migs', 'behind']);
  });
});

describe('migrations of EF Core', () => {
  const migration = (folder: string, id: string, context: string): Files => ({
    [`${folder}/${id}.cs`]: 'class X : Migration {}',
    [`${folder}/${id}.Designer.cs`]: `[DbContext(typeof(${context}))]\n[Migration("${id}")]\n`,
  });
  const files: Files = {
    'shop.csproj': '',
    ...migration('Migrations', '20240101000000_A', 'Shop'),
    ...migration('Data/More', '20240102000000_B', 'Shop'),
    ...migration('Migrations/Audit', '20240103000000_C', 'Audit'),
  };
  const history = (...ids: string[]) => ids.map((id) => ({ MigrationId: id, ProductVersion: '9.0.0' }));

  it('are those of one context in all folders of the program', async () => {
    const found = await report({
      files,
      tables: { 'public.__EFMigrationsHistory': history('20240101000000_A') },
    });
    assert.deepEqual([found.state, ...names(found.pending)], ['behind', '20240102000000_B']);
    assert.match(found.problem ?? '', /Migrations\/Audit/);
  });

  it('have the table that the set-up says, and are unknown where it is computed', async () => {
    const said = (stated: string): Files => ({
      ...files,
      'Program.cs': `options.UseNpgsql(url, x => x.MigrationsHistoryTable(${stated}));`,
    });
    const all = history('20240101000000_A', '20240102000000_B');
    const found = await report({ files: said('"steps", "meta"'), tables: { 'meta.steps': all } });
    assert.deepEqual([found.table, found.state], ['meta.steps', 'in-step']);
    const unclear = await report({
      files: said('Names.History'),
      tables: { 'public.__EFMigrationsHistory': all },
    });
    assert.equal(unclear.state, 'unknown');
  });
});

describe('migrations of MikroORM', () => {
  const files = (config: string): Files => ({
    'package.json': '{"dependencies": {"@mikro-orm/migrations": "7"}}',
    ...(config === '' ? {} : { 'mikro-orm.config.ts': `export default { migrations: { ${config} } };` }),
    'src/migrations/Migration1.ts': '',
    'src/migrations/deep/Migration2.ts': '',
  });
  const tables = (name: string, ...rows: string[]) => ({
    [name]: rows.map((each) => ({ id: '1', name: each, executed_at: 'now' })),
  });

  it('are scripts of the folder, with or without a configuration, and below it with a pattern', async () => {
    const applied = tables('public.mikro_orm_migrations', 'Migration1.js');
    assert.equal((await report({ files: files(''), tables: applied })).state, 'in-step');
    assert.equal(
      (await report({ files: files("path: './dist/migrations'"), tables: applied })).state,
      'in-step',
    );
    const deep = await report({
      files: files("path: 'src/migrations', glob: '**/!(*.d).{js,ts}'"),
      tables: applied,
    });
    assert.deepEqual([deep.state, ...names(deep.pending)], ['behind', 'Migration2']);
    const listed = await report({
      files: files("path: 'src/migrations', migrationsList: all"),
      tables: applied,
    });
    assert.equal(listed.state, 'unknown');
    const own = await report({
      files: files("tableName: 'steps'"),
      tables: tables('public.steps', 'Migration1'),
    });
    assert.equal(own.state, 'in-step');
  });
});

describe('migrations of Atlas', () => {
  const files = (more: Files = {}): Files => ({
    'db/atlas.sum': 'h1:x',
    'db/1_a.sql': SQL,
    'db/2_b.sql': SQL,
    ...more,
  });
  const sum = (...parts: string[]): string => createHash('sha256').update(parts.join('')).digest('base64');
  const row = (version: string, hash: string, more: object = {}) => ({
    version,
    description: 'x',
    applied: '1',
    total: '1',
    error: null,
    hash,
    ...more,
  });
  const one = row('1', sum('1_a.sql', SQL));
  const two = row('2', sum('1_a.sql', SQL, '2_b.sql', SQL));
  const of = (all: Files, ...rows: ReturnType<typeof row>[]) =>
    report({ files: all, tables: { 'atlas_schema_revisions.atlas_schema_revisions': rows } });

  it('are compared by version and by the sum of all files up to one', async () => {
    assert.equal((await of(files(), one, two)).state, 'in-step');
    assert.deepEqual(names((await of(files(), one)).pending), ['2_b']);
    assert.equal((await of(files(), one, two, row('3', 'x'))).state, 'ahead');
    assert.deepEqual(names((await of(files({ 'db/1_a.sql': 'select 2;\n' }), one, two)).edited), ['1_a']);
    assert.equal((await of(files(), one, row('2', '', { applied: '0', error: 'syntax' }))).state, 'diverged');
  });

  it('begin at a checkpoint in an empty database, and pass it over in others', async () => {
    const all = files({ 'db/3_all.sql': `-- atlas:checkpoint\n\n${SQL}`, 'db/4_d.sql': SQL });
    const empty = await report({ files: all });
    assert.deepEqual(names(empty.pending), ['3_all', '4_d']);
    assert.deepEqual(names((await of(all, one)).pending), ['2_b', '4_d']);
  });
});
