import assert from 'node:assert/strict';
import { describeChanges } from '../../../engine/protocol/cloneChanges.ts';
import { cloneChangesSchema } from '../../../engine/protocol/entities.ts';

const changes = (counted: string, counts: Record<string, number> = {}, schema = false) =>
  cloneChangesSchema.parse({
    ...{ counted, schema },
    tables: Object.entries(counts).map(([path, updated]) => {
      const [inSchema = '', name = ''] = path.split('.');
      return { member: 'main', database: 'shop', schema: inSchema, name, inserted: 0, updated, deleted: 0 };
    }),
  });

describe('what was changed in a clone, for people', () => {
  it('says that nothing was, only when all is counted', () => {
    assert.equal(describeChanges(changes('all')), 'Nothing was changed in it.');
    assert.equal(describeChanges(changes('some')), undefined);
    assert.equal(describeChanges(changes('no')), undefined);
  });

  it('names the tables with most rows, and counts the others', () => {
    assert.equal(
      describeChanges(
        changes('all', { 'public.orders': 3, 'crm.users': 1, 'public.a': 1, 'public.b': 1, 'public.c': 1 }),
      ),
      'Changed in it: 3 rows of orders, 1 row of crm.users, 1 row of a, 2 more tables.',
    );
  });

  it('tells definitions, and that more may be on its way', () => {
    assert.equal(
      describeChanges(changes('some', { 'public.orders': 3 }, true)),
      'Changed in it: at least 3 rows of orders, definitions of tables or other objects.',
    );
  });
});
