import assert from 'node:assert/strict';
import { durationMs, idleness, isExpired, isProtected } from '../../../engine/domain/expiry.ts';
import { freeCloneName, freeSnapshotName } from '../../../engine/domain/naming.ts';

const hour = 3_600_000;
const text = '2026-11-20T12:00:00.000Z';

describe('expiry', () => {
  it('reads durations in minutes, hours and days', () => {
    assert.deepEqual(['30m', '24h', '7d'].map(durationMs), [hour / 2, 24 * hour, 7 * 24 * hour]);
    assert.throws(() => durationMs('5 weeks'));
  });

  it('ends protection at its time and never for good', () => {
    assert.equal(isProtected({ protectedUntil: null }, text), false);
    assert.equal(isProtected({ protectedUntil: 'forever' }, text), true);
    assert.equal(isProtected({ protectedUntil: '2026-11-20T12:00:00.001Z' }, text), true);
    assert.equal(isProtected({ protectedUntil: text }, text), false);
  });

  it('lets an idle clone go only after its time, unprotected, and with nothing at work on it', () => {
    const idle = { state: 'ready', protectedUntil: null, idleMs: 2 * hour } as const;
    assert.equal(isExpired(idle, '1h', text), true);
    assert.equal(isExpired(idle, '2h', text), false);
    assert.equal(isExpired(idle, undefined, text), false);
    assert.equal(isExpired({ ...idle, protectedUntil: 'forever' }, '1h', text), false);
    assert.equal(isExpired({ ...idle, state: 'resetting' }, '1h', text), false);
  });

  it('counts as idle only what lies between two looks that found no use, and of a gap next to nothing', () => {
    const look = { usedAt: text, isUsed: false };
    const first = idleness(undefined, { ...look, lookedMs: 5000 });
    assert.equal(first.ms, 0);
    const second = idleness(first, { ...look, lookedMs: 35_000 });
    assert.equal(second.ms, 30_000);
    // A machine that slept, on a system whose monotonic clock goes on meanwhile.
    const afterSleep = idleness(second, { ...look, lookedMs: 35_000 + 9 * hour });
    assert.equal(afterSleep.ms, 150_000);
    assert.equal(idleness(afterSleep, { ...look, lookedMs: 0 }).ms, 150_000);
    assert.equal(idleness(afterSleep, { ...look, isUsed: true, lookedMs: 36_000 + 9 * hour }).ms, 0);
    const reset = { usedAt: '2026-11-20T12:30:00.000Z', isUsed: false, lookedMs: 36_000 + 9 * hour };
    assert.equal(idleness(afterSleep, reset).ms, 0);
  });
});

describe('names that nobody chose', () => {
  it('take the lowest free number', () => {
    assert.equal(freeCloneName(new Set(['clone-1', 'clone-3'])), 'clone-2');
  });

  it('tell the minute of a snapshot, and a number when it is taken', () => {
    assert.equal(freeSnapshotName(text, new Set()), '2026-11-20-1200');
    assert.equal(freeSnapshotName(text, new Set(), 'commit'), 'commit-2026-11-20-1200');
    assert.equal(freeSnapshotName(text, new Set(['2026-11-20-1200'])), '2026-11-20-1200-2');
  });
});
