import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { compareMigrations } from '../../../engine/migrations/compareMigrations.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import { inMemory, report, reports, type Files } from './checkout.ts';
import { postgresCatalogue } from '../../../engine/database/postgres/catalogue.ts';

const schema = 'datasource db {\n  provider = "postgresql"\n}\n';
const prisma = (folder: string, ...migrations: string[]): Files => ({
  [`${folder}/schema.prisma`]: schema,
  ...Object.fromEntries(
    migrations.map((name) => [`${folder}/migrations/${name}/migration.sql`, `-- ${name}`]),
  ),
});
const applied = (...migrations: string[]) => ({
  'public._prisma_migrations': migrations.map((name) => ({
    migration_name: name,
    checksum: createHash('sha256').update(`-- ${name}`).digest('hex'),
    finished_at: 'now',
    rolled_back_at: null,
  })),
});
const alembic: Files = {
  'alembic.ini': '[alembic]\nscript_location = alembic\n',
  'alembic/env.py': '',
  'alembic/versions/a.py': "revision = 'a'\ndown_revision = None\n",
};
const atA = { 'public.alembic_version': [{ version_num: 'a' }] };

describe('which migrations belong to which database', () => {
  it('is told by the table that has some of them, whatever else is in the checkout', async () => {
    const found = await report({ files: { ...prisma('web', '1_a'), ...alembic }, tables: atA });
    assert.equal(found.tool, 'alembic');
    assert.equal(found.state, 'in-step');
    assert.match(found.problem ?? '', /Also found, and not in this database: Prisma in web\/migrations/);
  });

  it('is both when both have a table in it', async () => {
    const found = await reports({
      files: { ...prisma('web', '1_a'), ...alembic },
      tables: { ...atA, ...applied('1_a') },
    });
    assert.deepEqual(found.map(({ tool, state }) => [tool, state]).sort(), [
      ['alembic', 'in-step'],
      ['prisma', 'in-step'],
    ]);
  });

  it('is unknown while several tools are found and no table tells, and names them', async () => {
    const found = await report({ files: { ...prisma('web', '1_a'), ...alembic } });
    assert.equal(found.state, 'unknown');
    assert.equal(found.tool, null);
    assert.match(
      found.message,
      /Prisma in web\/migrations.*Alembic in alembic\/versions.*workspace\.migrations/,
    );
  });

  it('is the folder whose migrations the table has, of several of one tool', async () => {
    const files = { ...prisma('apps/one', '1_a'), ...prisma('apps/two', '1_b', '2_c') };
    const found = await report({ files, tables: applied('1_b') });
    assert.equal(found.directory, 'apps/two/migrations');
    assert.equal(found.state, 'behind');
    const unclear = await report({ files, tables: applied('1_x') });
    assert.equal(unclear.state, 'unknown');
    assert.equal(unclear.tool, 'prisma');
    assert.match(unclear.problem ?? '', /apps\/one\/migrations.*apps\/two\/migrations/);
  });

  it('is told for each member by its own table', async () => {
    const files = { ...prisma('apps/one', '1_a'), ...prisma('apps/two', '1_b', '2_c') };
    const found = await reports({ files, members: { first: applied('1_a'), second: applied('1_b') } });
    assert.deepEqual(
      found.map(({ member, directory, state }) => [member, directory, state]),
      [
        ['first', 'apps/one/migrations', 'in-step'],
        ['second', 'apps/two/migrations', 'behind'],
      ],
    );
    for (const { problem } of found) assert.equal(problem, null);
  });

  it('is the one member that has the table', async () => {
    const found = await report({
      files: prisma('web', '1_a'),
      members: { other: { 'public.x': [] }, main: applied('1_z') },
    });
    assert.equal(found.member, 'main');
    assert.equal(found.state, 'diverged');
  });

  it('is unknown while no member has a table and there are several, until the settings name one', async () => {
    const question = { files: prisma('web', '1_a'), members: { first: {}, second: {} } };
    const found = await report(question);
    assert.equal(found.state, 'unknown');
    assert.equal(found.member, null);
    assert.match(found.problem ?? '', /first, second.*workspace\.migrations\.member/);
    const stated = await report({ ...question, settings: [{ member: 'second' }] });
    assert.equal(stated.member, 'second');
    assert.equal(stated.state, 'behind');
  });

  it('is unknown of a member that is not there, and says which are', async () => {
    const found = await report({ files: prisma('web', '1_a'), settings: [{ member: 'gone' }] });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /no PostgreSQL member "gone" \(there are: main\)/);
  });

  it('is unknown in a folder of the settings that is not there', async () => {
    const found = await report({
      files: prisma('web', '1_a'),
      tables: applied('1_a'),
      settings: [{ tool: 'prisma', directory: 'gone' }],
    });
    assert.equal(found.state, 'unknown');
    assert.match(found.problem ?? '', /Gone, which workspace\.migrations names, is not in the checkout/i);
  });

  it('is behind with everything in a database without the table', async () => {
    const found = await report({ files: prisma('web', '1_a') });
    assert.equal(found.state, 'behind');
    assert.equal(found.table, '_prisma_migrations');
    assert.match(found.problem ?? '', /no table _prisma_migrations/);
    assert.doesNotMatch(found.problem ?? '', /another name/);
    const filled = await report({ files: prisma('web', '1_a'), tables: { 'public.customers': [] } });
    assert.equal(filled.state, 'behind');
    assert.match(filled.problem ?? '', /workspace\.migrations\.table/);
  });

  it('prefers the schema that the settings say, else public', async () => {
    const tables = {
      'tenant._prisma_migrations': applied('1_a', '2_b')['public._prisma_migrations'],
      ...applied('1_a'),
    };
    const files = prisma('web', '1_a', '2_b');
    assert.equal((await report({ files, tables, settings: [{ schema: 'tenant' }] })).state, 'in-step');
    assert.equal((await report({ files, tables, settings: [{ schema: 'public' }] })).state, 'behind');
  });

  it('is asked for each entry of the settings, and for nothing when there is none', async () => {
    const question = {
      files: { ...prisma('web', '1_a'), ...alembic },
      members: { first: applied('1_a'), second: atA },
    };
    const found = await reports({
      ...question,
      settings: [
        { tool: 'prisma', member: 'first' },
        { directory: 'alembic', member: 'second' },
      ],
    });
    assert.deepEqual(
      found.map(({ member, tool, state }) => [member, tool, state]),
      [
        ['first', 'prisma', 'in-step'],
        ['second', 'alembic', 'in-step'],
      ],
    );
    assert.deepEqual(await reports({ ...question, settings: [] }), []);
  });
});

