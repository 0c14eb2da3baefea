import assert from 'node:assert/strict';
import { defaultVariables } from '../../../engine/protocol/variables.ts';
import { variableNameSchema } from '../../../engine/protocol/workspace.ts';

describe('the variables of members that the file gives none', () => {
  it('are DATABASE_URL for one member, and one after each of several', () => {
    assert.deepEqual(defaultVariables(['orders']), { DATABASE_URL: '{orders.url}' });
    assert.deepEqual(defaultVariables(['orders', 'web-users', '2nd']), {
      ORDERS_URL: '{orders.url}',
      WEB_USERS_URL: '{web-users.url}',
      _2ND_URL: '{2nd.url}',
    });
  });

  for (const members of [
    ['a-b', 'a_b'],
    ['a_b', 'a-b', 'a.b', 'A_B'],
    ['заказы', 'товары'],
    ['a-b', 'a.b', 'a_b_2a89df63'],
    ['straße', 'strasse', 'STRASSE'],
    ['ab', 'Ab', 'aB', 'AB'],
  ]) {
    it(`are different for ${members.join(', ')}, whatever their order`, () => {
      const variables = defaultVariables(members);
      assert.deepEqual(Object.values(variables).sort(), members.map((name) => `{${name}.url}`).sort());
      for (const name of Object.keys(variables)) assert.ok(variableNameSchema.safeParse(name).success, name);
      assert.deepEqual(defaultVariables([...members].reverse()), variables);
    });
  }

  it('lose none of two hundred members of one spelling', () => {
    const members = Array.from({ length: 200 }, (_, index) => String.fromCodePoint(0x4e00 + index));
    assert.equal(Object.keys(defaultVariables(members)).length, 200);
  });

  it('stay with a member that is written like them when another one comes', () => {
    assert.equal(defaultVariables(['orders', 'a_b'])['A_B_URL'], '{a_b.url}');
    const more = defaultVariables(['a-b', 'orders', 'a_b']);
    assert.equal(more['A_B_URL'], '{a_b.url}');
    const [marked] = Object.entries(more).find(([, template]) => template === '{a-b.url}') ?? [];
    assert.match(marked ?? '', /^A_B_[0-9A-F]{8}_URL$/);
    assert.equal(defaultVariables(['a-b', 'a.b'])[marked ?? ''], '{a-b.url}');
  });
});
