import assert from 'node:assert/strict';
import {
  gapBetween,
  isTimed,
  jumpBetween,
  movedAlong,
  newestTime,
} from '../../../engine/domain/countedTime.ts';

const hour = 3_600_000;
const at = (wallMs: number, monotonicMs: number) => ({ wallMs, monotonicMs });
const finished = { since: '2026-11-20T12:00:00.000Z' };

describe('time that counts', () => {
  it('knows a clock that was set forward or back from one that only went on', () => {
    assert.equal(jumpBetween(at(1000, 0), at(2000, 1000)), 0);
    assert.equal(jumpBetween(at(0, 0), at(48 * hour + 1000, 1000)), 48 * hour);
    assert.equal(jumpBetween(at(48 * hour, 0), at(1000, 1000)), -48 * hour);
  });

  it('takes a correction of moments for none, which comes with every look', () => {
    assert.equal(jumpBetween(at(0, 0), at(2900, 1000)), 0);
    assert.equal(jumpBetween(at(5000, 0), at(4100, 1000)), 0);
  });

  it('leaves out what nobody looked in, whether the monotonic clock slept as well or not', () => {
    assert.equal(jumpBetween(at(0, 0), at(9 * hour, 1000)), 9 * hour - 1000);
    assert.equal(jumpBetween(at(0, 0), at(9 * hour, 9 * hour)), 9 * hour - 60_000);
    assert.equal(jumpBetween(at(0, 9 * hour), at(5000, 0)), 5000);
  });

  it('leaves out the time between two engines, also when the clock was set back in it', () => {
    const [earlier, later] = ['2026-11-20T12:00:00.000Z', '2026-11-27T12:00:00.000Z'];
    assert.equal(gapBetween(earlier, later), 7 * 24 * hour);
    assert.equal(gapBetween(later, earlier), -7 * 24 * hour);
    assert.equal(gapBetween(earlier, '2026-11-20T12:00:01.000Z'), 0);
  });

  it('moves the end of a protection and the begin of a grace period along, and what has none not', () => {
    const clone = { name: 'a', protectedUntil: '2026-11-20T13:00:00.000Z', finished };
    assert.deepEqual(movedAlong(clone, 24 * hour), {
      name: 'a',
      protectedUntil: '2026-11-21T13:00:00.000Z',
      finished: { since: '2026-11-21T12:00:00.000Z' },
    });
    for (const protectedUntil of ['forever', null] as const) {
      assert.deepEqual(movedAlong({ protectedUntil, finished: null }, hour), {
        protectedUntil,
        finished: null,
      });
      assert.equal(isTimed({ protectedUntil, finished: null }), false);
    }
    assert.ok(isTimed(clone) && isTimed({ protectedUntil: null, finished }));
  });

  it('makes what is made last the newest, also after the clock was set back', () => {
    const others = ['2026-11-20T12:00:00.000Z', '2026-11-20T13:00:00.000Z'];
    assert.equal(newestTime('2026-11-20T14:00:00.000Z', others), '2026-11-20T14:00:00.000Z');
    assert.equal(newestTime('2026-11-19T14:00:00.000Z', others), '2026-11-20T13:00:00.001Z');
    assert.equal(newestTime('2026-11-20T13:00:00.000Z', others), '2026-11-20T13:00:00.001Z');
    assert.equal(newestTime('2026-11-19T14:00:00.000Z', []), '2026-11-19T14:00:00.000Z');
  });
});
