import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { usualLimits } from '../../../engine/link/session.ts';
import { startPulse } from '../../../engine/link/pulse.ts';

describe('the pulse of a link', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout'] }));
  afterEach(() => mock.timers.reset());

  const day = 24 * 3_600_000;
  /** A peer that answers after so many milliseconds, until it falls silent. */
  function open(afterMs: number) {
    const state = { now: 0, silent: false, deadAt: undefined as number | undefined };
    const answers: { at: number; answer: () => void }[] = [];
    const pulse = startPulse({
      session: {
        ping(...given: unknown[]) {
          const answered = given.at(-1) as (error: null) => void;
          answers.push({ at: state.now + afterMs, answer: () => answered(null) });
          return true;
        },
      },
      ...{ everyMs: usualLimits.pulseMs, patienceMs: usualLimits.patienceMs },
      onDead: () => (state.deadAt = state.now),
      monotonic: () => state.now,
    });
    const pass = (ms: number): void => {
      for (const end = state.now + ms; state.now < end;) {
        state.now += 10;
        mock.timers.tick(10);
        while (!state.silent && (answers[0]?.at ?? Infinity) <= state.now) answers.shift()?.answer();
      }
    };
    /** The machine sleeps: what is due fires when it wakes, before what came meanwhile is read. */
    const sleep = (ms: number): void => {
      state.now += ms;
      mock.timers.tick(usualLimits.patienceMs);
    };
    return { state, pulse, pass, sleep, diedAt: () => state.deadAt ?? Infinity };
  }

  it('tells that nobody is there a second before ten have passed, whenever the silence begins', () => {
    for (let beganAt = 0; beganAt <= 2 * usualLimits.pulseMs; beganAt += 50) {
      const { state, pulse, pass, diedAt } = open(20);
      pass(10_000 + beganAt);
      assert.equal(state.deadAt, undefined);
      state.silent = true;
      const silentAt = state.now;
      pass(20_000);
      const tookMs = diedAt() - silentAt;
      assert.ok(tookMs <= 9000, `${tookMs} ms`);
      pulse.stop();
    }
  });

  it('takes nobody for dead who answers in time, and knows how long that takes', () => {
    const { state, pulse, pass } = open(usualLimits.patienceMs - 100);
    pass(120_000);
    assert.equal(state.deadAt, undefined);
    assert.ok((pulse.roundTripMs ?? 0) >= usualLimits.patienceMs - 100);
    pulse.stop();
  });

  it('waits for the answer anew after this machine slept while one was on its way, and no longer', () => {
    for (const isThere of [true, false]) {
      const { state, pulse, pass, sleep } = open(100);
      pass(usualLimits.pulseMs + 50);
      sleep(day);
      state.silent = !isThere;
      pass(60_000);
      assert.equal(state.deadAt === undefined, isThere);
      pulse.stop();
    }
  });

  it('is over when it is stopped', () => {
    const { state, pulse, pass } = open(100);
    state.silent = true;
    pass(3000);
    pulse.stop();
    pass(60_000);
    assert.equal(state.deadAt, undefined);
  });
});
