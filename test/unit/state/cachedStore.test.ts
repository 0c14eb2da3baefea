import assert from 'node:assert/strict';
import { environmentDefinitionSchema } from '../../../engine/protocol/entities.ts';
import { environmentNameSchema } from '../../../engine/protocol/ids.ts';
import { cachedStore } from '../../../engine/state/cachedStore.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import type { EnvironmentRecord, Store } from '../../../engine/state/store.ts';

const named = (name: string, createdAt = '2026-11-20T12:00:00.000Z'): EnvironmentRecord => ({
  name: environmentNameSchema.parse(name),
  definition: environmentDefinitionSchema.parse({
    members: { orders: { engine: 'postgres', retrieval: 'logical' } },
  }),
  createdAt,
  sealedPasswords: {},
});

describe('the cached store', () => {
  let inner: Store;
  let store: Store;
  let reads: number;

  beforeEach(() => {
    const plain = openStore(':memory:');
    reads = 0;
    inner = {
      ...plain,
      environments: {
        ...plain.environments,
        list: () => {
          reads += 1;
          return plain.environments.list();
        },
      },
    };
    store = cachedStore(inner);
  });
  afterEach(() => inner.close());

  it('reads a table once until it changes', () => {
    store.environments.put(named('a'));
    store.environments.list();
    assert.equal(store.environments.get(named('a').name)?.name, 'a');
    store.environments.list();
    assert.equal(reads, 1);
    store.environments.put(named('b'));
    assert.deepEqual(
      store.environments.list().map(({ name }) => name),
      ['a', 'b'],
    );
    store.environments.remove(named('a').name);
    assert.equal(store.environments.get(named('a').name), undefined);
  });

  it('reads no other row again when one changes', () => {
    for (const name of ['b', 'a', 'c']) store.environments.put(named(name));
    const [first, , third] = store.environments.list();
    store.environments.put(named('b', '2026-11-21T12:00:00.000Z'));
    assert.deepEqual(
      store.environments.list().map(({ name, createdAt }) => [name, createdAt.slice(8, 10)]),
      [
        ['a', '20'],
        ['b', '21'],
        ['c', '20'],
      ],
    );
    assert.equal(store.environments.get(named('b').name), store.environments.list()[1]);
    assert.equal(store.environments.list()[0], first);
    assert.equal(store.environments.list()[2], third);
    assert.equal(reads, 1);
    assert.throws(() => Object.assign(store.environments.list()[1] ?? {}, { createdAt: 'never' }), TypeError);
    assert.throws(() =>
      store.transaction(() => {
        store.environments.put(named('b', '2026-11-22T12:00:00.000Z'));
        throw new Error('no');
      }),
    );
    assert.equal(store.environments.get(named('b').name)?.createdAt, '2026-11-21T12:00:00.000Z');
  });

  it('shows changes inside a transaction, and forgets them when it is rolled back', () => {
    store.environments.put(named('a'));
    assert.throws(() =>
      store.transaction(() => {
        store.environments.put(named('b'));
        assert.equal(store.environments.list().length, 2);
        throw new Error('no');
      }),
    );
    assert.deepEqual(
      store.environments.list().map(({ name }) => name),
      ['a'],
    );
  });

  it('hands out rows that nobody can change, and lists that each caller may', () => {
    store.environments.put(named('a'));
    const [row] = store.environments.list();
    assert.throws(() => Object.assign(row ?? {}, { createdAt: 'never' }), TypeError);
    store.environments.list().pop();
    assert.equal(store.environments.list().length, 1);
  });
});
