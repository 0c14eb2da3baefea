import assert from 'node:assert/strict';
import { names, report, type Files } from './checkout.ts';

const files = (...migrations: string[]): Files => ({
  'config/database.yml': '',
  ...Object.fromEntries(
    migrations.map((name) => [`db/migrate/${name}.rb`, 'class A < ActiveRecord::Migration[7.1]; end']),
  ),
});
const tables = (...versions: string[]) => ({
  'public.schema_migrations': versions.map((version) => ({ version })),
});

describe('migrations of Rails', () => {
  const two = files('20240101000000_a', '20240102000000_b');
  const state = async (...versions: string[]) =>
    (await report({ files: two, tables: tables(...versions) })).state;

  it('are in step, behind, ahead or diverged by version', async () => {
    assert.equal(await state('20240101000000', '20240102000000'), 'in-step');
    assert.equal(await state('20240101000000'), 'behind');
    assert.equal(await state('20240101000000', '20240102000000', '20240103000000'), 'ahead');
    assert.equal(await state('20240101000000', '20240103000000'), 'diverged');
  });

  it('are behind when an older one is pending: Rails applies it', async () => {
    const found = await report({ files: two, tables: tables('20240102000000') });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.outOfOrder), ['20240101000000_a']);
  });

  it('take versions before the first file for removed history, and say so', async () => {
    const found = await report({
      files: two,
      tables: tables('20200101000000', '20240101000000', '20240102000000'),
    });
    assert.equal(found.state, 'in-step');
    assert.match(found.problem ?? '', /removed history.*one applied version/);
  });

  it('of several folders over one table are one history', async () => {
    const found = await report({
      files: {
        ...two,
        'packs/pay/db/migrate/20240103000000_c.rb': '',
        'packs/pay/db/migrate/20240104000000_d.rb': '',
      },
      tables: tables('20240101000000', '20240102000000', '20240103000000', '20240105000000'),
    });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.pending), ['20240104000000_d']);
    assert.deepEqual(names(found.missing), ['20240105000000']);
    assert.equal(found.counts.files, 4);
  });

  it('are told apart from golang-migrate by the columns of the table that both have', async () => {
    const found = await report({
      files: { ...two, 'service/migrations/1_a.up.sql': '', 'service/migrations/2_b.up.sql': '' },
      tables: { 'public.schema_migrations': [{ version: '1', dirty: 'f' }] },
    });
    assert.equal(found.tool, 'golang-migrate');
    assert.equal(found.state, 'behind');
  });
});

describe('migrations of golang-migrate', () => {
  const three: Files = Object.fromEntries(
    ['000001_a', '000002_b', '000003_c'].flatMap((name) => [
      [`db/${name}.up.sql`, ''],
      [`db/${name}.down.sql`, ''],
    ]),
  );
  const at = (version: string, dirty = 'f') => ({ 'public.schema_migrations': [{ version, dirty }] });

  it('are in step or behind by the one version', async () => {
    assert.equal((await report({ files: three, tables: at('3') })).state, 'in-step');
    const found = await report({ files: three, tables: at('1') });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['000002_b', '000003_c']);
    assert.deepEqual(found.counts, { files: 3, applied: 1, pending: 2, missing: 0, edited: 0, failed: 0 });
  });

  it('are ahead of the last file, or have diverged from one in between', async () => {
    const ahead = await report({ files: three, tables: at('4') });
    assert.equal(ahead.state, 'ahead');
    assert.deepEqual(names(ahead.missing), ['4']);
    const gap: Files = { 'db/1_a.up.sql': '', 'db/3_c.up.sql': '' };
    assert.equal((await report({ files: gap, tables: at('2') })).state, 'diverged');
  });

  it('have diverged when the last one is dirty', async () => {
    const found = await report({ files: three, tables: at('2', 't') });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.failed), ['000002_b']);
    assert.equal(found.failed[0]?.file, 'db/000002_b.up.sql');
    assert.deepEqual(names(found.pending), ['000003_c']);
  });

  it('are all pending before the first one', async () => {
    assert.equal((await report({ files: three, tables: at('-1') })).counts.pending, 3);
    const none = await report({
      files: three,
      tables: { 'public.schema_migrations': [] },
      columns: { 'public.schema_migrations': ['version', 'dirty'] },
    });
    assert.equal(none.counts.pending, 3);
  });

  it('are not claimed where the database has another tool’s table', async () => {
    const found = await report({
      files: three,
      tables: { 'public.refinery_schema_history': [{ version: '1' }] },
    });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /refinery_schema_history of Refinery/);
  });
});
