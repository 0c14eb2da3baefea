import assert from 'node:assert/strict';
import { openRememberedClones } from '../../../engine/hub/rememberedClones.ts';
import { cloneIdSchema, hostNameSchema } from '../../../engine/protocol/ids.ts';
import { textIn } from '../../support/memoryHub.ts';

const host = hostNameSchema.parse('big');
const clone = cloneIdSchema.parse('clone-aaaaaaaaaaaaaaaa');
const at = (hour: number): string => new Date(Date.UTC(2026, 10, 20, hour)).toISOString();

describe('what is remembered of clones of other hosts', () => {
  let kept: Map<string, string>;
  let warnings: number;
  const open = (now: string) =>
    openRememberedClones(textIn(kept, 'remembered'), now, {
      ...{ debug: () => undefined, info: () => undefined, error: () => undefined },
      warning: () => void (warnings += 1),
    });
  beforeEach(() => {
    kept = new Map();
    warnings = 0;
  });
  const finished = { branch: 'done', reason: 'deleted', since: at(3) } as const;

  it('is there for the next engine, without the time in which none looked', async () => {
    const first = await open(at(3));
    first.of(host).rememberFinished(clone, finished, at(5));
    first.of(host).rememberWorktree(clone, '/work/shop-a');
    await first.quiet();
    const { remembered } = (await open(at(15))).of(host);
    assert.deepEqual(remembered(clone), {
      worktree: '/work/shop-a',
      finished: { ...finished, since: at(13) },
    });
  });

  it('moves along with a jump of the clock, and goes with its clone', async () => {
    const memory = await open(at(3));
    const { rememberFinished, remembered, moveTimes } = memory.of(host);
    rememberFinished(clone, finished, at(3));
    moveTimes(3_600_000, at(4));
    assert.equal(remembered(clone).finished?.since, at(4));
    memory.keepOnly(() => false);
    assert.deepEqual(remembered(clone), { worktree: null, finished: null });
    await memory.quiet();
    assert.ok(!(kept.get('remembered') ?? '').includes(clone));
  });

  it('begins anew where nothing can be understood', async () => {
    kept.set('remembered', '{ half of');
    const { remembered } = (await open(at(3))).of(host);
    assert.deepEqual([remembered(clone), warnings], [{ worktree: null, finished: null }, 1]);
  });
});
