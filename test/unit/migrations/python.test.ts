import assert from 'node:assert/strict';
import { names, report, type Files } from './checkout.ts';

describe('migrations of Django', () => {
  const migration = (body = ''): string =>
    `from django.db import migrations\n\nclass Migration(migrations.Migration):\n${body}\n    operations = []\n`;
  const after = (app: string, name: string): string =>
    `    dependencies = [\n        ("${app}", "${name}"),\n    ]\n`;
  const files: Files = {
    'manage.py': 'import django',
    'shop/migrations/__init__.py': '',
    'shop/migrations/0001_initial.py': migration(),
    'shop/migrations/0002_more.py': migration(after('shop', '0001_initial')),
  };
  const tables = (...applied: string[]) => ({
    'public.django_migrations': applied.map((each) => {
      const [app = '', name = ''] = each.split('.');
      return { id: '1', app, name, applied: 'now' };
    }),
  });
  const state = async (...applied: string[]) => (await report({ files, tables: tables(...applied) })).state;

  it('are in step, behind, ahead or diverged by app and name', async () => {
    assert.equal(await state('shop.0001_initial', 'shop.0002_more'), 'in-step');
    assert.equal(await state('shop.0001_initial'), 'behind');
    assert.equal(await state('shop.0001_initial', 'shop.0002_more', 'shop.0003_x'), 'ahead');
    assert.equal(await state('shop.0001_initial', 'shop.0002_other'), 'diverged');
  });

  it('leave out apps that are not in the checkout, and say which', async () => {
    const found = await report({
      files,
      tables: tables('shop.0001_initial', 'shop.0002_more', 'auth.0001_initial', 'sessions.0001_initial'),
    });
    assert.equal(found.state, 'in-step');
    assert.match(found.problem ?? '', /auth, sessions/);
  });

  it('take the label of the app’s configuration', async () => {
    const labelled = {
      ...files,
      'shop/apps.py': 'class C(AppConfig):\n    name = "shop"\n    label = "store"\n',
    };
    const found = await report({ files: labelled, tables: tables('store.0001_initial', 'store.0002_more') });
    assert.equal(found.state, 'in-step');
  });

  it('count a squashed one as applied when all that it replaces is, with or without the old files', async () => {
    const replaces = '    replaces = [("shop", "0001_initial"), ("shop", "0002_more")]\n';
    const squashed: Files = { ...files, 'shop/migrations/0001_squashed_0002_more.py': migration(replaces) };
    const all = tables('shop.0001_initial', 'shop.0002_more');
    assert.equal((await report({ files: squashed, tables: all })).state, 'in-step');
    const { 'shop/migrations/0001_initial.py': _a, 'shop/migrations/0002_more.py': _b, ...rest } = squashed;
    assert.equal((await report({ files: rest, tables: all })).state, 'in-step');
    const some = await report({ files: squashed, tables: tables('shop.0001_initial') });
    assert.deepEqual(names(some.pending), ['shop.0002_more']);
    const recorded = tables('shop.0001_initial', 'shop.0002_more', 'shop.0001_squashed_0002_more');
    assert.equal((await report({ files: squashed, tables: recorded })).state, 'in-step');
  });

  it('are pending in the order of their dependencies', async () => {
    const more = {
      ...files,
      'base/migrations/__init__.py': '',
      'base/migrations/0001_initial.py': migration(after('shop', '0002_more')),
    };
    const found = await report({ files: more, tables: tables('shop.0001_initial') });
    assert.deepEqual(names(found.pending), ['shop.0002_more', 'base.0001_initial']);
  });

  it('tell two last migrations of one app', async () => {
    const fork = { ...files, 'shop/migrations/0002_fork.py': migration(after('shop', '0001_initial')) };
    const found = await report({ files: fork, tables: tables('shop.0001_initial', 'shop.0002_more') });
    assert.equal(found.state, 'behind');
    assert.match(found.problem ?? '', /several last migrations \(shop\.0002_fork, shop\.0002_more\)/);
  });
});

describe('migrations of Alembic', () => {
  const revision = (id: string, down: string): string =>
    `"""x\n\nRevises: nothing\n"""\nrevision: str = '${id}'\ndown_revision: Union[str, None] = ${down}\ndepends_on = None\n`;
  const files: Files = {
    'alembic.ini': '[alembic]\nscript_location = %(here)s/db/alembic\n',
    'db/alembic/env.py': 'context.configure(connection=connection)\n',
    'db/alembic/versions/a_one.py': revision('a', 'None'),
    'db/alembic/versions/b_two.py': revision('b', "'a'"),
    'db/alembic/versions/c_three.py': revision('c', "'b'"),
  };
  const at = (...heads: string[]) => ({
    'public.alembic_version': heads.map((version_num) => ({ version_num })),
  });

  it('are in step or behind by what leads to the version', async () => {
    assert.equal((await report({ files, tables: at('c') })).state, 'in-step');
    const found = await report({ files, tables: at('a') });
    assert.equal(found.state, 'behind');
    assert.equal(found.directory, 'db/alembic/versions');
    assert.deepEqual(names(found.pending), ['b_two', 'c_three']);
    assert.equal(found.counts.applied, 1);
  });

  it('are ahead at a revision that is not here, and say what can not be told', async () => {
    const found = await report({ files, tables: at('x') });
    assert.equal(found.state, 'ahead');
    assert.deepEqual(names(found.missing), ['x']);
    assert.match(found.problem ?? '', /can not be told/);
  });

  it('have diverged when one head is here and another is not', async () => {
    const found = await report({ files, tables: at('b', 'x') });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.pending), ['c_three']);
  });

  it('follow merges', async () => {
    const merged = {
      ...files,
      'db/alembic/versions/d.py': revision('d', "'a'"),
      'db/alembic/versions/m.py': revision('m', "('c', 'd')"),
    };
    assert.equal((await report({ files: merged, tables: at('m') })).state, 'in-step');
    const found = await report({ files: merged, tables: at('c') });
    assert.deepEqual(names(found.pending), ['d', 'm']);
  });

  it('tell several heads and a link to nothing', async () => {
    const fork = { ...files, 'db/alembic/versions/z.py': revision('z', "'gone'") };
    const found = await report({ files: fork, tables: at('c') });
    assert.match(found.problem ?? '', /several heads \(c_three, z\)/);
    assert.match(found.problem ?? '', /follows revision gone/);
  });

  it('take the table from env.py and the folder from pyproject.toml', async () => {
    const { 'alembic.ini': _ini, ...rest } = files;
    const found = await report({
      files: {
        ...rest,
        'pyproject.toml': '[tool.alembic]\nscript_location = "db/alembic"\n',
        'db/alembic/env.py': 'context.configure(version_table="revisions", version_table_schema="meta")\n',
      },
      tables: { 'meta.revisions': [{ version_num: 'c' }] },
    });
    assert.equal(found.table, 'meta.revisions');
    assert.equal(found.state, 'in-step');
  });
});
