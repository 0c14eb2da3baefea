import assert from 'node:assert/strict';
import { cloneChangesSchema } from '../../../engine/protocol/entities.ts';
import { changesPage } from '../../../src/views/changesPage.ts';

const table = (changes: object) => ({
  ...{ member: 'orders', database: 'shop', schema: 'public', name: 'items' },
  ...{ inserted: 0, updated: 0, deleted: 0 },
  ...changes,
});
const page = (changes: object): string =>
  changesPage(cloneChangesSchema.parse({ counted: 'all', tables: [], schema: false, ...changes }), {
    clone: 'feature/a',
    snapshot: 'nightly',
  });

describe('the page of what was changed in a clone', () => {
  it('has a line for each table, with rows inserted, updated and deleted', () => {
    const tables = [table({ inserted: 3, updated: 2, deleted: 1 }), table({ schema: 'audit', name: 'a|b' })];
    const text = page({ tables });
    assert.match(text, /\| items \| 3 \| 2 \| 1 \|\n\| audit\\\.a\\\|b \| 0 \| 0 \| 0 \|/);
    assert.match(text, /No definition was changed\./);
  });

  it('says how far the numbers are known', () => {
    assert.match(page({}), /No row was written\./);
    assert.match(page({ counted: 'some', tables: [table({ inserted: 1 })] }), /at least so many/);
    const unknown = page({ counted: 'no' });
    assert.match(unknown, /Nobody knows what was changed/);
    assert.doesNotMatch(unknown, /No row|No definition/);
    assert.match(page({ schema: true }), /Definitions were changed/);
  });

  it('tells the members apart where there are several', () => {
    const text = page({ tables: [table({}), table({ member: 'users' })] });
    assert.match(text, /\| orders: items \|[^\n]*\n\| users: items \|/);
  });
});
