import assert from 'node:assert/strict';
import { createLooking } from '../../../engine/services/checkouts/looking.ts';

describe('looking', () => {
  it('looks one at a time, and once more for all that came in the meantime', async () => {
    let looks = 0;
    let atOnce = 0;
    const release: (() => void)[] = [];
    const looking = createLooking(async () => {
      looks++;
      atOnce++;
      assert.equal(atOnce, 1);
      await new Promise<void>((resolve) => release.push(resolve));
      atOnce--;
    });
    const first = looking.look();
    const second = looking.look();
    const third = looking.look();
    release.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    release.shift()?.();
    await Promise.all([first, second, third]);
    assert.equal(looks, 2);
  });

  it('loses no look that is asked for in whichever turn one ends', async () => {
    for (let turns = 0; turns < 12; turns++) {
      let looks = 0;
      const looking = createLooking(async () => {
        looks++;
      });
      const first = looking.look();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const before = looks;
      await looking.look();
      assert.ok(looks > before, `asked for ${turns} turns after the first one`);
      await first;
      await looking.ended();
    }
  });

  it('tells the end of a look that failed, and looks again when it is asked to', async () => {
    let looks = 0;
    const looking = createLooking(async () => {
      if (looks++ === 0) throw new Error('the first one fails');
    });
    await assert.rejects(looking.look(), /the first one fails/);
    await looking.look();
    assert.equal(looks, 2);
  });
});
