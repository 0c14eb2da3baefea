import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { names, report, type Files } from './checkout.ts';

const sql = (name: string): string => `CREATE TABLE ${name} (id int);\n`;
const file = (name: string): string => `prisma/migrations/${name}/migration.sql`;
const files = (...migrations: string[]): Files => ({
  'prisma/schema.prisma': 'datasource db {\n  provider = "postgresql"\n}\n',
  'prisma/migrations/migration_lock.toml': 'provider = "postgresql"\n',
  ...Object.fromEntries(migrations.map((name) => [file(name), sql(name)])),
});
const checksum = (text: string): string => createHash('sha256').update(text).digest('hex');
const row = (name: string, more: Record<string, string | null> = {}) => ({
  migration_name: name,
  checksum: checksum(sql(name)),
  finished_at: '2024-01-01 00:00:00+00',
  rolled_back_at: null,
  logs: null,
  ...more,
});
const table = (...rows: ReturnType<typeof row>[]) => ({ 'public._prisma_migrations': rows });

describe('migrations of Prisma', () => {
  it('are in step when every folder has its row', async () => {
    const found = await report({ files: files('1_a', '2_b'), tables: table(row('1_a'), row('2_b')) });
    assert.equal(found.state, 'in-step');
    assert.equal(found.tool, 'prisma');
    assert.equal(found.member, 'main');
    assert.equal(found.directory, 'prisma/migrations');
    assert.equal(found.table, 'public._prisma_migrations');
    assert.deepEqual(found.counts, { files: 2, applied: 2, pending: 0, missing: 0, edited: 0, failed: 0 });
    assert.equal(found.problem, null);
  });

  it('are behind with the folders that have no row, and say the command', async () => {
    const found = await report({ files: files('1_a', '2_b'), tables: table(row('1_a')) });
    assert.equal(found.state, 'behind');
    assert.deepEqual(found.pending, [{ name: '2_b', file: file('2_b') }]);
    assert.match(found.message, /^Prisma \(prisma\/migrations\): .*2_b.*"npx prisma migrate deploy"/);
  });

  it('are behind although an older one is pending: Prisma applies it', async () => {
    const found = await report({ files: files('1_a', '2_b', '3_c'), tables: table(row('1_a'), row('3_c')) });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.outOfOrder), ['2_b']);
  });

  it('are ahead with rows that have no folder', async () => {
    const found = await report({ files: files('1_a'), tables: table(row('1_a'), row('2_b')) });
    assert.equal(found.state, 'ahead');
    assert.deepEqual(found.missing, [{ name: '2_b' }]);
  });

  it('have diverged when both lack some', async () => {
    const found = await report({ files: files('1_a', '2_c'), tables: table(row('1_a'), row('2_b')) });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.pending), ['2_c']);
    assert.deepEqual(names(found.missing), ['2_b']);
  });

  it('are edited when the checksum is another one', async () => {
    const edited = { ...files('1_a'), [file('1_a')]: `${sql('1_a')}-- more\n` };
    const found = await report({ files: edited, tables: table(row('1_a')) });
    assert.equal(found.state, 'edited');
    assert.deepEqual(found.edited, [{ name: '1_a', file: file('1_a') }]);
  });

  it('are not edited when only the ends of lines differ', async () => {
    const windows = { ...files('1_a'), [file('1_a')]: sql('1_a').replaceAll('\n', '\r\n') };
    assert.equal((await report({ files: windows, tables: table(row('1_a')) })).state, 'in-step');
    const applied = row('1_a', { checksum: checksum(sql('1_a').replaceAll('\n', '\r\n')) });
    assert.equal((await report({ files: files('1_a'), tables: table(applied) })).state, 'in-step');
  });

  it('accept checksums of early versions, which left out zeros', async () => {
    const old = checksum(sql('1_a'))
      .match(/../g)
      ?.map((byte) => Number.parseInt(byte, 16).toString(16))
      .join('');
    const found = await report({ files: files('1_a'), tables: table(row('1_a', { checksum: old ?? '' })) });
    assert.equal(found.state, 'in-step');
  });

  it('have diverged when one broke off, with what the server said', async () => {
    const logs = 'Database error:\nERROR: syntax error at or near "selec"\n   0: ...';
    const failed = row('2_b', { finished_at: null, logs });
    const found = await report({ files: files('1_a', '2_b'), tables: table(row('1_a'), failed) });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(found.failed, [
      { name: '2_b', file: file('2_b'), problem: 'syntax error at or near "selec"' },
    ]);
    assert.deepEqual(found.pending, []);
  });

  it('take one that was rolled back as never applied', async () => {
    const back = row('2_b', { finished_at: null, rolled_back_at: '2024-01-01' });
    const found = await report({ files: files('1_a', '2_b'), tables: table(row('1_a'), back) });
    assert.equal(found.state, 'behind');
    const again = await report({ files: files('1_a', '2_b'), tables: table(row('1_a'), back, row('2_b')) });
    assert.equal(again.state, 'in-step');
  });

  it('of another database are not looked at', async () => {
    const found = await report({
      files: {
        'prisma/schema.prisma': 'datasource db {\n  provider = "sqlite"\n}\n',
        'prisma/migrations/migration_lock.toml': 'provider = "sqlite"\n',
        [file('1_a')]: sql('a'),
      },
    });
    assert.equal(found.tool, null);
    assert.equal(found.state, 'unknown');
  });

  it('are found where prisma.config.ts says', async () => {
    const found = await report({
      files: {
        'app/prisma.config.ts':
          "export default defineConfig({ schema: 'x', migrations: { path: 'db/changes' } });",
        'app/db/changes/1_a/migration.sql': sql('1_a'),
      },
      tables: table(row('1_a')),
    });
    assert.equal(found.state, 'in-step');
    assert.equal(found.directory, 'app/db/changes');
  });

  it('are ahead of a branch that has none yet', async () => {
    const found = await report({
      files: { 'schema.prisma': files()['prisma/schema.prisma'] ?? '' },
      tables: table(row('1_a')),
    });
    assert.equal(found.state, 'ahead');
  });
});
