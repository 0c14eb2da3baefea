import assert from 'node:assert/strict';
import { mapBounded } from '../../../engine/domain/mapBounded.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('mapBounded', () => {
  it('keeps the order of the items, and never has more under way than allowed', async () => {
    let underWay = 0;
    let most = 0;
    const results = await mapBounded(
      new Set(Array.from({ length: 100 }, (_, n) => n)),
      7,
      async (n, index) => {
        assert.equal(index, n);
        most = Math.max(most, ++underWay);
        for (let turns = n % 3; turns >= 0; turns--) await turn();
        underWay--;
        return n * 2;
      },
    );
    assert.deepEqual(
      results,
      Array.from({ length: 100 }, (_, n) => n * 2),
    );
    assert.equal(most, 7);
  });

  it('has nothing to do for an empty list', async () => {
    assert.deepEqual(await mapBounded([], 4, async () => 1), []);
  });

  it('begins nothing more after an error, and throws it when all that was under way has ended', async () => {
    const begun: number[] = [];
    let ended = 0;
    await assert.rejects(
      mapBounded([0, 1, 2, 3, 4, 5], 2, async (n) => {
        begun.push(n);
        await turn();
        if (n === 0) throw new Error('first');
        await turn();
        ended++;
      }),
      /first/,
    );
    assert.deepEqual([begun, ended], [[0, 1], 1]);
  });
});
