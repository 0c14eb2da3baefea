import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { keptDoorsIn } from '../../../engine/hub/keptDoors.ts';
import { createTunnels, type Tunnels } from '../../../engine/hub/tunnels.ts';
import { cloneIdSchema, hostNameSchema, memberNameSchema } from '../../../engine/protocol/ids.ts';
import { textIn } from '../../support/memoryHub.ts';

const key = (letter: string) => ({
  host: hostNameSchema.parse('big'),
  clone: cloneIdSchema.parse(`clone-${letter.repeat(16)}`),
  member: memberNameSchema.parse('orders'),
});

describe('the ports to clones of other hosts', () => {
  /** Ports that something listens on. */
  let listening: Set<number>;
  let kept: Map<string, string>;
  let taken: Set<number>;
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warning: () => undefined,
    error: () => undefined,
  };

  const open = (): Tunnels =>
    createTunnels({
      doors: {
        async open({ port }) {
          if (listening.has(port)) return undefined;
          listening.add(port);
          return { port, close: async () => void listening.delete(port) };
        },
      },
      lead: async () => duplexPair()[0],
      onProblem: (_, error) => assert.fail(String(error)),
      refusalBy: (_, error) => assert.fail(String(error)),
      kept: keptDoorsIn(textIn(kept, 'doors'), log),
      taken: () => taken,
    });

  beforeEach(() => {
    listening = new Set();
    kept = new Map();
    taken = new Set();
  });

  it('are the same for the next engine, which opens them before anybody asks', async () => {
    const first = open();
    const usual = await first.portFor(key('a'));
    await first.close();
    assert.deepEqual([...listening], []);
    // Another program has it for a time.
    kept.clear();
    listening.add(usual);
    const second = open();
    const other = await second.portFor(key('a'));
    assert.notEqual(other, usual);
    await second.close();
    listening.delete(usual);
    const third = open();
    await third.reopen(() => true);
    assert.deepEqual([...listening], [other]);
    assert.equal(await third.portFor(key('a')), other);
    await third.close();
  });

  it('are forgotten with their clones', async () => {
    const first = open();
    await first.portFor(key('a'));
    const stays = await first.portFor(key('b'));
    await first.keepOnly(({ clone }) => clone === key('b').clone);
    await first.close();
    const second = open();
    await second.reopen(() => true);
    assert.deepEqual([...listening], [stays]);
    await second.close();
  });

  it("are none of this machine's own, and what was kept wrongly hinders nobody", async () => {
    const first = open();
    const usual = await first.portFor(key('a'));
    await first.close();
    taken.add(usual);
    const second = open();
    await second.reopen(() => true);
    assert.equal(listening.has(usual), false);
    await second.close();
    kept.set('doors', '{ half of');
    const third = open();
    await third.reopen(() => true);
    assert.equal(listening.size, 0);
    await third.portFor(key('a'));
    await third.close();
  });
});