describe('what can not be told', () => {
  it('is unknown in a checkout without a known tool, with what was looked for', async () => {
    const found = await report({ files: { 'README.md': '' } });
    assert.equal(found.state, 'unknown');
    assert.equal(found.tool, null);
    assert.match(found.message, /no migrations of a known tool are in the checkout.*workspace\.migrations/);
    assert.ok(found.message.length < 250, found.message);
    const asked = await report({ files: { 'README.md': '' }, settings: [{ tool: 'alembic' }] });
    assert.match(asked.message, /no migrations of Alembic are in the checkout \(looked for alembic\.ini/);
  });

  it('names the table of a tool that is not known', async () => {
    const found = await report({ files: {}, tables: { 'public.phinxlog': [{ version: '1' }] } });
    assert.match(found.problem ?? '', /main has phinxlog of Phinx/);
  });

  it('is unknown with the reason while the clone does not run, with the tool that was found', async () => {
    const found = await report({
      files: prisma('web', '1_a'),
      members: { main: 'the clone feature/a is stopped' },
    });
    assert.equal(found.state, 'unknown');
    assert.equal(found.tool, 'prisma');
    assert.equal(found.member, 'main');
    assert.match(found.message, /the clone feature\/a is stopped/);
  });

  it('is unknown with the reason when a database can not be read', async () => {
    const [found] = await compareMigrations({
      files: inMemory(prisma('web', '1_a')),
      databases: [
        {
          member: memberNameSchema.parse('main'),
          problem: null,
          catalogue: postgresCatalogue,
          read: () =>
            Promise.reject(fail('read_failed', { server: 'a', database: 'app', problem: 'lock timeout' })),
        },
      ],
      settings: undefined,
    });
    assert.equal(found?.state, 'unknown');
    assert.match(found.message, /lock timeout/);
  });

  it('is unknown with the reason when the checkout can not be read', async () => {
    const files = { ...inMemory({}), list: () => Promise.reject(new Error('ENOENT: it is gone')) };
    const [found] = await compareMigrations({ files, databases: [], settings: undefined });
    assert.match(found?.problem ?? '', /can not be read: ENOENT/);
  });

  it('is unknown with files that can not be read, which are not taken for edited', async () => {
    const files = inMemory(prisma('web', '1_a'));
    const [found] = await compareMigrations({
      files: {
        ...files,
        read: (path) => (path.endsWith('.sql') ? Promise.reject(new Error('EACCES')) : files.read(path)),
      },
      databases: [memberOf(applied('1_a')['public._prisma_migrations'])],
      settings: undefined,
    });
    assert.equal(found?.state, 'unknown');
    assert.match(found.problem ?? '', /web\/migrations\/1_a\/migration\.sql could not be read: EACCES/);
  });

  it('is unknown with links that lead out of the checkout where they could hold migrations, and in a checkout that is too large', async () => {
    const files = inMemory(prisma('web', '1_a'));
    const listing = {
      ...(await files.list()),
      notFollowed: [
        { path: 'web/migrations/2_b', problem: 'it is a link that leads out of the checkout' },
        { path: 'docs/link', problem: 'it is a link that leads out of the checkout' },
      ],
      truncated: true,
    };
    const [found] = await compareMigrations({
      files: { ...files, list: async () => listing },
      databases: [memberOf(applied('1_a')['public._prisma_migrations'])],
      settings: undefined,
    });
    assert.equal(found?.state, 'unknown');
    assert.match(found.problem ?? '', /web\/migrations\/2_b was left out/);
    assert.doesNotMatch(found.problem ?? '', /docs\/link/);
    assert.match(found.problem ?? '', /more files or folders than are looked at/);
  });
});

/** A member whose one table is Prisma's. */
function memberOf(rows: readonly Record<string, string | null>[]) {
  const columns = Object.keys(rows[0] ?? {});
  return {
    member: memberNameSchema.parse('main'),
    problem: null,
    catalogue: postgresCatalogue,
    read: async (statements: readonly { text: string }[]) =>
      statements.map(({ text }) => {
        if (text.includes('pg_attribute'))
          return columns.map((column) => ({ schema: 'public', name: '_prisma_migrations', column }));
        return text.includes('pg_class') ? [] : rows;
      }),
  };
}
