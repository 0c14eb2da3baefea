import assert from 'node:assert/strict';
import { reconcile, type Desired, type ObservedDataset } from '../../../engine/domain/reconcile.ts';
import { cloneIdSchema, datasetIdSchema, snapshotIdSchema } from '../../../engine/protocol/ids.ts';

const pad = (text: string): string => text.padEnd(16, 'a');
const data = (name: string) => datasetIdSchema.parse(`data-${pad(name)}`);
const clone = cloneIdSchema.parse(`clone-${pad('x')}`);
const snapshot = snapshotIdSchema.parse(`snapshot-${pad('s')}`);
const nothing: Desired = { referenced: new Set(), generations: new Map(), snapshots: new Set() };

const ofClone = (
  name: string,
  generation: number,
  state: ObservedDataset['state'] = 'ready',
  members = 1,
): ObservedDataset => ({
  id: data(name),
  state,
  members,
  content: { kind: 'clone', clone, generation },
});
const ofSnapshot = (
  name: string,
  state: ObservedDataset['state'] = 'ready',
  members = 1,
): ObservedDataset => ({
  id: data(name),
  state,
  members,
  content: { kind: 'snapshot', snapshot },
});

describe('reconcile', () => {
  it('adopts ready snapshots and clones that a lost state no longer knows', () => {
    const plan = reconcile([ofSnapshot('a'), ofClone('b', 3)], nothing);
    assert.deepEqual(plan.adoptSnapshots, [snapshot]);
    assert.deepEqual(plan.adoptClones, [{ clone, generation: 3 }]);
    assert.deepEqual(plan.sweep, []);
  });

  it('sweeps what its own tag calls unfinished or given up', () => {
    const plan = reconcile([ofSnapshot('a', 'filling'), ofClone('b', 0, 'doomed')], nothing);
    assert.deepEqual(plan.sweep, [data('a'), data('b')]);
    assert.deepEqual(plan.adoptSnapshots, []);
  });

  it('leaves what the state refers to alone, whatever its tag says', () => {
    const plan = reconcile([ofClone('a', 0, 'filling')], { ...nothing, referenced: new Set([data('a')]) });
    assert.deepEqual(plan, { sweep: [], adoptSnapshots: [], adoptClones: [], lost: [], puzzling: [] });
  });

  it('sweeps the generation that a reset replaced', () => {
    const plan = reconcile([ofClone('old', 1), ofClone('new', 2)], {
      referenced: new Set([data('new')]),
      generations: new Map([[clone, 2]]),
      snapshots: new Set(),
    });
    assert.deepEqual(plan.sweep, [data('old')]);
  });

  it('adopts the newest complete generation when the state is lost between two', () => {
    const plan = reconcile([ofClone('old', 1), ofClone('new', 2)], nothing);
    assert.deepEqual(plan.adoptClones, [{ clone, generation: 2 }]);
    assert.deepEqual(plan.sweep, [data('old')]);
  });

  it('keeps the older complete generation when the newer one lacks a member', () => {
    const observed = [
      ofClone('olda', 1, 'ready', 2),
      ofClone('oldb', 1, 'ready', 2),
      ofClone('newa', 2, 'ready', 2),
    ];
    const plan = reconcile(observed, nothing);
    assert.deepEqual(plan.adoptClones, [{ clone, generation: 1 }]);
    assert.deepEqual(plan.puzzling, [data('newa')]);
    assert.deepEqual(plan.sweep, []);
  });

  it('names datasets that the state needs and the storage does not have', () => {
    const plan = reconcile([], { ...nothing, referenced: new Set([data('gone')]) });
    assert.deepEqual(plan.lost, [data('gone')]);
  });

  it('never sweeps a ready dataset for want of knowledge, in ten thousand random situations', () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    let state = seed;
    const random = (limit: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % limit;
    };
    for (let round = 0; round < 10_000; round++) {
      const observed: ObservedDataset[] = Array.from({ length: random(6) }, (_, index) => {
        const name = `d${'abcdefg'[index] ?? ''}`;
        const tag = (['filling', 'ready', 'doomed'] as const)[random(3)] ?? 'ready';
        const members = 1 + random(2);
        return random(2) === 0 ? ofClone(name, random(3), tag, members) : ofSnapshot(name, tag, members);
      });
      const generation = random(3);
      const desired: Desired = {
        referenced: new Set(observed.filter(() => random(2) === 0).map(({ id }) => id)),
        generations: new Map(random(2) === 0 ? [] : [[clone, generation]]),
        snapshots: new Set(random(2) === 0 ? [] : [snapshot]),
      };
      const plan = reconcile(observed, desired);
      for (const id of plan.sweep) {
        const dataset = observed.find((each) => each.id === id);
        assert.ok(dataset, `seed ${seed}`);
        assert.ok(!desired.referenced.has(id), `seed ${seed}`);
        if (dataset.state !== 'ready') continue;
        const { content } = dataset;
        if (content.kind !== 'clone') assert.fail(`seed ${seed}: a ready snapshot was swept`);
        const newer = plan.adoptClones[0]?.generation ?? desired.generations.get(content.clone) ?? -1;
        assert.ok(
          content.generation < newer,
          `seed ${seed}: a ready generation was swept without a newer one`,
        );
      }
    }
  });
});
