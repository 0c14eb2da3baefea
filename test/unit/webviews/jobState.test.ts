/** What the job page knows and says of its job. */
import assert from 'node:assert/strict';
import {
  announcement,
  banners,
  canCancel,
  canRetry,
  initialState,
  isLive,
  reduce,
  spent,
  taskAmounts,
  type JobState,
} from '../../../webview-ui/jobs/jobState.ts';
import type { PageTask, ToPage } from '../../../webview-ui/jobs/messages.ts';
import { durationText, percentText, tickingText } from '../../../webview-ui/shared/amounts.ts';
import { at, jobOf } from './jobs.ts';

const now = Date.parse(at(90));
const after = (...messages: Exclude<ToPage, { kind: 'lines' }>[]): JobState =>
  messages.reduce(reduce, initialState(null));
const connected = { kind: 'connection', state: 'connected', problem: null } as const;
const lost = { kind: 'connection', state: 'disconnected', problem: null } as const;

describe('The state of the job page', () => {
  it('is live while the engine is there and the job has not ended', () => {
    assert.ok(isLive(after(connected, { kind: 'job', job: jobOf() })));
    assert.ok(!isLive(after(connected, { kind: 'job', job: jobOf({ state: 'succeeded', endedAt: at(5) }) })));
    assert.ok(!isLive(after(connected, { kind: 'job', job: jobOf() }, lost)));
    assert.ok(!isLive(after(connected)));
  });

  it('offers to cancel only what can be canceled now', () => {
    assert.ok(canCancel(after(connected, { kind: 'job', job: jobOf() })));
    const ended = jobOf({ state: 'failed', endedAt: jobOf().createdAt, cancellable: false });
    assert.ok(canRetry(after(connected, { kind: 'job', job: ended, canRetry: true })));
    assert.ok(!canRetry(after(connected, { kind: 'job', job: ended })));
    assert.ok(!canRetry(after(connected, { kind: 'job', job: jobOf(), canRetry: true })));
    assert.ok(!canRetry(after(connected, { kind: 'job', job: ended, canRetry: true }, lost)));
    assert.ok(!canCancel(after(connected, { kind: 'job', job: jobOf({ cancellable: false }) })));
    assert.ok(!canCancel(after(connected, { kind: 'job', job: jobOf() }, lost)));
    assert.ok(!canCancel(after(connected, { kind: 'job', job: jobOf() }, { kind: 'gone' })));
  });

  it('keeps the job on the screen when the engine goes away, and says so', () => {
    const state = after(connected, { kind: 'job', job: jobOf() }, lost);
    assert.equal(state.job?.title, 'Reset clone feature/a');
    const [banner] = banners(state);
    assert.match(banner?.message ?? '', /not reachable.*last seen/);
    assert.ok(banner?.connect);
  });

  it('says why a job failed and what to do next, but not for one that was canceled', () => {
    const error = {
      code: 'x',
      message: 'The disk is full.',
      next: 'Free some.',
      retryable: false,
      details: {},
    };
    const failed = after(connected, { kind: 'job', job: jobOf({ state: 'failed', endedAt: at(9), error }) });
    assert.deepEqual(banners(failed), [
      { tone: 'error', message: 'The disk is full.', next: 'Free some.', connect: false },
    ]);
    const canceled = after(connected, {
      kind: 'job',
      job: jobOf({ state: 'cancelled', endedAt: at(9), error }),
    });
    assert.deepEqual(banners(canceled), []);
  });

  it('shows why a request was refused until the job has ended', () => {
    const refused = { kind: 'refused', problem: { message: 'Too late.', next: 'Wait.' } } as const;
    const state = after(connected, { kind: 'job', job: jobOf() }, refused);
    assert.equal(banners(state)[0]?.message, 'Too late.');
    const ended = reduce(state, { kind: 'job', job: jobOf({ state: 'succeeded', endedAt: at(9) }) });
    assert.deepEqual(banners(ended), []);
  });

  it('announces status and step, not the ticking time', () => {
    const tasks: PageTask[] = [
      { name: 'copy', state: 'running', progress: 0.5, startedAt: at(0), endedAt: null },
    ];
    const state = after(connected, { kind: 'job', job: jobOf({ tasks }) });
    assert.equal(announcement(state, now), 'Reset clone feature/a: Running, copy');
    assert.equal(announcement(state, now + 5000), announcement(state, now));
    const ended = after(connected, { kind: 'job', job: jobOf({ state: 'succeeded', endedAt: at(4.2) }) });
    assert.equal(announcement(ended, now), 'Reset clone feature/a: Succeeded after 4.2 s');
  });

  it('gives a running task its share and time, a finished one its duration', () => {
    const running: PageTask = {
      name: 'c',
      state: 'running',
      progress: 0.428,
      startedAt: at(80),
      endedAt: null,
    };
    assert.deepEqual(taskAmounts(running, now, true), ['42 %', '10 s']);
    assert.deepEqual(taskAmounts(running, now, false), ['42 %']);
    const done: PageTask = { ...running, state: 'succeeded', progress: 1, endedAt: at(80.25) };
    assert.deepEqual(taskAmounts(done, now, false), ['250 ms']);
    assert.equal(spent({ startedAt: null, endedAt: null }, now), null);
  });
});

describe('Amounts on pages', () => {
  it('are short and unmistakable', () => {
    assert.deepEqual([0, 87, 999.9, 4210, 59_949, 59_960, 187_000, 3_727_000].map(durationText), [
      '0 ms',
      '87 ms',
      '1.0 s',
      '4.2 s',
      '59.9 s',
      '0:59',
      '3:07',
      '1:02:07',
    ]);
    assert.deepEqual([400, 9_990, 75_000].map(tickingText), ['0 s', '9 s', '1:15']);
    assert.equal(percentText(0.999), '99 %');
    assert.equal(percentText(1), '100 %');
  });
});
