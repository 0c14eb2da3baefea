import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { names, report, type Files } from './checkout.ts';

const files: Files = {
  'db/migrations/001_a.sql': 'select 1;\n',
  'db/migrations/002_b.sql': 'select 2;\n',
  'db/migrations/002_b.down.sql': 'select -2;\n',
  'db/migrations/003_c.sql': 'select 3;\n',
};
const settings = [{ tool: 'sql', directory: 'db/migrations', table: 'done', column: 'filename' }];
const done = (...values: string[]) => ({ 'public.done': values.map((filename) => ({ filename })) });

describe('plain SQL files', () => {
  it('are compared by name with the column of the settings, in every state', async () => {
    const state = async (...values: string[]) =>
      (await report({ files, tables: done(...values), settings })).state;
    assert.equal(await state('001_a.sql', '002_b.sql', '003_c.sql'), 'in-step');
    assert.equal(await state('001_a.sql', '002_b.sql'), 'behind');
    assert.equal(await state('001_a.sql', '002_b.sql', '003_c.sql', '004_d.sql'), 'ahead');
    assert.equal(await state('001_a.sql', '002_b.sql', '004_d.sql'), 'diverged');
    assert.equal(await state('001_a.sql', '003_c.sql'), 'diverged');
  });

  it('are known by name with or without end and folder, and by number', async () => {
    for (const values of [
      ['001_a', '002_b', '003_c'],
      ['db/migrations/001_a.sql', 'migrations/002_b.sql', './003_c.sql'],
      ['1', '2', '3'],
      ['001', '002', '003'],
    ])
      assert.equal(
        (await report({ files, tables: done(...values), settings })).state,
        'in-step',
        values.join(),
      );
  });

  it('are applied up to the number of a table with one row', async () => {
    const found = await report({ files, tables: done('2'), settings });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['003_c.sql']);
  });

  it('are edited when the checksum column says so, in MD5, SHA-1 or SHA-256', async () => {
    for (const algorithm of ['md5', 'sha1', 'sha256']) {
      const row = (file: string, text: string) => ({
        filename: file,
        sum: createHash(algorithm).update(text).digest('hex'),
      });
      const rows = [
        row('001_a.sql', 'select 1;\n'),
        row('002_b.sql', 'select 2;\n'),
        row('003_c.sql', 'other'),
      ];
      const found = await report({
        files,
        tables: { 'public.done': rows },
        settings: settings.map((each) => ({ ...each, checksumColumn: 'sum' })),
      });
      assert.equal(found.state, 'edited');
      assert.deepEqual(names(found.edited), ['003_c.sql']);
    }
  });

  it('are found by themselves where a usual table names them', async () => {
    const found = await report({
      files,
      tables: { 'public.schema_migrations': [{ version: '001' }, { version: '002' }, { version: '003' }] },
    });
    assert.equal(found.tool, 'sql');
    assert.equal(found.state, 'in-step');
  });

  it('are unknown without a table that names them, and say how to configure', async () => {
    const found = await report({ files, tables: { 'public.customers': [{ id: '1' }] } });
    assert.equal(found.state, 'unknown');
    assert.equal(found.tool, 'sql');
    assert.match(found.message, /workspace\.migrations/);
  });

  it('are unknown when no column holds their names', async () => {
    const found = await report({
      files,
      tables: { 'public.done': [{ id: '77', name: 'something' }] },
      settings: [{ tool: 'sql', directory: 'db/migrations', table: 'done' }],
    });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /no column of the table/i);
  });

  it('are behind with everything when the table of the settings is not there', async () => {
    const found = await report({ files, settings });
    assert.equal(found.state, 'behind');
    assert.equal(found.counts.pending, 3);
    assert.match(found.problem ?? '', /no table done/);
  });
});
