import assert from 'node:assert/strict';
import { isWorthTelling } from '../../../engine/domain/hostChange.ts';
import { hostSchema } from '../../../engine/protocol/entities.ts';

const gigabyte = 1_000_000_000;
const host = (freeBytes: number, totalBytes = 1000 * gigabyte) =>
  hostSchema.parse({
    name: 'local',
    kind: 'local',
    state: 'ready',
    storage: { driver: 'btrfs', label: 'btrfs, thin', thin: true, path: '/pool', totalBytes, freeBytes },
    problem: null,
  });

describe('changes of a host', () => {
  it('are told when a hundredth of its space came or went', () => {
    assert.equal(isWorthTelling(host(500 * gigabyte), host(499 * gigabyte)), false);
    assert.equal(isWorthTelling(host(500 * gigabyte), host(490 * gigabyte)), true);
    assert.equal(isWorthTelling(host(490 * gigabyte), host(500 * gigabyte)), true);
  });

  it('are told sooner when little space is left, and again when there is none', () => {
    assert.equal(isWorthTelling(host(2 * gigabyte), host(1.95 * gigabyte)), false);
    assert.equal(isWorthTelling(host(2 * gigabyte), host(1.8 * gigabyte)), true);
    assert.equal(isWorthTelling(host(100_000_000), host(0)), true);
    assert.equal(isWorthTelling(host(0), host(1000)), false);
  });

  it('are told when people would read another compression', () => {
    const before = host(500 * gigabyte);
    const withRatio = (compression: number | null) => ({
      ...before,
      storage: before.storage && { ...before.storage, compression },
    });
    assert.equal(isWorthTelling(withRatio(1.86), withRatio(1.91)), false);
    assert.equal(isWorthTelling(withRatio(1.86), withRatio(2.31)), true);
    assert.equal(isWorthTelling(withRatio(null), withRatio(1)), true);
  });

  it('are told when its state, its problem or its storage is another one', () => {
    const before = host(500 * gigabyte);
    assert.equal(isWorthTelling(before, { ...before, state: 'unusable', problem: 'gone' }), true);
    assert.equal(isWorthTelling(before, { ...before, storage: null }), true);
    assert.equal(isWorthTelling({ ...before, storage: null }, { ...before, storage: null }), false);
    assert.equal(isWorthTelling(before, host(500 * gigabyte, 2000 * gigabyte)), true);
  });
});
