/** How lines get from the engine to the page: once, in order, no faster than the page takes them. */
import assert from 'node:assert/strict';
import type { JobLine } from '../../../engine/protocol/entities.ts';
import { createLineRelay, type LineRelay } from '../../../src/webviews/lineRelay.ts';
import { lineOf } from './jobs.ts';

/** Lets everything that is ready happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  relay: LineRelay;
  /** What the engine's log holds. */
  log: JobLine[];
  /** Numbers of the lines of each message. */
  messages: number[][];
  reads: number;
  failures: number;
  broken: boolean;
  add(count: number): JobLine[];
  /** Takes what was sent, as a page does, until nothing more comes. */
  drain(): Promise<void>;
  received(): number[];
}

function bench(atOnce = 5000): Bench {
  const it: Bench = {
    log: [],
    messages: [],
    reads: 0,
    failures: 0,
    broken: false,
    relay: createLineRelay({
      async fetch(after) {
        it.reads += 1;
        const held = it.log.filter(({ line }) => line > after).slice(0, atOnce);
        await settle();
        if (it.broken) throw new Error('away');
        return held;
      },
      send: (lines) => it.messages.push(lines.map(({ line }) => line)),
      onFailure: () => (it.failures += 1),
    }),
    add(count) {
      const lines = Array.from({ length: count }, (_, index) => lineOf(it.log.length + index + 1));
      it.log.push(...lines);
      return lines;
    },
    async drain() {
      for (let seen = -1; seen !== it.messages.length;) {
        await settle();
        await settle();
        if (it.messages.length > 0 && seen !== it.messages.length) {
          it.relay.took(it.messages.at(-1)?.at(-1) ?? 0);
        }
        seen = it.messages.length;
        await settle();
        await settle();
      }
    },
    received: () => it.messages.flat(),
  };
  return it;
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('The relay of lines', () => {
  it('brings what is in the log, then what is told', async () => {
    const it = bench();
    it.add(3);
    it.relay.start(0);
    await it.drain();
    for (const line of it.add(2)) it.relay.line(line);
    await it.drain();
    assert.deepEqual(it.received(), upTo(5));
  });

  it('reads a long log in parts and does not go on before the page has taken one', async () => {
    const it = bench(100);
    it.add(250);
    it.relay.start(0);
    await settle();
    await settle();
    await settle();
    assert.deepEqual(it.messages.length, 1);
    await it.drain();
    assert.deepEqual(it.received(), upTo(250));
  });

  it('goes on after the line that the page has', async () => {
    const it = bench();
    it.add(9);
    it.relay.start(6);
    await it.drain();
    assert.deepEqual(it.received(), [7, 8, 9]);
  });

  it('gathers lines that are told while the page is busy', async () => {
    const it = bench();
    it.relay.start(0);
    await it.drain();
    for (const line of it.add(1000)) it.relay.line(line);
    assert.equal(it.messages.length, 1);
    await it.drain();
    assert.equal(it.messages.length, 2);
    assert.deepEqual(it.received(), upTo(1000));
  });

  it('never loses a line that is told while the log is being read', async () => {
    const it = bench();
    it.relay.start(0);
    // The read is under way and its answer is decided: it has no lines.
    for (const line of it.add(1)) it.relay.line(line);
    await it.drain();
    assert.deepEqual(it.received(), [1]);
  });

  it('looks in the log when a number is missing, and takes none twice', async () => {
    const it = bench();
    it.relay.start(0);
    await it.drain();
    const [first, , third] = it.add(3);
    assert.ok(first !== undefined && third !== undefined);
    it.relay.line(first);
    it.relay.line(third);
    it.relay.line(first);
    await it.drain();
    assert.deepEqual(it.received(), [1, 2, 3]);
  });

  it('does not pile lines up for a page that does not answer', async () => {
    const it = bench();
    it.relay.start(0);
    await it.drain();
    for (const line of it.add(50_000)) it.relay.line(line);
    await it.drain();
    assert.deepEqual(it.received(), upTo(50_000));
    assert.ok(it.reads > 2, 'it forgot them and read them from the log');
  });

  it('reads again when the engine is back', async () => {
    const it = bench();
    it.add(2);
    it.broken = true;
    it.relay.start(0);
    await it.drain();
    assert.equal(it.failures, 1);
    assert.deepEqual(it.received(), []);
    it.broken = false;
    it.relay.lookAgain();
    await it.drain();
    assert.deepEqual(it.received(), [1, 2]);
  });

  it('reads again when a line is told after the log could not be read', async () => {
    const it = bench();
    it.broken = true;
    it.relay.start(0);
    await it.drain();
    it.broken = false;
    for (const line of it.add(1)) it.relay.line(line);
    await it.drain();
    assert.deepEqual(it.received(), [1]);
  });

  it('says nothing more to a page that is gone', async () => {
    const it = bench();
    it.add(2);
    it.relay.start(0);
    it.relay.stop();
    await it.drain();
    assert.deepEqual(it.received(), []);
    it.relay.start(0);
    await it.drain();
    assert.deepEqual(it.received(), [1, 2]);
  });
});
