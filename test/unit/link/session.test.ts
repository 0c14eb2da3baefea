import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, performServerHandshake, type ServerHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair, PassThrough, type Duplex } from 'node:stream';
import { serveBridge } from '../../../engine/link/bridge.ts';
import { createFakeLink } from '../../../engine/link/fake/fakeLink.ts';
import { openSession, type LinkSession, type SessionLimits } from '../../../engine/link/session.ts';
import { readTunnel, writeTunnel } from '../../../engine/link/tunnelName.ts';
import { createClient } from '../../../engine/protocol/client.ts';
import { fail, isFailure, toFailure } from '../../../engine/protocol/errors.ts';
import { createTransport } from '../../../engine/protocol/node/transport.ts';
import { cloneIdSchema, memberNameSchema } from '../../../engine/protocol/ids.ts';

/** A far end that is not ours. */
async function open(
  serve: (bytes: Duplex) => void,
  limits: Partial<SessionLimits> = {},
  signal = new AbortController().signal,
): Promise<LinkSession> {
  const link = createFakeLink({ name: 'big', serve: ({ bytes }) => serve(bytes) });
  return openSession({ host: 'big', link, signal, limits });
}
const hostile =
  (onSession: (session: ServerHttp2Session) => void) =>
  (bytes: Duplex): void => {
    const session = performServerHandshake(bytes);
    session.on('error', () => session.destroy());
    onSession(session);
  };
const problemOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => assert.fail('it was to fail'),
    (reason: unknown) => reason,
  );
  assert.ok(isFailure(error, 'host_unreachable'), String(error));
  return String(error.document.details.problem);
};
const call = (session: LinkSession) => createClient({ transport: session, user: 'me' }).call('hostList', {});

describe('the near end of a link', () => {
  it('reads no more of an answer than it has room for, and goes on', async () => {
    let asked = 0;
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          stream.on('error', () => undefined); // the reader goes away
          stream.respond({ ':status': 200 });
          if (asked++ > 0) {
            stream.end('{"items":[]}');
            return;
          }
          const more = (): void => {
            while (!stream.destroyed && stream.write('x'.repeat(10_000)));
            stream.once('drain', more);
          };
          more();
        }),
      ),
      { answerLength: 100_000 },
    );
    assert.match(await problemOf(call(session)), /larger than 100000/);
    assert.deepEqual(await call(session), { items: [] });
    session.close();
  });

  it('reads no more of one event than it has room for', async () => {
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          stream.on('error', () => undefined); // the reader goes away
          stream.respond({ ':status': 200 });
          stream.write(`data: ${'x'.repeat(200_000)}`);
        }),
      ),
      { eventLength: 100_000 },
    );
    const client = createClient({ transport: session, user: 'me' });
    const reading = (async () => {
      for await (const event of client.events({ epoch: 'e', seq: 0 })) assert.fail(JSON.stringify(event));
    })();
    assert.match(await problemOf(reading), /larger than 100000/);
    session.close();
  });

  it('takes nothing that is pushed, and understands nothing that is none of the protocol', async () => {
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          assert.equal(stream.pushAllowed, false);
          stream.respond({ ':status': 200 });
          stream.end('{"items":[{"name":"\\u001b[31m"}]}');
        }),
      ),
    );
    await assert.rejects(call(session), /not understood/);
    session.close();
  });

  it('knows how far away the host is as soon as that answered anything', async () => {
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          stream.respond({ ':status': 200 });
          stream.end('{"items":[]}');
        }),
      ),
      { pulseMs: 3_600_000 },
    );
    await call(session);
    assert.ok(session.roundTripMs !== undefined && session.roundTripMs >= 0);
    session.close();
  });

  it('ends when nobody answers any more, and says so to who waits', async () => {
    let stop = (): void => undefined;
    const session = await open(
      (bytes) => {
        const [outer, inner] = duplexPair();
        const relay = (chunk: Buffer): void => void outer.write(chunk);
        bytes.on('data', relay);
        outer.on('data', (chunk: Buffer) => void bytes.write(chunk));
        stop = () => bytes.off('data', relay);
        performServerHandshake(inner);
      },
      { pulseMs: 5, patienceMs: 40 },
    );
    stop();
    assert.match(await problemOf(call(session)), /has not answered/);
    assert.match((await session.ended).message, /has not answered/);
    assert.match(await problemOf(call(session)), /has not answered/);
  });

  it('waits for the first answer so long and no longer, and not at all for who gave up', async () => {
    const deaf = (bytes: Duplex): void => void bytes.resume();
    assert.match(await problemOf(open(deaf, { firstAnswerMs: 20 })), /did not answer in 0.02 s/);
    const leaving = new AbortController();
    const opening = open(deaf, {}, leaving.signal);
    leaving.abort();
    await assert.rejects(opening, (error) => isFailure(error, 'canceled'));
  });

  it('sends what is said first along with the request for a tunnel, and ends with it', async () => {
    const heard: string[] = [];
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          stream.setEncoding('utf8').on('data', (text: string) => heard.push(text));
          stream.once('end', () => stream.end(heard.join('')));
          // Its answer shows that all that was sent before has come.
          far.ping(() =>
            far.ping(() => {
              stream.respond({ ':status': heard.length === 0 ? 500 : 200 });
              if (heard.length === 0) stream.end();
            }),
          );
        }),
      ),
    );
    const target = {
      clone: cloneIdSchema.parse(`clone-${'a'.repeat(16)}`),
      member: memberNameSchema.parse('db'),
    };
    const from = new PassThrough();
    from.write('hello ');
    const stream = await session.tunnel(target, from);
    from.end('there');
    let answer = '';
    for await (const text of stream.setEncoding('utf8') as AsyncIterable<string>) answer += text;
    assert.equal(answer, 'hello there');
    session.close();
  });

  it('has what was said first again when the tunnel is refused', async () => {
    const session = await open(
      hostile((far) =>
        far.on('stream', (stream) => {
          stream.once('data', () => {
            stream.respond({ ':status': 409 });
            stream.end(
              JSON.stringify({ error: fail('clone_not_ready', { clone: 'a', state: 'stopped' }).document }),
            );
          });
        }),
      ),
    );
    const target = {
      clone: cloneIdSchema.parse(`clone-${'a'.repeat(16)}`),
      member: memberNameSchema.parse('db'),
    };
    const from = new PassThrough();
    from.write('hello ');
    await assert.rejects(session.tunnel(target, from), (error) => isFailure(error, 'clone_not_ready'));
    from.end('there');
    let left = '';
    for await (const text of from.setEncoding('utf8') as AsyncIterable<string>) left += text;
    assert.equal(left, 'hello there');
    session.close();
  });

  it('says what is wrong with what speaks something else', async () => {
    const noise = (bytes: Duplex): void => void bytes.resume().write('Welcome to big!\r\n'.repeat(100));
    assert.match(await problemOf(open(noise)), /speaks something else/);
  });
});

