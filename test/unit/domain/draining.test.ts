import assert from 'node:assert/strict';
import { drainMs, partingOf } from '../../../engine/domain/draining.ts';
import { cloneStateSchema } from '../../../engine/protocol/entities.ts';
import { cloneIdSchema } from '../../../engine/protocol/ids.ts';

const id = cloneIdSchema.parse(`clone-${'a'.repeat(16)}`);
const other = cloneIdSchema.parse(`clone-${'b'.repeat(16)}`);

describe('open transactions at a switch', () => {
  it('end at once, unless the file says that they may end by themselves', () => {
    const left = { id, state: 'ready' } as const;
    assert.equal(drainMs(undefined, left, other), 0);
    assert.equal(drainMs({}, left, other), 0);
    assert.equal(drainMs({ onSwitch: 'close', drainFor: '30s' }, left, other), 0);
    assert.equal(drainMs({ onSwitch: 'drain' }, left, other), 5_000);
    assert.equal(drainMs({ onSwitch: 'drain', drainFor: '60s' }, left, null), 60_000);
  });

  it('end at once with a clone that is itself reset, stopped or destroyed', () => {
    const drain = { onSwitch: 'drain' } as const;
    const may = cloneStateSchema.options.filter((state) => drainMs(drain, { id, state }, other) > 0);
    assert.deepEqual(may.sort(), ['committing', 'ready']);
    assert.equal(drainMs(drain, { id, state: 'ready' }, id), 0);
    assert.equal(drainMs(drain, undefined, other), 0);
  });

  it('are waited for once, and only where there are any', () => {
    assert.equal(partingOf({ drains: false, inTransaction: true }, 1), 'drains');
    assert.equal(partingOf({ drains: false, inTransaction: false }, 1), 'ends');
    assert.equal(partingOf({ drains: false, inTransaction: true }, 0), 'ends');
    for (const ms of [0, 1]) assert.equal(partingOf({ drains: true, inTransaction: true }, ms), 'goesOn');
  });
});
