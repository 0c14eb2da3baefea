import assert from 'node:assert/strict';
import { createConnection, type HostConnection } from '../../../engine/hub/connection.ts';
import { serveBridge } from '../../../engine/link/bridge.ts';
import { createFakeLink, type FarEnd } from '../../../engine/link/fake/fakeLink.ts';
import { systemClock, systemRandom } from '../../../engine/process/clock.ts';

const quiet = (): undefined => undefined;

describe('a link to a host that breaks', () => {
  let connection: HostConnection;
  let ends: FarEnd[];
  let pauses: number[];
  let now: number;
  /** Breaks the link, and waits for the next one. */
  const breakAfter = async (ms: number): Promise<void> => {
    const before = await connection.session();
    now += ms;
    ends.at(-1)?.end('it breaks');
    await before.ended;
    // Whoever asks would have it tried at once.
    while (ends.length === 0 || connection.way() !== undefined || (await connection.session()) === before)
      await new Promise((resolve) => setImmediate(resolve));
  };

  beforeEach(() => {
    [ends, pauses, now] = [[], [], 0];
    connection = createConnection({
      host: 'big',
      link: createFakeLink({
        name: 'big',
        serve(end) {
          ends.push(end);
          void serveBridge({ bytes: end.bytes, engine: () => Promise.reject(new Error('nobody asks')) });
        },
      }),
      clock: {
        ...systemClock,
        monotonic: () => now,
        async sleep(ms) {
          if (ms > 1) pauses.push(ms);
          await new Promise((resolve) => setImmediate(resolve));
        },
      },
      random: systemRandom,
      log: { debug: quiet, info: quiet, warning: quiet, error: quiet },
      work: async (_session, ready) => {
        ready();
        await new Promise(() => undefined);
      },
      onChange: quiet,
    });
  });
  afterEach(() => connection.close());

  it('is tried again at once when it stood for ten seconds', async () => {
    await breakAfter(10_001);
    await breakAfter(10_001);
    assert.deepEqual(pauses, []);
  });

  it('is tried again after growing pauses when it does not stand', async () => {
    await breakAfter(9_999);
    await breakAfter(9_999);
    await breakAfter(10_001);
    await breakAfter(9_999);
    assert.deepEqual(pauses, [500, 1000, 500]);
  });
});
