import assert from 'node:assert/strict';
import { changeSetChecksum } from '../../../engine/migrations/tools/liquibase.ts';
import { names, report, type Files } from './checkout.ts';

const SQL = 'create table b (\n  id int\n);\n';
const files: Files = {
  'liquibase.properties': 'changeLogFile=db/changelog/db.changelog-master.xml\n',
  'db/changelog/db.changelog-master.xml': `<?xml version="1.0"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <changeSet id="1" author="ann"><createTable tableName="a"/></changeSet>
  <!-- <changeSet id="9" author="nobody"/> -->
  <include file="changes/2.sql" relativeToChangelogFile="true"/>
  <include file="db/changelog/changes/3.yaml"/>
</databaseChangeLog>`,
  'db/changelog/changes/2.sql': `--liquibase formatted sql\n\n--changeset bob:2 splitStatements:true\n${SQL}--rollback drop table b;\n`,
  'db/changelog/changes/3.yaml': `databaseChangeLog:
  - changeSet: { id: 1.10, author: cy, changes: [] }
`,
};
const row = (id: string, author: string, filename: string, md5sum = '8:0') => ({
  id,
  author,
  filename: `db/changelog/${filename}`,
  md5sum,
  exectype: 'EXECUTED',
});
const one = row('1', 'ann', 'db.changelog-master.xml');
const two = row('2', 'bob', 'changes/2.sql', '9:4ccccc9eab4f4e56a6297af436a1d73e');
// Liquibase reads the id of YAML as a number, too.
const three = row('1.1', 'cy', 'changes/3.yaml');
const tables = (...rows: ReturnType<typeof row>[]) => ({ 'public.databasechangelog': rows });

describe('the checksum of Liquibase', () => {
  it('is the one that Liquibase 4.29 writes for a change set of SQL', () => {
    assert.equal(changeSetChecksum(SQL), '9:4ccccc9eab4f4e56a6297af436a1d73e');
    const commented = 'create table b2 (id int);\n-- a comment\ninsert into b2 values (1);\n';
    assert.equal(changeSetChecksum(commented), '9:b4fd4944133a17af238e6e31c09cd2af');
  });
});

describe('migrations of Liquibase', () => {
  const state = async (...rows: ReturnType<typeof row>[]) =>
    (await report({ files, tables: tables(...rows) })).state;

  it('are in step, behind, ahead or diverged by id, author and path', async () => {
    assert.equal(await state(one, two, three), 'in-step');
    assert.equal(await state(one, two), 'behind');
    assert.equal(await state(one, two, three, row('4', 'dee', 'changes/4.xml')), 'ahead');
    assert.equal(await state(one, two, row('4', 'dee', 'changes/4.xml')), 'diverged');
    assert.equal(await state(one, { ...two, author: 'eve' }, three), 'diverged');
  });

  it('name the file and the change set of a pending one', async () => {
    const found = await report({ files, tables: tables(one, two) });
    assert.deepEqual(found.pending, [
      { name: 'db/changelog/changes/3.yaml::1.1::cy', file: 'db/changelog/changes/3.yaml' },
    ]);
  });

  it('are edited when SQL with a checksum of version 9 was changed, but not by white space', async () => {
    const [path] = Object.keys(files).filter((each) => each.endsWith('2.sql'));
    const change = (from: string, to: string): Files => ({
      ...files,
      [path ?? '']: String(files[path ?? '']).replace(from, to),
    });
    const edited = await report({ files: change('id int', 'id bigint'), tables: tables(one, two, three) });
    assert.equal(edited.state, 'edited');
    assert.deepEqual(names(edited.edited), ['db/changelog/changes/2.sql::2::bob']);
    const spaced = await report({ files: change('  id int', 'id  int'), tables: tables(one, two, three) });
    assert.equal(spaced.state, 'in-step');
  });

  it('do not claim a change where the checksum can not be computed, and say so', async () => {
    const found = await report({ files, tables: tables(one, { ...two, md5sum: '8:1' }, three) });
    assert.equal(found.state, 'in-step');
    assert.match(found.problem ?? '', /Whether 3 of the applied change sets were changed since is not known/);
  });

  it('have diverged while the lock is held', async () => {
    const lock = { 'public.databasechangeloglock': [{ locked: 't', lockedby: 'a machine' }] };
    const found = await report({ files, tables: { ...tables(one, two, three), ...lock } });
    assert.equal(found.state, 'diverged');
    assert.match(found.failed[0]?.problem ?? '', /a machine holds the lock/);
  });

  it('leave out what contexts decide, and what is for other databases', async () => {
    const formatted = `--liquibase formatted sql
--changeset a:1
select 1;
--changeset a:2 context:test
select 2;
--changeset a:3 dbms:mysql
select 3;
`;
    const found = await report({
      files: { 'changelog.sql': formatted },
      tables: { 'public.databasechangelog': [{ ...one, id: '1', author: 'a', filename: 'changelog.sql' }] },
    });
    assert.equal(found.state, 'in-step');
    assert.match(found.problem ?? '', /changelog\.sql::2::a/);
    assert.doesNotMatch(found.problem ?? '', /::3::/);
  });

  it('of a Spring project have paths on the class path', async () => {
    const found = await report({
      files: {
        'api/src/main/resources/application.properties':
          'spring.liquibase.change-log=classpath:/db/root.yaml\n',
        'api/src/main/resources/db/root.yaml': 'databaseChangeLog:\n  - includeAll: { path: db/parts }\n',
        'api/src/main/resources/db/parts/1.json':
          '{"databaseChangeLog": [{"changeSet": {"id": "1", "author": "a", "changes": []}}]}',
      },
      tables: { 'public.databasechangelog': [{ ...one, author: 'a', filename: 'db/parts/1.json' }] },
    });
    assert.equal(found.state, 'in-step');
    assert.equal(found.directory, 'api/src/main/resources/db');
  });

  it('follow a logical path and tell an include that is not there', async () => {
    const found = await report({
      files: {
        'changelog.xml': `<databaseChangeLog logicalFilePath="moved.xml"><changeSet id="1" author="a"/>
          <include file="gone.xml"/></databaseChangeLog>`,
      },
      tables: { 'public.databasechangelog': [{ ...one, author: 'a', filename: 'moved.xml' }] },
    });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /includes gone\.xml/);
  });

  it('begin with the changelog of the settings', async () => {
    const found = await report({
      files: {
        ...files,
        'other/start.xml': '<databaseChangeLog><changeSet id="7" author="a"/></databaseChangeLog>',
      },
      tables: tables(one),
      settings: [{ tool: 'liquibase', changelog: 'other/start.xml' }],
    });
    assert.equal(found.directory, 'other');
    assert.equal(found.state, 'diverged');
  });

  it('hold nobody up with a changelog of YAML that takes long to read, and say that it was not', async () => {
    for (const odd of ['x: &a [*a]\n'.repeat(6000), '? '.repeat(30_000), '# '.repeat(200_000)]) {
      const found = await report({
        files: {
          'liquibase.properties': 'changeLogFile=changes.yaml\n',
          'changes.yaml': `databaseChangeLog:\n  - changeSet: { id: 1, author: ann }\n${odd}`,
        },
        tables: tables(row('1', 'ann', '')),
      });
      assert.match(`${found.message} ${found.problem}`, /changes\.yaml/);
    }
  });
});
