import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { startPatience } from '../../../engine/link/ssh/patience.ts';

describe('the patience with a silent host', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  const endOf = ({ over }: { over: Promise<number> }): { seconds: () => number | undefined } => {
    let found: number | undefined;
    void over.then((seconds) => (found = seconds));
    return { seconds: () => found };
  };
  const pass = async (ms: number): Promise<void> => {
    mock.timers.tick(ms);
    await Promise.resolve();
  };

  it('ends when nothing was heard for so long, and not before', async () => {
    const patience = startPatience(1000);
    const end = endOf(patience);
    await pass(999);
    patience.heard();
    await pass(999);
    assert.equal(end.seconds(), undefined);
    await pass(1);
    assert.equal(end.seconds(), 1);
  });

  it('does not count the time in which a person is asked, or we are at work ourselves, also both at once', async () => {
    const patience = startPatience(1000);
    const end = endOf(patience);
    patience.pause(true);
    patience.pause(true);
    await pass(100_000);
    patience.pause(false);
    await pass(100_000);
    assert.equal(end.seconds(), undefined);
    patience.pause(false);
    await pass(999);
    assert.equal(end.seconds(), undefined);
    await pass(1);
    assert.equal(end.seconds(), 1);
  });

  it('never ends once it was stopped', async () => {
    const patience = startPatience(1000);
    const end = endOf(patience);
    patience.stop();
    patience.heard();
    await pass(100_000);
    assert.equal(end.seconds(), undefined);
  });
});
