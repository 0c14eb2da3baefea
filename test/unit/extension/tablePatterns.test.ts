import assert from 'node:assert/strict';
import { parsePattern } from '../../../engine/database/postgres/selection.ts';
import { exactPattern } from '../../../src/sources/tablePatterns.ts';

describe('the pattern of a table that was chosen', () => {
  for (const [schema, name] of [
    ['public', 'orders'],
    ['Old', 'Audit.Log'],
    ['a"b', 'c*d?'],
    ['-x', 'größe $1'],
  ] as const)
    it(`means exactly ${schema}.${name}`, () => {
      const { schema: inSchema, name: named } = parsePattern(exactPattern(schema, name));
      assert.match(schema, new RegExp(inSchema ?? '$^'));
      assert.match(name, new RegExp(named));
      assert.doesNotMatch(name.toUpperCase(), new RegExp(named));
    });
  it('is as it is read where nothing has to be marked', () => {
    assert.deepEqual([exactPattern('public'), exactPattern('public', 'a_1')], ['public', 'public.a_1']);
  });
});
