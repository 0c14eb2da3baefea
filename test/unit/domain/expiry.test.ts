import assert from 'node:assert/strict';
import { durationMs, isExpired, isProtected } from '../../../engine/domain/expiry.ts';
import { freeCloneName, freeSnapshotName } from '../../../engine/domain/naming.ts';

const hour = 3_600_000;
const text = '2026-11-20T12:00:00.000Z';
const now = { ms: Date.parse(text), text };

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
    const idle = { state: 'ready', protectedUntil: null, usedAtMs: now.ms - 2 * hour } as const;
    assert.equal(isExpired(idle, '1h', now), true);
    assert.equal(isExpired(idle, '2h', now), false);
    assert.equal(isExpired(idle, undefined, now), false);
    assert.equal(isExpired({ ...idle, protectedUntil: 'forever' }, '1h', now), false);
    assert.equal(isExpired({ ...idle, state: 'resetting' }, '1h', now), false);
  });
});

describe('names that nobody chose', () => {
  it('take the lowest free number', () => {
    assert.equal(freeCloneName(new Set(['clone-1', 'clone-3'])), 'clone-2');
  });

  it('tell the minute of a snapshot, and a number when it is taken', () => {
    assert.equal(freeSnapshotName(text, new Set()), '2026-11-20-1200');
    assert.equal(freeSnapshotName(text, new Set(['2026-11-20-1200'])), '2026-11-20-1200-2');
  });
});
