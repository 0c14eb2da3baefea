import assert from 'node:assert/strict';
import { createModel, gathered, refreshIntervalMs, type Timer } from '../../../src/engine/model.ts';
import type { Overview } from '../../../engine/protocol/events.ts';
import { rowsUnder, treeState } from '../../../src/views/treeRows.ts';
import { fakeHost } from '../../support/fakeEngine/scriptedEngine.ts';
import { fakeClone, fakeEnvironment, fakeJob, fakeSnapshot, ids } from '../cli/fakeEngine.ts';

/** Time that passes only when told to. */
function manualTimer(): Timer & { pass(ms: number): void } {
  let now = 0;
  const waiting: { at: number; run: () => void }[] = [];
  return {
    now: () => now,
    after(ms, run) {
      const entry = { at: now + ms, run };
      waiting.push(entry);
      return () => void waiting.splice(waiting.indexOf(entry), 1);
    },
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const next = waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        waiting.splice(waiting.indexOf(next), 1);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}

const overview = (changes: Partial<Overview> = {}): Overview => ({
  epoch: 'e1',
  seq: 10,
  hosts: [],
  environments: [fakeEnvironment()],
  snapshots: [fakeSnapshot()],
  clones: [fakeClone()],
  checkouts: [],
  jobs: [],
  ...changes,
});

describe('the model of what the engine knows', () => {
  it('holds what an overview says and nothing of before', () => {
    const model = createModel(manualTimer());
    model.load(overview());
    model.load(overview({ clones: [], epoch: 'e2', seq: 3 }));
    assert.equal(model.clones.size, 0);
    assert.equal(model.environments.get('shop')?.name, 'shop');
    assert.deepEqual(model.position, { epoch: 'e2', seq: 3 });
  });

  it('replaces an entity by the complete one of an event, and removes what is gone', () => {
    const model = createModel(manualTimer());
    model.load(overview());
    model.apply({ seq: 11, kind: 'clone', entity: fakeClone({ state: 'resetting' }) });
    assert.equal(model.clones.get(ids.clone)?.state, 'resetting');
    model.apply({ seq: 12, kind: 'clone.removed', id: fakeClone().id });
    assert.equal(model.clones.size, 0);
    assert.deepEqual(model.position, { epoch: 'e1', seq: 12 });
  });

  it('shows the free space of a host anew when an event tells of it', () => {
    const model = createModel(manualTimer());
    model.load(overview({ hosts: [fakeHost()] }));
    const shown = () => rowsUnder(treeState(model, 0), undefined).find(({ label }) => label === 'local');
    assert.match(shown()?.description ?? '', /64 GB free/);
    const { storage, ...host } = fakeHost();
    assert.ok(storage);
    model.apply({ seq: 11, kind: 'host', entity: { ...host, storage: { ...storage, freeBytes: 3e9 } } });
    assert.match(shown()?.description ?? '', /3.0 GB free/);
  });

  it('ignores an event that the overview already contains', () => {
    const model = createModel(manualTimer());
    model.load(overview());
    model.apply({ seq: 10, kind: 'clone.removed', id: fakeClone().id });
    assert.equal(model.clones.size, 1);
  });

  it('asks for a new overview after a resync, and for nothing else', () => {
    const model = createModel(manualTimer());
    model.load(overview());
    assert.equal(model.apply({ seq: 11, kind: 'resync' }), false);
    assert.equal(
      model.apply({ seq: 12, kind: 'environment', entity: fakeEnvironment({ name: 'new' }) }),
      true,
    );
  });

  it('announces the first change at once and a burst of 1,000 events at most three times a second', () => {
    const timer = manualTimer();
    const model = createModel(timer);
    const at: number[] = [];
    model.onDidChange(() => at.push(timer.now()));
    model.load(overview());
    assert.equal(at.length, 1);
    for (let event = 1; event <= 1000; event++) {
      timer.pass(1);
      model.apply({ seq: 10 + event, kind: 'clone', entity: fakeClone({ problem: `number ${event}` }) });
    }
    assert.ok([2, 3, 4].includes(at.length), `${at.length} refreshes in a second`);
    timer.pass(refreshIntervalMs);
    const { length } = at;
    timer.pass(10_000);
    assert.equal(at.length, length);
    assert.equal(model.clones.get(ids.clone)?.problem, 'number 1000');
  });

  it('tells every state of a job without delay, also one that an overview brings', () => {
    const model = createModel(manualTimer());
    const states: string[] = [];
    model.onDidChangeJob((job) => states.push(job.state));
    model.load(overview({ jobs: [fakeJob({ state: 'queued' })] }));
    model.apply({ seq: 11, kind: 'job', entity: fakeJob() });
    model.apply({ seq: 12, kind: 'job', entity: fakeJob({ state: 'succeeded' }) });
    assert.deepEqual(states, ['queued', 'running', 'succeeded']);
  });

  it('gathers calls so that the last one is never lost', () => {
    const timer = manualTimer();
    const seen: number[] = [];
    let value = 0;
    const call = gathered(() => seen.push(value), 100, timer);
    for (value = 1; value <= 5; value++) call();
    timer.pass(100);
    assert.deepEqual(seen, [1, 6]);
  });
});
