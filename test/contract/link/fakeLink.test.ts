import assert from 'node:assert/strict';
import { createFakeLink } from '../../../engine/link/fake/fakeLink.ts';
import { lastWords, serveHttp2 } from './farEnd.mjs';
import { describeLink } from './link.contract.ts';

describeLink('fake', async () => {
  let farEnds = 0;
  return {
    link: (mode) =>
      createFakeLink({
        name: 'far',
        serve: async ({ bytes, end }) => {
          farEnds += 1;
          bytes.once('close', () => (farEnds -= 1));
          await new Promise((resolve) => setImmediate(resolve));
          if (mode === 'echo') bytes.pipe(bytes);
          if (mode === 'http2') serveHttp2(bytes);
          if (mode === 'leave') bytes.once('data', () => end(lastWords));
        },
      }),
    farEnds: async () => farEnds,
    dispose: async () => undefined,
  };
});

describe('fake link', () => {
  it('refuses with what the far end throws', async () => {
    const link = createFakeLink({
      name: 'far',
      serve: () => {
        throw new Error('no');
      },
    });
    await assert.rejects(link.open({ signal: new AbortController().signal }), /^Error: no$/);
  });
});