describe('the far end of a link', () => {
  const withBridge = async (use: (ask: (authority: string) => Promise<number>) => Promise<void>) => {
    const [near, far] = duplexPair();
    const serving = serveBridge({ bytes: far, engine: () => assert.fail('the engine was asked') });
    const session = connect('http://bridge', { createConnection: () => near });
    await use(
      (authority) =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
          stream.once('response', (headers) => {
            resolve(Number(headers[':status']));
            stream.close();
          });
          stream.once('error', reject);
        }),
    );
    session.destroy();
    far.destroy();
    await serving;
  };

  it('opens nothing but members of clones', async () => {
    await withBridge(async (ask) => {
      for (const authority of [
        '127.0.0.1:22',
        'localhost:5432',
        'clone-aaaaaaaaaaaaaaaa',
        'clone-aaaaaaaaaaaaaaaa.',
        'clone-aaaaaaaaaaaaaaaa.a%2Fb',
        'clone-aaaaaaaaaaaaaaaa.%',
        'clone-AAAAAAAAAAAAAAAA.db',
        'snapshot-aaaaaaaaaaaaaaaa.db',
      ])
        assert.equal(await ask(authority), 400, authority);
    });
  });

  it('reads the names that are written, and no others', () => {
    const clone = cloneIdSchema.parse('clone-abcdefghijklmnop');
    for (const name of ['db', 'größe', '日本', 'a.b', 'x'.repeat(128)]) {
      const target = { clone, member: memberNameSchema.parse(name) };
      assert.deepEqual(readTunnel(writeTunnel(target)), target);
    }
    for (const bad of ['', '.', 'clone-abcdefghijklmnop./etc', 'clone-abcdefghijklmnop.a%00', `${clone}.-x`])
      assert.equal(readTunnel(bad), undefined, bad);
  });

  it('asks the engine that took the place of another one, or takes it while that one ends', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tc-bridge-'));
    const serve = async (name: string, refused: 'unauthorized' | 'shutting_down' | undefined) => {
      const socket = join(folder, name);
      const server = createServer((request, response) => {
        request.resume();
        const failure = refused && fail(refused, {});
        response.writeHead(failure?.status ?? 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(failure === undefined ? { items: [] } : { error: failure.document }));
      });
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      const client = createClient({ transport: createTransport({ socketPath: socket }), user: 'bridge' });
      return { server, found: { socket, token: name, client } };
    };
    const servers = {
      now: await serve('now', undefined),
      replaced: await serve('replaced', 'unauthorized'),
      ending: await serve('ending', 'shutting_down'),
    };
    for (const before of ['replaced', 'ending'] as const) {
      const asked: boolean[] = [];
      const { promise: served, resolve } = Promise.withResolvers<unknown>();
      const link = createFakeLink({
        name: 'big',
        serve({ bytes }) {
          const engine = async (anew: boolean) => {
            asked.push(anew);
            return servers[anew ? 'now' : before].found;
          };
          void serveBridge({ bytes, engine }).then(() => resolve(undefined));
        },
      });
      const session = await openSession({ host: 'big', link, signal: new AbortController().signal });
      assert.deepEqual(await call(session), { items: [] });
      assert.deepEqual(asked, [false, true]);
      session.close();
      await served;
    }
    for (const { server } of Object.values(servers)) {
      server.closeAllConnections();
      server.close();
    }
    await rm(folder, { recursive: true });
  });

  it('tells why the engine can not be had', async () => {
    const [near, far] = duplexPair();
    const serving = serveBridge({ bytes: far, engine: () => Promise.reject(new Error('no node here')) });
    const link = {
      address: 'x',
      open: async () => ({
        ...{ bytes: near, ended: new Promise<never>(() => undefined) },
        close: () => {
          near.destroy();
          far.destroy();
        },
      }),
    };
    const session = await openSession({ host: 'big', link, signal: new AbortController().signal });
    const failure = toFailure(await call(session).catch((error: unknown) => error));
    assert.match(failure.message, /no node here/);
    session.close();
    await serving;
  });
});
