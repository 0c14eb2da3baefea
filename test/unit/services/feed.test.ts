import assert from 'node:assert/strict';
import type { Event, EventBody } from '../../../engine/protocol/events.ts';
import { jobIdSchema } from '../../../engine/protocol/ids.ts';
import { publishingStore } from '../../../engine/services/publishingStore.ts';
import { createFeed } from '../../../engine/jobs/feed.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import type { CloneRecord, SnapshotRecord } from '../../../engine/state/store.ts';
import { caller, cloneName, openMemoryEngine, ref } from '../../support/memoryEngine.ts';

const body: EventBody = { kind: 'job.removed', id: jobIdSchema.parse('job-aaaaaaaaaaaaaaaa') };

describe('the event feed', () => {
  it('numbers events from one, and hands on the kept ones and then the live ones', () => {
    const feed = createFeed('e');
    feed.publish(body);
    feed.publish(body);
    const seen: Event[] = [];
    const stop = feed.subscribe({ epoch: 'e', seq: 1 }, (event) => seen.push(event));
    feed.publish(body);
    stop();
    feed.publish(body);
    assert.deepEqual(
      seen.map(({ seq }) => seq),
      [2, 3],
    );
    assert.equal(feed.seq(), 4);
  });

  it('says resync for another epoch, a number of the future, and what is no longer kept', () => {
    const feed = createFeed('e', 3);
    for (let count = 0; count < 10; count++) feed.publish(body);
    const first = (from: { epoch: string; seq: number }): Event | undefined => {
      const seen: Event[] = [];
      feed.subscribe(from, (event) => seen.push(event))();
      return seen[0];
    };
    for (const from of [
      { epoch: 'other', seq: 10 },
      { epoch: 'e', seq: 11 },
      { epoch: 'e', seq: 6 },
      { epoch: 'e', seq: Number.NaN },
    ])
      assert.deepEqual(first(from), { kind: 'resync', seq: 10 }, JSON.stringify(from));
    assert.equal(first({ epoch: 'e', seq: 7 })?.seq, 8);
    assert.equal(first({ epoch: 'e', seq: 10 }), undefined);
  });
});

describe('the publishing store', () => {
  const open = async () => {
    const engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
    const [environment] = engine.store.environments.list();
    const [snapshot] = engine.store.snapshots.list();
    const [clone] = engine.store.clones.list();
    await engine.close();
    assert.ok(environment && snapshot && clone);
    const feed = createFeed('e');
    const events: Event[] = [];
    feed.subscribe({ epoch: 'e', seq: 0 }, (event) => events.push(event));
    const store = publishingStore(openStore(':memory:'), feed);
    const told = (): string[] => events.splice(0).map(({ kind }) => kind);
    return { store, environment, snapshot, clone, events, told };
  };

  it('does not tell what the engine alone notes with a clone', async () => {
    const { store, clone, told } = await open();
    store.clones.put(clone);
    told();
    store.clones.put({ ...clone, usedAt: '2027-01-01T00:00:00.000Z', countedAt: '2027-01-01T00:00:00.000Z' });
    assert.deepEqual(told(), []);
    store.clones.put({ ...clone, problem: 'news' });
    assert.deepEqual(told(), ['clone']);
  });

  it('tells with each change the entities that follow from it', async () => {
    const { store, environment, snapshot, clone, events, told } = await open();
    store.environments.put(environment);
    assert.deepEqual(told(), ['environment']);
    store.snapshots.put(snapshot);
    assert.deepEqual(
      events.find((event) => event.kind === 'environment')?.entity.latestSnapshot,
      snapshot.id,
    );
    assert.deepEqual(told().sort(), ['environment', 'snapshot']);
    store.clones.put(clone);
    assert.deepEqual(events.find((event) => event.kind === 'snapshot')?.entity.clones, [clone.id]);
    assert.deepEqual(told().sort(), ['clone', 'environment', 'snapshot']);
    const second: SnapshotRecord = {
      ...snapshot,
      id: 'snapshot-bbbbbbbbbbbbbbbb' as never,
      name: 'b' as never,
    };
    store.snapshots.put(second);
    told();
    store.clones.put({ ...clone, snapshot: second.id });
    const changed = events.flatMap((event) => (event.kind === 'snapshot' ? [event.entity.id] : []));
    assert.deepEqual(changed.sort(), [snapshot.id, second.id].sort());
    told();
    store.clones.remove(clone.id);
    assert.deepEqual(told().sort(), ['clone.removed', 'environment', 'snapshot']);
    store.snapshots.remove(second.id);
    assert.deepEqual(told().sort(), ['environment', 'snapshot.removed']);
  });

  it('tells each entity once after a transaction, as it is then', async () => {
    const { store, environment, snapshot, clone, events, told } = await open();
    store.transaction(() => {
      store.environments.put(environment);
      store.snapshots.put(snapshot);
      for (const state of ['creating', 'ready'] as const) store.clones.put({ ...clone, state });
      assert.deepEqual(events, [], 'nothing is told before the commit');
    });
    assert.equal(events.find((event) => event.kind === 'clone')?.entity.state, 'ready');
    assert.deepEqual(told().sort(), ['clone', 'environment', 'snapshot']);
  });

  it('tells nothing of a transaction that was rolled back, also not later', async () => {
    const { store, environment, snapshot, clone, told } = await open();
    const everything = (): void => {
      store.environments.put(environment);
      store.snapshots.put(snapshot);
      store.clones.put(clone);
    };
    assert.throws(() =>
      store.transaction(() => {
        everything();
        throw new Error('no');
      }),
    );
    assert.deepEqual(told(), []);
    store.environments.put({ ...environment, name: 'other' as never });
    assert.deepEqual(told(), ['environment']);
    assert.deepEqual(store.clones.list(), []);
  });

  it('tells the changes of an outer transaction when a nested one is refused', async () => {
    const { store, environment, told } = await open();
    store.transaction(() => {
      store.environments.put(environment);
      assert.throws(() => store.transaction(() => undefined));
    });
    assert.deepEqual(told(), ['environment']);
  });

  it('tells nothing of a write that is refused', async () => {
    const { store, environment, snapshot, clone, told } = await open();
    store.environments.put(environment);
    store.snapshots.put(snapshot);
    store.clones.put(clone);
    told();
    const twin: CloneRecord = { ...clone, id: 'clone-bbbbbbbbbbbbbbbb' as never };
    assert.throws(() => store.clones.put(twin), /UNIQUE/);
    assert.deepEqual(told(), []);
  });

  it('never carries a password, sealed or not, in a clone', async () => {
    const { store, environment, snapshot, clone, events } = await open();
    store.environments.put(environment);
    store.snapshots.put(snapshot);
    store.clones.put(clone);
    assert.equal(JSON.stringify(events).includes(clone.sealedPassword), false);
  });
});
