import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { names, report, type Files } from './checkout.ts';

const sql = (tag: string): string => `CREATE TABLE "${tag}" ();\n--> statement-breakpoint\n`;
const journal = (entries: readonly (readonly [string, number])[], dialect = 'postgresql'): string =>
  JSON.stringify({
    version: '7',
    dialect,
    entries: entries.map(([tag, when], idx) => ({ idx, version: '7', when, tag, breakpoints: true })),
  });
const files = (...entries: (readonly [string, number])[]): Files => ({
  'drizzle/meta/_journal.json': journal(entries),
  ...Object.fromEntries(entries.map(([tag]) => [`drizzle/${tag}.sql`, sql(tag)])),
});
const row = (tag: string, when: number) => ({
  id: '1',
  hash: createHash('sha256').update(sql(tag)).digest('hex'),
  created_at: String(when),
});
const tables = (...rows: ReturnType<typeof row>[]) => ({ 'drizzle.__drizzle_migrations': rows });

describe('migrations of Drizzle', () => {
  const two = files(['0000_a', 1000], ['0001_b', 2000]);

  it('are in step, behind, ahead or diverged by the times of the journal', async () => {
    const state = async (...rows: ReturnType<typeof row>[]) =>
      (await report({ files: two, tables: tables(...rows) })).state;
    assert.equal(await state(row('0000_a', 1000), row('0001_b', 2000)), 'in-step');
    assert.equal(await state(row('0000_a', 1000)), 'behind');
    assert.equal(await state(row('0000_a', 1000), row('0001_b', 2000), row('0002_c', 3000)), 'ahead');
    assert.equal(await state(row('0000_a', 1000), row('0002_c', 3000)), 'diverged');
  });

  it('are edited when the hash of an applied one is another', async () => {
    const edited = { ...two, 'drizzle/0000_a.sql': 'SELECT 1;' };
    const found = await report({ files: edited, tables: tables(row('0000_a', 1000), row('0001_b', 2000)) });
    assert.equal(found.state, 'edited');
    assert.deepEqual(found.edited, [{ name: '0000_a', file: 'drizzle/0000_a.sql' }]);
  });

  it('have diverged when a pending one is older than the last applied: Drizzle would never apply it', async () => {
    const found = await report({ files: two, tables: tables(row('0001_b', 2000)) });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.outOfOrder), ['0000_a']);
  });

  it('are the same when only the time in the journal was changed', async () => {
    const found = await report({ files: files(['0000_a', 1500]), tables: tables(row('0000_a', 1000)) });
    assert.equal(found.state, 'in-step');
  });

  it('are not edited when two files have the same content', async () => {
    const same = { ...two, 'drizzle/0001_b.sql': sql('0000_a') };
    const rows = [row('0000_a', 1000), row('0000_a', 2000)];
    assert.equal((await report({ files: same, tables: tables(...rows) })).state, 'in-step');
  });

  it('tell missing ones by hash and time, since the table has no names', async () => {
    const found = await report({
      files: files(['0000_a', 1000]),
      tables: tables(row('0000_a', 1000), row('x', 2000)),
    });
    assert.match(found.missing[0]?.name ?? '', /^[0-9a-f]{12} of 1970-01-01T00:00:02/);
  });

  it('lie where drizzle.config.ts says, in the table that it says', async () => {
    const config = `export default { dialect: 'postgresql', out: './src/db/out', // out: './x'
      migrations: { table: 'log', schema: 'public' } };`;
    const found = await report({
      files: {
        'apps/web/drizzle.config.ts': config,
        'apps/web/src/db/out/meta/_journal.json': journal([['0000_a', 1000]]),
        'apps/web/src/db/out/0000_a.sql': sql('0000_a'),
      },
      tables: { 'public.log': [row('0000_a', 1000)] },
    });
    assert.equal(found.directory, 'apps/web/src/db/out');
    assert.equal(found.table, 'public.log');
    assert.equal(found.state, 'in-step');
  });

  it('of SQLite are not looked at', async () => {
    const found = await report({
      files: { 'drizzle/meta/_journal.json': journal([['0000_a', 1]], 'sqlite') },
    });
    assert.equal(found.tool, null);
  });

  it('tell a file that the journal lists and that is not there', async () => {
    const found = await report({
      files: { 'drizzle/meta/_journal.json': journal([['0000_a', 1000]]) },
      tables: tables(row('0000_a', 1000)),
    });
    assert.match(found.problem ?? '', /drizzle\/0000_a\.sql is in the journal/);
    assert.equal(found.state, 'in-step');
  });
});
