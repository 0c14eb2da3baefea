import assert from 'node:assert/strict';
import type { Row, Statement } from '../../../engine/database/database.ts';
import { createMigrations } from '../../../engine/services/checkouts/migrationReports.ts';
import { createMemberReads } from '../../../engine/services/clones/read.ts';
import { createServers } from '../../../engine/services/clones/servers.ts';
import type { MigrationReport } from '../../../engine/protocol/migrationReport.ts';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';
import { inMemory } from './checkout.ts';

describe('migrations of a clone', () => {
  let engine: MemoryEngine;
  const asked: string[] = [];

  const answer = ({ text }: Statement, database: string): readonly Row[] => {
    asked.push(database);
    if (text.includes('pg_attribute'))
      return [{ schema: 'public', name: 'schema_migrations', column: 'version' }];
    return text.includes('pg_class') ? [] : [{ version: '1' }];
  };
  const report = async (settings?: { member: string }): Promise<MigrationReport[]> => {
    const context = engine.life().context;
    const files = inMemory({ 'db/migrate/1_a.rb': '', 'db/migrate/2_b.rb': '' });
    const migrations = createMigrations({ ...context, openCheckout: () => files });
    return await migrations.report(createMemberReads(context, createServers(context)), {
      clone: engine.clone('a'),
      tree: '/work/shop',
      ...(settings === undefined ? {} : { settings: settings as never }),
    });
  };

  beforeEach(async () => {
    asked.length = 0;
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'text', users: 'text' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
    engine.database.answer = answer;
  });
  afterEach(() => engine.close());

  it('are told for every member whose table knows some of them', async () => {
    const found = await report();
    assert.deepEqual(
      found.map(({ member, tool, state }) => [member, tool, state]),
      [
        ['orders', 'rails', 'behind'],
        ['users', 'rails', 'behind'],
      ],
    );
    assert.deepEqual([...new Set(asked)], ['app']);
  });

  it('are told for the one member of the settings', async () => {
    const found = await report({ member: 'users' });
    assert.deepEqual(
      found.map(({ member }) => member),
      ['users'],
    );
  });

  it('are unknown with the reason while the clone is stopped, and nothing is asked', async () => {
    const dataset = engine.clone('a').members[0]?.dataset;
    for (const server of engine.runtime.running.values())
      if (server.identity === dataset) await engine.runtime.stop(server, 'immediate');
    const found = await report({ member: 'orders' });
    assert.equal(found[0]?.state, 'unknown');
    assert.match(found[0].message, /orders of the clone a does not run/);
    assert.deepEqual(asked, []);
  });
});
