import assert from 'node:assert/strict';
import type { Event } from '../../../engine/protocol/events.ts';
import { createFeed } from '../../../engine/jobs/feed.ts';

describe('the feed', () => {
  const listen = (feed: ReturnType<typeof createFeed>, epoch: string, seq: number): Event[] => {
    const events: Event[] = [];
    feed.subscribe({ epoch, seq }, (event) => events.push(event));
    return events;
  };
  it('numbers events without a gap and starts anywhere that it still keeps', () => {
    const feed = createFeed('e', 10);
    for (let round = 0; round < 25; round++) feed.publish({ kind: 'resync' });
    const events = listen(feed, 'e', 15);
    feed.publish({ kind: 'resync' });
    assert.deepEqual(
      events.map(({ seq }) => seq),
      [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26],
    );
  });
  it('tells to read everything again when it can not go on from there', () => {
    const feed = createFeed('e', 10);
    for (let round = 0; round < 25; round++) feed.publish({ kind: 'resync' });
    for (const [epoch, seq] of [
      ['e', 14],
      ['e', 26],
      ['another', 25],
      ['e', Number.NaN],
      ['', 0],
    ] as const) {
      const events = listen(feed, epoch, seq);
      assert.deepEqual(events, [{ kind: 'resync', seq: 25 }], `${epoch} ${seq}`);
    }
    assert.deepEqual(listen(feed, 'e', 25), []);
  });
  it('tells nobody who has left', () => {
    const feed = createFeed('e');
    const events: Event[] = [];
    feed.subscribe({ epoch: 'e', seq: 0 }, (event) => events.push(event))();
    feed.publish({ kind: 'resync' });
    assert.deepEqual(events, []);
  });
});
