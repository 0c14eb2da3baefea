import assert from 'node:assert/strict';
import * as z from 'zod';
import { createLanes } from '../../../engine/jobs/lanes.ts';
import { createRunner, type Runner, type Submission } from '../../../engine/jobs/runner.ts';
import type { JobKind, Step, StepContext } from '../../../engine/jobs/steps.ts';
import type { Job } from '../../../engine/protocol/entities.ts';
import { fail, isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import type { Event } from '../../../engine/protocol/events.ts';
import { jobIdSchema } from '../../../engine/protocol/ids.ts';
import { createFeed } from '../../../engine/jobs/feed.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import type { Lane, Store } from '../../../engine/state/store.ts';
import { virtualClock } from '../../support/memoryEngine.ts';
import { seeded } from '../../support/seeds.ts';

type Data = { learned: string[] };
type TestStep = Step<object, Data>;
const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isFailure(error, wanted);

const random = seeded(1);
const letters = 'abcdefghijklmnopqrstuvwxyz234567';
const id = (): string => Array.from({ length: 16 }, () => letters[Math.floor(random() * 32)]).join('');

function open(store: Store = openStore(':memory:')) {
  const events: Event[] = [];
  const feed = createFeed('epoch');
  feed.subscribe({ epoch: 'epoch', seq: 0 }, (event) => events.push(structuredClone(event)));
  const story: string[] = [];
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warning: () => undefined,
    error: (text: string) => story.push(`log: ${text}`),
  };
  let crash: string | undefined;
  const clock = virtualClock();
  const runner: Runner = createRunner({
    store,
    clock,
    random: { id, password: id },
    feed,
    log,
    failpoint: (name) => {
      story.push(name);
      if (name === crash) throw new Error('crash');
    },
  });
  return { store, events, story, runner, clock, crashAt: (name: string) => (crash = name) };
}

/** Steps that write down what is called; `extra` adds to the step of that name. */
function kindOf(
  story: string[],
  names: readonly string[],
  extra: Record<string, Partial<TestStep>> = {},
): JobKind<object, Data> {
  return {
    type: 'clone.create',
    input: z.object({}),
    data: z.object({ learned: z.array(z.string()) }),
    steps: () =>
      names.map((name) => ({
        name,
        run: async ({ data }) => {
          story.push(`run ${name}`);
          data.learned.push(name);
          return () => story.push(`commit ${name}`);
        },
        undo: async () => {
          story.push(`undo ${name}`);
          return undefined;
        },
        ...extra[name],
      })),
    failed: () => () => story.push('failed'),
    ended: async () => {
      story.push('ended');
    },
  };
}

const submission = (
  kind: JobKind<object, Data>,
  changes: Partial<Submission<object, Data>> = {},
): Submission<object, Data> => ({
  kind,
  title: 'Create clone a',
  input: {},
  data: { learned: [] },
  lanes: [{ key: 'a', mode: 'exclusive' }],
  fingerprint: 'one',
  createdBy: 'tester',
  environment: null,
  object: { kind: 'clone', id: 'clone-a', name: 'a' },
  ...changes,
});

const key = (text: string): { key: string; request: string } => ({ key: text, request: text });
const calls = (story: readonly string[]): string[] => story.filter((each) => !each.includes('/'));
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};

