import assert from 'node:assert/strict';
import { flywayChecksum } from '../../../engine/migrations/tools/flyway.ts';
import { names, report, type Files } from './checkout.ts';

const text = (name: string): string => `create table ${name} (id int);\n`;
const files = (...scripts: string[]): Files => ({
  'flyway.conf': 'flyway.locations=filesystem:sql\n',
  ...Object.fromEntries(scripts.map((script) => [`sql/${script}`, text(script)])),
});
let rank = 0;
const row = (script: string, more: Record<string, string | null> = {}) => {
  const [, version = null, description = ''] = /^(?:V([\d._]+)|R)__(.*)\.sql$/.exec(script) ?? [];
  return {
    installed_rank: String((rank += 1)),
    version: version?.replaceAll('_', '.') ?? null,
    description: description.replaceAll('_', ' '),
    type: 'SQL',
    script,
    checksum: String(flywayChecksum(Buffer.from(text(script)))),
    success: 't',
    ...more,
  };
};
const tables = (...rows: ReturnType<typeof row>[]) => ({ 'public.flyway_schema_history': rows });

describe('the checksum of Flyway', () => {
  it('is the one that Flyway 10 writes, whatever the ends of lines and the byte order mark', () => {
    assert.equal(flywayChecksum(Buffer.from('\uFEFFcreate table a (id int);\r\n-- grüße\r\n')), 1360670216);
    assert.equal(flywayChecksum(Buffer.from('create table a (id int);\n-- grüße\n')), 1360670216);
    assert.equal(
      flywayChecksum(Buffer.from('create table b (id int);\n\n\ninsert into b values (1);')),
      594717475,
    );
    assert.equal(flywayChecksum(Buffer.from('create table c (id int);\rselect 1;\n')), 1360831503);
    assert.equal(flywayChecksum(Buffer.from('create or replace view v as select 1;\n')), 579771852);
  });
});

describe('migrations of Flyway', () => {
  const two = files('V1__a.sql', 'V2__b.sql');
  const state = async (...rows: ReturnType<typeof row>[]) =>
    (await report({ files: two, tables: tables(...rows) })).state;

  it('are in step, behind, ahead or diverged by version', async () => {
    assert.equal(await state(row('V1__a.sql'), row('V2__b.sql')), 'in-step');
    assert.equal(await state(row('V1__a.sql')), 'behind');
    assert.equal(await state(row('V1__a.sql'), row('V2__b.sql'), row('V3__c.sql')), 'ahead');
    assert.equal(await state(row('V1__a.sql'), row('V3__c.sql')), 'diverged');
  });

  it('are edited when the checksum is another one', async () => {
    const found = await report({
      files: two,
      tables: tables(row('V1__a.sql', { checksum: '1' }), row('V2__b.sql')),
    });
    assert.equal(found.state, 'edited');
    assert.deepEqual(found.edited, [{ name: 'V1__a.sql', file: 'sql/V1__a.sql' }]);
  });

  it('have diverged when one is marked as failed', async () => {
    const found = await report({
      files: two,
      tables: tables(row('V1__a.sql'), row('V2__b.sql', { success: 'f' })),
    });
    assert.equal(found.state, 'diverged');
    assert.deepEqual(names(found.failed), ['V2__b.sql']);
  });

  it('have diverged when an older one is pending, unless that is allowed', async () => {
    const late = { files: files('V1__a.sql', 'V1_5__late.sql', 'V2__b.sql') };
    const applied = tables(row('V1__a.sql'), row('V2__b.sql'));
    assert.equal((await report({ ...late, tables: applied })).state, 'diverged');
    const allowed = { ...late.files, 'flyway.toml': '[flyway]\noutOfOrder = true\n' };
    assert.equal((await report({ files: allowed, tables: applied })).state, 'behind');
  });

  it('are pending again when a repeatable one changed, and that is no disorder', async () => {
    const found = await report({
      files: files('V1__a.sql', 'R__view.sql'),
      tables: tables(row('R__view.sql', { checksum: '1' }), row('V1__a.sql')),
    });
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['R__view.sql']);
  });

  it('do not take a repeatable one with placeholders for changed', async () => {
    const found = await report({
      files: { ...files('V1__a.sql'), 'sql/R__view.sql': "select '${flyway:database}';" },
      tables: tables(row('V1__a.sql'), row('R__view.sql', { checksum: '1' })),
    });
    assert.equal(found.state, 'in-step');
  });

  it('start above the baseline', async () => {
    const baseline = row('V1__a.sql', { type: 'BASELINE', script: '<< Flyway Baseline >>', checksum: null });
    assert.equal(await state(baseline, row('V2__b.sql')), 'in-step');
  });

  it('count an undone one as pending and a deleted one as gone', async () => {
    assert.equal(
      await state(row('V1__a.sql'), row('V2__b.sql'), row('V2__b.sql', { type: 'UNDO_SQL' })),
      'behind',
    );
    const applied = row('V3__c.sql');
    const deleted = row('V3__c.sql', { type: 'DELETE' });
    assert.equal(await state(row('V1__a.sql'), row('V2__b.sql'), applied, deleted), 'in-step');
  });

  it('compare versions as numbers, with dots or underscores', async () => {
    const found = await report({
      files: files('V01__a.sql', 'V1.9__b.sql', 'V1_10__c.sql'),
      tables: tables(row('V01__a.sql', { version: '1.0' }), row('V1.9__b.sql'), row('V1_10__c.sql')),
    });
    assert.equal(found.state, 'in-step');
  });

  it('of a Spring project lie in db/migration, in the table that application.yml says', async () => {
    const found = await report({
      files: {
        'src/main/resources/application.yml':
          'spring:\n  flyway:\n    table: history\n    out-of-order: true\n',
        'src/main/resources/db/migration/V1__a.sql': text('V1__a.sql'),
        'src/main/resources/db/migration/mysql/V2__m.sql': text('x'),
        'src/main/java/db/migration/V3__Code.java': 'class V3__Code {}',
      },
      tables: { 'public.history': [row('V1__a.sql')] },
    });
    assert.equal(found.directory, 'src/main/resources/db/migration');
    assert.equal(found.state, 'behind');
    assert.deepEqual(names(found.pending), ['V3__Code.java']);
  });
});
