/** What every link must do, as one suite that runs over each of them. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { isFailure } from '../../../engine/protocol/errors.ts';
import type { Link, LinkStream } from '../../../engine/link/link.ts';
import { lastWords } from './farEnd.mjs';

/** `echo` gives back every byte, `http2` every body; `leave` ends with its last words when it hears something. */
export type FarEndMode = 'echo' | 'http2' | 'leave';

export interface LinkFixture {
  link(mode: FarEndMode): Link;
  /** How many far ends are there now. */
  farEnds(): Promise<number>;
  dispose(): Promise<void>;
}

const nobody = new AbortController().signal;

export function describeLink(title: string, make: () => Promise<LinkFixture>): void {
  describe(`link contract: ${title}`, () => {
    let fixture: LinkFixture;
    const opened: LinkStream[] = [];
    before(async () => {
      fixture = await make();
    });
    after(() => fixture.dispose());
    afterEach(async () => {
      for (const stream of opened.splice(0)) {
        stream.close();
        await stream.ended;
      }
      await noFarEnds();
    });

    const open = async (mode: FarEndMode): Promise<LinkStream> => {
      const stream = await fixture.link(mode).open({ signal: nobody });
      opened.push(stream);
      return stream;
    };
    const noFarEnds = async (): Promise<void> => {
      while ((await fixture.farEnds()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    };

    it('says where it leads', () => {
      assert.match(fixture.link('echo').address, /\S/);
    });

    it('carries every byte both ways, unchanged and in order', async () => {
      const { bytes } = await open('echo');
      const sent = Buffer.concat([
        Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
        randomBytes(8 << 20),
      ]);
      const hash = createHash('sha256');
      let received = 0;
      const all = new Promise<void>((resolve, reject) => {
        bytes.once('error', reject);
        bytes.on('data', (chunk: Buffer) => {
          hash.update(chunk);
          received += chunk.length;
          if (received >= sent.length) resolve();
        });
      });
      for (let at = 0; at < sent.length; at += 100_000)
        if (!bytes.write(sent.subarray(at, at + 100_000))) await once(bytes, 'drain');
      await all;
      assert.equal(received, sent.length);
      assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
    });

    it('carries HTTP/2: requests, bodies, pings, many at once', async () => {
      const { bytes } = await open('http2');
      const session = http2.connect('http://far', { createConnection: () => bytes });
      session.on('error', () => undefined);
      await new Promise<void>((resolve, reject) => {
        session.ping((error) => (error === null ? resolve() : reject(error)));
      });
      const bodies = Array.from({ length: 20 }, (_, index) => `body ${index} `.repeat(1000));
      const answers = await Promise.all(
        bodies.map(async (body) => {
          const stream = session.request({ ':method': 'POST', ':path': '/' });
          stream.end(body);
          let text = '';
          stream.setEncoding('utf8');
          for await (const chunk of stream) text += String(chunk);
          return text;
        }),
      );
      assert.deepEqual(answers, bodies);
      session.destroy();
    });

    it('opens as often as it is asked to, and one stream is nothing to another', async () => {
      const [one, two] = await Promise.all([open('echo'), open('echo')]);
      one.close();
      await one.ended;
      two.bytes.write('still here');
      const [heard] = (await once(two.bytes, 'data')) as [Buffer];
      assert.equal(heard.toString(), 'still here');
    });

    it('tells the last words of a far end that ends, without what colours a terminal', async () => {
      const { bytes, ended } = await open('leave');
      const closed = once(bytes, 'close');
      bytes.resume();
      bytes.write('hello\n');
      const reason = await ended;
      assert.ok(isFailure(reason, 'host_unreachable'), reason.message);
      assert.ok(reason.message.includes(lastWords), reason.message);
      assert.doesNotMatch(reason.message, /\u001b|\[31m/);
      await closed;
    });

    it('ends when it is closed, also twice, and takes the far end along', async () => {
      const stream = await open('echo');
      const closed = once(stream.bytes, 'close');
      stream.close();
      stream.close();
      assert.ok(isFailure(await stream.ended, 'host_unreachable'));
      await closed;
      await noFarEnds();
      stream.close();
    });

    it('ends what carries it when its stream is destroyed', async () => {
      const { bytes, ended } = await open('echo');
      bytes.destroy();
      assert.ok(isFailure(await ended, 'host_unreachable'));
      await noFarEnds();
    });

    it('is not opened when nobody wants it any more', async () => {
      const opening = fixture.link('echo').open({ signal: AbortSignal.abort() });
      await assert.rejects(opening, (error) => isFailure(error, 'canceled'));
      const controller = new AbortController();
      const later = fixture.link('echo').open({ signal: controller.signal });
      controller.abort();
      await assert.rejects(later, (error) => isFailure(error, 'canceled'));
    });

    it('is left alone by a signal that aborts after it was opened', async () => {
      const controller = new AbortController();
      const stream = await fixture.link('echo').open({ signal: controller.signal });
      opened.push(stream);
      controller.abort();
      stream.bytes.write('still here');
      const [heard] = (await once(stream.bytes, 'data')) as [Buffer];
      assert.equal(heard.toString(), 'still here');
    });
  });
}