describe('the job runner', () => {
  it('runs the steps in order, saves what they learned, and ends as succeeded', async () => {
    const { runner, store, story } = open();
    const job = runner.submit(submission(kindOf(story, ['a', 'b'])));
    assert.ok(['queued', 'running'].includes(job.state));
    const end = await runner.ended(job.id);
    assert.equal(end.state, 'succeeded');
    assert.equal(end.progress, 1);
    assert.deepEqual(calls(story), ['run a', 'commit a', 'run b', 'commit b', 'ended']);
    assert.deepEqual(store.jobs.get(job.id)?.data, { learned: ['a', 'b'] });
  });

  it('undoes in the opposite order what ran, and not what never began', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'b', 'c', 'd'], {
      c: { run: () => Promise.reject(fail('storage_full', { storage: 's', freeBytes: 0 })) },
    });
    const job = runner.submit(submission(kind));
    const end = await runner.ended(job.id);
    assert.equal(end.state, 'failed');
    assert.equal(end.error?.code, 'storage_full');
    assert.deepEqual(calls(story).slice(4, -1), ['undo c', 'undo b', 'undo a', 'log: job failed', 'failed']);
    assert.deepEqual(
      end.tasks.map(({ state }) => state),
      ['undone', 'undone', 'failed', 'pending'],
    );
  });

  it('tells an error in the task that failed', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'b', 'c'], { b: { run: () => Promise.reject(new Error('no room')) } });
    const job = runner.submit(submission(kind));
    await runner.ended(job.id);
    assert.deepEqual(
      runner.lines(job.id, 0).map(({ task, level }) => ({ task, level })),
      [{ task: 'b', level: 'error' }],
    );
  });

  it('measures the whole by the weights of its steps', async () => {
    const { runner, story, events } = open();
    let goOn = (): void => undefined;
    const kind = kindOf(story, ['long', 'short'], {
      long: {
        weight: 9,
        async run({ report }) {
          report.phase('dumping');
          report.progress(0.5);
          report.phase('restoring');
          await new Promise<void>((resolve) => (goOn = resolve));
          return undefined;
        },
      },
    });
    const job = runner.submit(submission(kind));
    await until(() =>
      events.some((event) => event.kind === 'job' && event.entity.tasks[0]?.phase === 'restoring'),
    );
    assert.equal(runner.get(job.id)?.progress, 0.45);
    assert.deepEqual(
      [...new Set(events.map((event) => (event.kind === 'job' ? event.entity.tasks[0]?.phase : undefined)))],
      [undefined, 'dumping', 'restoring'],
    );
    goOn();
    assert.equal((await runner.ended(job.id)).progress, 1);
  });

  it('undoes nothing after the commit', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'b'], {
      a: { commits: true },
      b: { run: () => Promise.reject(new Error('no')) },
    });
    const end = await runner.ended(runner.submit(submission(kind)).id);
    assert.equal(end.state, 'failed');
    assert.equal(
      story.some((each) => each.startsWith('undo')),
      false,
    );
  });

  it('takes the failure of a cleanup for a warning', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'sweep'], {
      a: { commits: true },
      sweep: { cleanup: true, run: () => Promise.reject(new Error('busy')) },
    });
    const job = runner.submit(submission(kind));
    const end = await runner.ended(job.id);
    assert.equal(end.state, 'succeeded');
    assert.equal(end.tasks[1]?.state, 'skipped');
    assert.ok(
      runner.lines(job.id, 0).some(({ level, text }) => level === 'warning' && text.includes('busy')),
    );
  });

  it('goes on undoing when one undo fails, and says so', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'b', 'c'], {
      b: { undo: () => Promise.reject(new Error('stuck')) },
      c: { run: () => Promise.reject(new Error('no')) },
    });
    const job = runner.submit(submission(kind));
    await runner.ended(job.id);
    assert.ok(story.includes('undo a'));
    assert.ok(runner.lines(job.id, 0).some(({ text }) => text.includes('stuck')));
  });

  it('cancels a job before its commit, and undoes it', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'wait'], {
      wait: {
        run: ({ signal }) =>
          new Promise((_, reject) => {
            story.push('waiting');
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('waiting'));
    runner.cancel(job.id);
    const end = await runner.ended(job.id);
    assert.equal(end.state, 'cancelled');
    assert.ok(story.includes('undo a'));
    // It was stopped and taken back; nothing of it failed.
    assert.deepEqual(
      end.tasks.map(({ state }) => state),
      ['undone', 'undone'],
    );
    assert.throws(() => runner.cancel(job.id), code('not_cancellable'));
  });

  it('refuses to cancel after the commit', async () => {
    const { runner, story } = open();
    let finish = (): void => undefined;
    const kind = kindOf(story, ['a', 'wait'], {
      a: { commits: true },
      wait: {
        run: ({ signal }: StepContext<object, Data>) =>
          new Promise((resolve) => {
            story.push('waiting');
            finish = () => resolve(() => assert.equal(signal.aborted, false));
          }),
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('waiting'));
    assert.equal(runner.get(job.id)?.cancellable, false);
    assert.throws(() => runner.cancel(job.id), code('not_cancellable'));
    finish();
    assert.equal((await runner.ended(job.id)).state, 'succeeded');
  });

  it('joins the same request, refuses a conflicting one with who works, and repeats by key', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a']);
    const idempotencyKey = { key: 'k', request: 'one' };
    const first = runner.submit(submission(kind, { idempotencyKey }));
    assert.equal(runner.submit(submission(kind, { createdBy: 'another' })).id, first.id);
    assert.throws(
      () => runner.submit(submission(kind, { fingerprint: 'two' })),
      (error) => {
        assert.ok(isFailure(error, 'busy'));
        assert.match(error.message, /Create clone a \(started by tester\)/);
        return true;
      },
    );
    const shared: Lane[] = [{ key: 'snapshot', mode: 'shared' }];
    const others = ['three', 'four'].map((fingerprint) =>
      runner.submit(submission(kind, { fingerprint, lanes: shared })),
    );
    assert.equal(new Set([first.id, ...others.map((job) => job.id)]).size, 3);
    await Promise.all([first, ...others].map((job) => runner.ended(job.id)));
    assert.equal(runner.submit(submission(kind, { idempotencyKey })).id, first.id);
    assert.notEqual(runner.submit(submission(kind)).id, first.id);
  });

  it('remembers the key of a request that joined another one, also in the next engine, and refuses it for another request', async () => {
    const { runner, story, store } = open();
    const kind = kindOf(story, ['a']);
    const first = runner.submit(submission(kind));
    const idempotencyKey = { key: 'k', request: 'one' };
    assert.equal(runner.submit(submission(kind, { idempotencyKey })).id, first.id);
    await runner.ended(first.id);
    const next = open(store);
    await next.runner.recover([kind]);
    for (const { runner: later } of [{ runner }, next]) {
      assert.equal(later.submit(submission(kind, { idempotencyKey })).id, first.id);
      assert.throws(
        () => later.submit(submission(kind, { idempotencyKey: { key: 'k', request: 'two' } })),
        code('idempotency_key_reused'),
      );
    }
    assert.equal(runner.list(10).length, 1);
  });

  describe('with jobs that wait', () => {
    /** Jobs that go on when the test says so, by their fingerprint. */
    const held = (story: string[]) => {
      const going = new Map<string, () => void>();
      const kind = (name: string): JobKind<object, Data> =>
        kindOf(story, [name], {
          [name]: {
            run: () =>
              new Promise((resolve) => {
                story.push(`begins ${name}`);
                going.set(name, () => resolve(undefined));
              }),
          },
        });
      const submit = (runner: Runner, name: string, changes: Partial<Submission<object, Data>> = {}): Job =>
        runner.submit(submission(kind(name), { fingerprint: name, waits: true, ...changes }));
      return { kind, submit, go: (name: string) => going.get(name)?.() };
    };
    const begun = (story: readonly string[]): string[] => story.filter((each) => each.startsWith('begins'));

    it('lets each wait as queued in the order of asking, and passes nobody by', async () => {
      const { runner, story, store } = open();
      const { submit, go } = held(story);
      const prepare = (name: string) => () => void story.push(`prepare ${name}`);
      const jobs = ['one', 'two', 'three'].map((name) => submit(runner, name, { prepare: prepare(name) }));
      const both: Lane[] = [
        { key: 'a', mode: 'exclusive' },
        { key: 'b', mode: 'exclusive' },
      ];
      const wide = submit(runner, 'wide', { lanes: both });
      // Free, but asked for by one that waits longer.
      const late = submit(runner, 'late', { lanes: [{ key: 'b', mode: 'shared' }] });
      assert.throws(() => submit(runner, 'never', { waits: false }), code('busy'));
      assert.throws(
        () => submit(runner, 'never', { waits: false, lanes: [{ key: 'b', mode: 'shared' }] }),
        code('busy'),
      );
      // The same request is the same job, also while it waits.
      assert.equal(submit(runner, 'two').id, jobs[1]?.id);
      await until(() => begun(story).length === 1);
      assert.equal(runner.get(jobs[1]?.id ?? late.id)?.state, 'queued');
      assert.equal(story.includes('prepare two'), false);
      for (const name of ['one', 'two', 'three', 'wide', 'late']) {
        await until(() => story.includes(`begins ${name}`));
        assert.equal(begun(story).at(-1), `begins ${name}`);
        if (name !== 'wide' && name !== 'late') assert.ok(story.includes(`prepare ${name}`));
        go(name);
      }
      for (const { id } of [...jobs, wide, late]) assert.equal((await runner.ended(id)).state, 'succeeded');
      assert.equal(store.jobs.unfinished().length, 0);
    });

    it('cancels one that waits, changes nothing for it, and goes on with the next', async () => {
      const { runner, story } = open();
      const { submit, go } = held(story);
      const one = submit(runner, 'one');
      const two = submit(runner, 'two', { prepare: () => void story.push('prepare two') });
      const three = submit(runner, 'three');
      assert.equal(runner.cancel(two.id).state, 'queued');
      assert.equal((await runner.ended(two.id)).state, 'cancelled');
      go('one');
      await until(() => story.includes('begins three'));
      go('three');
      for (const { id } of [one, three]) assert.equal((await runner.ended(id)).state, 'succeeded');
      assert.deepEqual(
        calls(story).filter((each) => /two|undo|failed/.test(each)),
        [],
      );
    });

    it('fails one whose beginning is refused when its turn comes', async () => {
      const { runner, story } = open();
      const { submit, go } = held(story);
      submit(runner, 'one');
      const two = submit(runner, 'two', {
        prepare: () => {
          throw fail('name_taken', { kind: 'snapshot', name: 'x' });
        },
      });
      await until(() => story.includes('begins one'));
      go('one');
      const { state, error } = await runner.ended(two.id);
      assert.deepEqual([state, error?.code], ['failed', 'name_taken']);
      assert.equal(runner.holder([{ key: 'a', mode: 'exclusive' }]), undefined);
    });

    it('ends one that waits as interrupted when the engine closes or the next one starts, and undoes nothing', async () => {
      for (const closes of [true, false]) {
        const { runner, story, store } = open();
        const { submit, kind, go } = held(story);
        submit(runner, 'one');
        const two = submit(runner, 'two', { prepare: () => void story.push('prepare two') });
        await until(() => story.includes('begins one'));
        if (closes) {
          go('one');
          await runner.close();
        }
        const next = open(store);
        await next.runner.recover([kind('one')]);
        assert.equal(next.runner.get(two.id)?.error?.code, 'interrupted');
        for (const told of [story, next.story])
          assert.deepEqual(
            told.filter((each) => /prepare two|undo two/.test(each)),
            [],
          );
      }
    });
  });

  it('joins neither a job whose result is in place nor one that is being canceled', async () => {
    const { runner, story } = open();
    let go = (): void => undefined;
    const wait = { run: () => new Promise<undefined>((resolve) => (go = () => resolve(undefined))) };
    const kind = kindOf(story, ['z', 'a', 'b'], { a: { commits: true }, b: wait });
    const removal = kindOf(story, ['a', 'b'], { a: { commits: true }, b: wait });
    const first = runner.submit(submission(kind));
    await until(() => runner.get(first.id)?.cancellable === false);
    const isBusy = (error: unknown): boolean => isFailure(error, 'busy');
    assert.throws(() => runner.submit(submission(kind)), isBusy);
    assert.equal(runner.submit(submission(removal)).id, first.id);
    await until(() => runner.get(first.id)?.tasks[2]?.state === 'running');
    go();
    await runner.ended(first.id);

    const second = runner.submit(submission(kindOf(story, ['b', 'c'], { b: wait })));
    await until(() => runner.get(second.id)?.tasks[0]?.state === 'running');
    runner.cancel(second.id);
    assert.throws(() => runner.submit(submission(kind)), isBusy);
    go();
    assert.equal((await runner.ended(second.id)).state, 'cancelled');
  });

  it('tells a progress that never falls and numbers its lines without a gap', async () => {
    const { runner, story, events } = open();
    const report = (fractions: readonly number[]): Partial<TestStep> => ({
      run: async ({ report: to }) => {
        for (const fraction of fractions) {
          to.progress(fraction);
          to.line(`at ${fraction}`);
        }
        return undefined;
      },
    });
    const kind = kindOf(story, ['a', 'b', 'c'], {
      a: report([0.2, 0.1, 0.9, -1, 7, Number.NaN]),
      b: report([0.5, 0.4]),
      c: { run: () => Promise.reject(new Error('no')) },
    });
    const job = runner.submit(submission(kind));
    await runner.ended(job.id);
    const told = events.flatMap((event) => (event.kind === 'job' ? [event.entity.progress] : []));
    assert.deepEqual(
      told,
      [...told].sort((a, b) => a - b),
    );
    assert.ok(told.every((each) => each >= 0 && each <= 1));
    const lines = runner.lines(job.id, 0);
    assert.deepEqual(
      lines.map(({ line }) => line),
      lines.map((_, index) => index + 1),
    );
    assert.deepEqual(runner.lines(job.id, 3), lines.slice(3));
    assert.equal(events.filter(({ kind: each }) => each === 'jobLine').length, lines.length);
  });

  it('keeps twenty thousand lines of a job, told page by page without a gap, also by the next engine', async () => {
    const { runner, store, story } = open();
    const count = 20_000;
    const talkative: Partial<TestStep> = {
      run: async ({ report }) => {
        for (let line = 1; line <= count; line++) report.line(`line ${line}`);
        return undefined;
      },
    };
    const job = runner.submit(submission(kindOf(story, ['a'], { a: talkative })));
    assert.equal((await runner.ended(job.id)).state, 'succeeded');
    for (const each of [runner, open(store).runner]) {
      const texts: string[] = [];
      for (let after = 0; ;) {
        const lines = each.lines(job.id, after);
        if (lines.length === 0) break;
        assert.equal(lines[0]?.line, after + 1);
        texts.push(...lines.map(({ text }) => text));
        after = lines.at(-1)?.line ?? after;
      }
      assert.deepEqual(
        texts,
        Array.from({ length: count }, (_, index) => `line ${index + 1}`),
      );
    }
  });

  it('changes the state and the journal together, or neither', async () => {
    const { runner, store, story } = open();
    const kind = kindOf(story, ['a'], {
      a: {
        run: async () => () => {
          throw new Error('the change is refused');
        },
      },
    });
    const job = runner.submit(submission(kind));
    assert.equal((await runner.ended(job.id)).state, 'failed');
    assert.equal(store.jobs.get(job.id)?.state, 'failed');
    assert.throws(() =>
      runner.submit(
        submission(kind, {
          fingerprint: 'x',
          prepare: () => {
            throw new Error('the preparation is refused');
          },
        }),
      ),
    );
    assert.equal(runner.list(10).length, 1);
    // The lane is free.
    runner.submit(submission(kindOf(story, ['a']), { fingerprint: 'y' }));
  });

  /** A store whose transactions fail while it is told so: before anything of them stands, or when all of it does. */
  const failing = (store: Store) => {
    const state: { fails: 'before' | 'after' | undefined } = { fails: undefined };
    const hit = (when: 'before' | 'after'): void => {
      if (state.fails === when) throw new Error('the disk is broken');
    };
    const wrapped: Store = {
      ...store,
      transaction(change) {
        const value = store.transaction(() => {
          const changed = change();
          hit('before');
          return changed;
        });
        hit('after');
        return value;
      },
    };
    return { state, store: wrapped };
  };

  it('takes a commit that the state refused for none, and undoes everything', async () => {
    const { state, store } = failing(openStore(':memory:'));
    const { runner, story } = open(store);
    const kind = kindOf(story, ['a', 'b'], {
      b: {
        commits: true,
        run: async () => () => {
          story.push('commit b');
          state.fails = 'before';
        },
        undo: async () => {
          state.fails = undefined;
          story.push('undo b');
          return undefined;
        },
      },
    });
    const end = await runner.ended(runner.submit(submission(kind)).id);
    assert.equal(end.state, 'failed');
    assert.deepEqual(calls(story).slice(3), ['undo b', 'undo a', 'log: job failed', 'failed', 'ended']);
    assert.equal(store.jobs.get(end.id)?.committed, false);
  });

  it('goes on after a write that was carried out although it failed, and tells everybody to read again', async () => {
    const { state, store } = failing(openStore(':memory:'));
    const { runner, story, events } = open(store);
    const kind = kindOf(story, ['a', 'b'], {
      a: {
        commits: true,
        run: async () => () => {
          state.fails = 'after';
        },
      },
      b: {
        run: async () => {
          return () => story.push('commit b');
        },
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('clone.create/0/after'));
    state.fails = undefined;
    assert.equal((await runner.ended(job.id)).state, 'succeeded');
    assert.ok(events.some(({ kind: each }) => each === 'resync'));
    assert.equal(store.jobs.get(job.id)?.committed, true);
  });

  it('ends a job when its end can be written, with everything that its undoing owes, and holds its lanes until then', async () => {
    const { state, store } = failing(openStore(':memory:'));
    const { runner, story, clock } = open(store);
    const kind = kindOf(story, ['a', 'b'], {
      a: {
        undo: async () => () => {
          story.push('change a');
        },
      },
      b: {
        run: () => {
          state.fails = 'before';
          return Promise.reject(new Error('no'));
        },
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('log: the end of a job could not be written'));
    assert.equal(runner.get(job.id)?.endedAt, null);
    assert.throws(() => runner.submit(submission(kind, { fingerprint: 'two' })), code('busy'));
    state.fails = undefined;
    story.length = 0;
    await clock.advance(1000);
    assert.equal((await runner.ended(job.id)).state, 'failed');
    assert.deepEqual(calls(story), ['change a', 'failed', 'ended']);
    assert.equal(runner.holder([{ key: 'a', mode: 'exclusive' }]), undefined);
  });

  it('leaves a job whose end can not be written to the next engine when it closes', async () => {
    const inner = openStore(':memory:');
    const { state, store } = failing(inner);
    const { runner, story } = open(store);
    const kind = kindOf(story, ['a'], {
      a: {
        run: () => {
          state.fails = 'before';
          return Promise.reject(new Error('no'));
        },
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('log: the end of a job could not be written'));
    await runner.close();
    const next = open(store);
    await assert.rejects(next.runner.recover([kind]), /the disk is broken/);
    assert.equal(inner.jobs.get(job.id)?.endedAt, null);
    state.fails = undefined;
    await open(store).runner.recover([kind]);
    assert.equal(inner.jobs.get(job.id)?.error?.code, 'interrupted');
  });

  it('undoes at the next start what was not committed, and finishes what was', async () => {
    for (const commits of [false, true]) {
      const store = openStore(':memory:');
      const before = open(store);
      const names = ['a', 'b', 'c'];
      const kind = (story: string[]) => kindOf(story, names, commits ? { a: { commits: true } } : {});
      // Stops for ever in the middle of step b, as a killed engine does.
      const stuck = kind(before.story);
      const hanging: JobKind<object, Data> = {
        ...stuck,
        steps: (input) =>
          stuck.steps(input).map((step) =>
            step.name === 'b'
              ? {
                  ...step,
                  run: () => {
                    before.story.push('hangs');
                    return new Promise(() => undefined);
                  },
                }
              : step,
          ),
      };
      const job = before.runner.submit(submission(hanging));
      await until(() => before.story.includes('hangs'));

      const next = open(store);
      await next.runner.recover([kind(next.story)]);
      const end = next.runner.get(job.id) as Job;
      if (commits) {
        assert.equal(end.state, 'succeeded');
        assert.deepEqual(calls(next.story), ['run b', 'commit b', 'run c', 'commit c', 'ended']);
      } else {
        assert.equal(end.state, 'failed');
        assert.equal(end.error?.code, 'interrupted');
        assert.deepEqual(
          calls(next.story).filter((each) => each.startsWith('undo') || each === 'failed'),
          ['undo b', 'undo a', 'failed'],
        );
      }
      assert.equal(store.jobs.unfinished().length, 0);
      // Nothing holds the lane, and the numbers of the lines go on.
      assert.equal(next.runner.holder([{ key: 'a', mode: 'exclusive' }]), undefined);
      const lines = next.runner.lines(job.id, 0).map(({ line }) => line);
      assert.deepEqual(
        lines,
        lines.map((_, index) => index + 1),
      );
    }
  });

  it('ends a job of the journal that this version does not know', async () => {
    const store = openStore(':memory:');
    const before = open(store);
    const hang: Partial<TestStep> = { run: () => new Promise(() => undefined) };
    const job = before.runner.submit(submission(kindOf(before.story, ['a'], { a: hang })));
    const next = open(store);
    await next.runner.recover([]);
    assert.equal(next.runner.get(job.id)?.state, 'failed');
    assert.equal(store.jobs.unfinished().length, 0);
  });

  it('accepts nothing new when it closes, and undoes what runs', async () => {
    const { runner, story } = open();
    const kind = kindOf(story, ['a', 'wait'], {
      wait: {
        run: ({ signal }) =>
          new Promise((_, reject) => {
            story.push('waiting');
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      },
    });
    const job = runner.submit(submission(kind));
    await until(() => story.includes('waiting'));
    await runner.close();
    assert.equal(runner.get(job.id)?.error?.code, 'interrupted');
    assert.ok(story.includes('undo a'));
    assert.throws(() => runner.submit(submission(kind)), code('shutting_down'));
  });

  it('keeps the newest five hundred jobs', async () => {
    const { runner, store, story } = open();
    for (let number = 0; number < 510; number++) {
      const job = runner.submit(submission(kindOf(story, ['a']), { fingerprint: String(number) }));
      await runner.ended(job.id);
      await until(() => runner.working() === undefined);
    }
    await open(store).runner.recover([]);
    assert.equal(store.jobs.list(1000).length, 500);
  });

  it('forgets old jobs while it runs, tells so, and keeps one that began long ago and ended now', async () => {
    const { runner, store, story, events } = open();
    let finish = (): void => undefined;
    const wait = { run: () => new Promise<undefined>((resolve) => (finish = () => resolve(undefined))) };
    const long = runner.submit(
      submission(kindOf(story, ['a'], { a: wait }), {
        fingerprint: 'long',
        lanes: [],
        idempotencyKey: key('long'),
      }),
    );
    for (let number = 0; number < 510; number++) {
      const job = runner.submit(
        submission(kindOf(story, ['a']), {
          fingerprint: String(number),
          idempotencyKey: key(String(number)),
        }),
      );
      await runner.ended(job.id);
    }
    assert.equal(store.jobs.list(1000).length, 501);
    assert.equal(events.filter(({ kind }) => kind === 'job.removed').length, 10);
    assert.equal(runner.repeated(key('0')), undefined);
    assert.notEqual(runner.repeated(key('509')), undefined);
    finish();
    await runner.ended(long.id);
    assert.equal(runner.get(long.id)?.state, 'succeeded');
  });

  it('waits for what comes after the end of a job when it closes', async () => {
    const { runner, story } = open();
    let finish = (): void => undefined;
    const kind: JobKind<object, Data> = {
      ...kindOf(story, ['a']),
      ended: async () => {
        story.push('sweeping');
        await new Promise<void>((resolve) => (finish = resolve));
        story.push('swept');
      },
    };
    const job = runner.submit(submission(kind));
    await until(() => story.includes('sweeping'));
    assert.equal(runner.get(job.id)?.state, 'succeeded');
    const closed = runner.close().then(() => story.push('closed'));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    finish();
    await closed;
    assert.deepEqual(story.slice(-2), ['swept', 'closed']);
  });
});

describe('lanes', () => {
  const one = jobIdSchema.parse('job-aaaaaaaaaaaaaaaa');
  const two = jobIdSchema.parse('job-bbbbbbbbbbbbbbbb');
  const lane = (key: string, mode: Lane['mode']): Lane => ({ key, mode });

  it('let shared ones pass each other, and an exclusive one nobody', () => {
    const lanes = createLanes();
    lanes.hold(one, [lane('a', 'shared'), lane('b', 'exclusive')]);
    assert.equal(lanes.conflict([lane('a', 'shared')]), undefined);
    assert.equal(lanes.conflict([lane('c', 'exclusive')]), undefined);
    assert.equal(lanes.conflict([lane('a', 'exclusive')]), one);
    assert.equal(lanes.conflict([lane('b', 'shared')]), one);
    lanes.hold(two, [lane('a', 'shared')]);
    lanes.release(one);
    assert.equal(lanes.conflict([lane('b', 'exclusive')]), undefined);
    assert.equal(lanes.conflict([lane('a', 'exclusive')]), two);
  });
});
