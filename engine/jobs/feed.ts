/** The event feed: numbers what changes, keeps the newest events for those who reconnect, and hands them on. */
import type { Event, EventBody } from '../protocol/events.ts';

export interface Feed {
  readonly epoch: string;
  /** Number of the newest event. */
  seq(): number;
  publish(body: EventBody): void;
  /**
   * Events after `seq` of `epoch`, first the kept ones, then live. When they are no longer kept, one `resync` comes
   * first. Returns how to stop.
   */
  subscribe(from: { epoch: string; seq: number }, listener: (event: Event) => void): () => void;
  /** Aborts when nothing will be published any more, as the state was rebuilt: streams end, and start at the new feed. */
  readonly ended: AbortSignal;
  end(): void;
}

/** Characters of all events that are kept: a host that is joined here says how long its own are. */
const mostKept = 16 * 2 ** 20;

export function createFeed(epoch: string, keep = 5000): Feed {
  const kept: Event[] = [];
  const lengths: number[] = [];
  let length = 0;
  const listeners = new Set<(event: Event) => void>();
  const ending = new AbortController();
  let seq = 0;
  return {
    epoch,
    ended: ending.signal,
    end: () => ending.abort(),
    seq: () => seq,
    publish(body) {
      seq += 1;
      const event: Event = { ...body, seq };
      kept.push(event);
      const added = JSON.stringify(event).length;
      lengths.push(added);
      length += added;
      while (kept.length > keep || (length > mostKept && kept.length > 1)) {
        kept.shift();
        length -= lengths.shift() ?? 0;
      }
      for (const listener of listeners) listener(event);
    },
    subscribe(from, listener) {
      const oldest = kept[0]?.seq ?? seq + 1;
      if (from.epoch !== epoch || !Number.isInteger(from.seq) || from.seq > seq || from.seq + 1 < oldest) {
        listener({ seq, kind: 'resync' });
      } else {
        for (const event of kept) if (event.seq > from.seq) listener(event);
      }
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
