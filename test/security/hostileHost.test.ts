/** A host that is not to be trusted: whatever it says, it harms its own things and nothing of this machine. */
import assert from 'node:assert/strict';
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect } from 'node:net';
import { createFakeLink, type FarEnd } from '../../engine/link/fake/fakeLink.ts';
import { createClient, type Client } from '../../engine/protocol/client.ts';
import type { Clone } from '../../engine/protocol/entities.ts';
import { fail, isFailure } from '../../engine/protocol/errors.ts';
import { openFarHost, withClone, type FarHost } from '../unit/hub/farHost.ts';
import { openMemoryApp, token, type MemoryApp } from '../unit/http/memoryApp.ts';
import { corpus } from './corpus.ts';

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, far: ServerHttp2Session) => void;

const time = '2026-11-20T03:00:00.000Z';
const host = { name: 'local', kind: 'local', state: 'ready', storage: null, problem: null };
const nothing = { environments: [], snapshots: [], clones: [], checkouts: [], jobs: [] };
const overviewOf = (changes: object = {}): object => ({
  epoch: 'e',
  seq: 0,
  hosts: [host],
  ...nothing,
  ...changes,
});
const idOf = (kind: string, number: number): string =>
  `${kind}-${number
    .toString(25)
    .padStart(16, 'a')
    .replaceAll(/[0189]/g, 'z')}`;
const cloneOf = (number: number, changes: object = {}): object => ({
  id: idOf('clone', number),
  name: `c${number}`,
  environment: 'shop',
  snapshot: idOf('snapshot', 1),
  state: 'ready',
  createdAt: time,
  createdBy: 'evil',
  resetAt: null,
  protectedUntil: null,
  bytes: { unshared: 1, logical: 1 },
  members: [],
  branch: null,
  problem: null,
  ...changes,
});
const member = (name: string): object => ({
  ...{ name, engine: 'postgres', host: '127.0.0.1', port: 5432, user: 'u', database: 'd' },
  ...{ state: 'ready', dataset: idOf('data', 1), version: '18' },
});
const jobOf = (changes: object): object => ({
  id: idOf('job', 1),
  type: 'clone.create',
  title: 't',
  state: 'running',
  createdBy: 'evil',
  createdAt: time,
  startedAt: null,
  endedAt: null,
  progress: 0,
  error: null,
  tasks: [],
  environment: 'shop',
  object: { kind: 'clone', id: idOf('clone', 1), name: 'c' },
  cancellable: true,
  ...changes,
});

const sendJson = (stream: ServerHttp2Stream, document: object, status = 200): void => {
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(document));
};
/** Writes without end, as fast as it is taken. */
const pour = (stream: ServerHttp2Stream, next: () => string): void => {
  const more = (): void => {
    while (!stream.destroyed && stream.write(next()));
    if (!stream.destroyed) stream.once('drain', more);
  };
  more();
};
const isEvents = ({ ':path': path }: IncomingHttpHeaders): boolean => path?.startsWith('/v1/events') === true;
const isOverview = ({ ':path': path }: IncomingHttpHeaders): boolean => path === '/v1/overview';

describe('a hostile host', function () {
  this.timeout(120_000);
  let good: FarHost;
  let near: MemoryApp;
  let client: Client;
  let answer: Answer;
  let begin: (far: ServerHttp2Session) => void;
  const ends = new Set<FarEnd>();
  let opened = 0;

  /** An honest host that holds nothing, but for what a test changes. */
  const honest =
    (changed: Answer, overview: () => object = overviewOf): Answer =>
    (stream, headers, far) => {
      if (isOverview(headers)) sendJson(stream, overview());
      else if (isEvents(headers)) {
        stream.respond({ ':status': 200 });
        changed(stream, headers, far);
      } else changed(stream, headers, far);
    };
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const evil = async () => client.call('hostShow', { params: { host: 'evil' } });
  /** The other hosts and this machine answer as ever, and nothing of the memory is gone. */
  const othersGoOn = async (rounds = 20): Promise<void> => {
    const before = process.memoryUsage().rss;
    for (let round = 0; round < rounds; round++) {
      assert.equal((await client.call('cloneShow', { params: { clone: 'big/there' } })).name, 'there');
      assert.equal((await client.call('cloneShow', { params: { clone: 'here' } })).name, 'here');
      await client.call('overview', {});
    }
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(grown < 512, `${grown.toFixed(0)} MB more`);
  };

  beforeEach(async () => {
    opened = 0;
    begin = () => undefined;
    answer = honest(() => undefined);
    good = await openFarHost('big', 2);
    await withClone(good.memory, 'shop', 'there');
    const link = createFakeLink({
      name: 'evil',
      serve(end) {
        opened += 1;
        ends.add(end);
        const far = performServerHandshake(end.bytes);
        far.on('error', () => far.destroy());
        far.on('stream', (stream, headers) => {
          // best effort: whoever reads it goes away
          stream.on('error', () => undefined);
          answer(stream, headers, far);
        });
        far.once('close', () => ends.delete(end));
        begin(far);
      },
    });
    near = await openMemoryApp({ links: { evil: link, big: good.link } });
    await withClone(near, 'shop', 'here', 'mine');
    client = createClient({ transport: near.transport, user: 'tester', token });
    await until(async () => (await client.call('hostShow', { params: { host: 'big' } })).state === 'ready');
  });
  afterEach(async () => {
    near.end();
    for (const end of ends) end.end('the test is over');
    await (await near.hub).close();
    await near.engine.close();
    await good.close();
  });
  /** From now on it is as the test wants it, for a link of its own. */
  const turn = async (next: Answer): Promise<void> => {
    answer = next;
    const before = opened;
    for (const end of ends) end.end('it turns');
    // Asked for, it is reached for at once.
    void client.call('cloneShow', { params: { clone: 'evil/x' } }).catch(() => undefined);
    await until(() => opened > before);
  };

  it('answers by gigabytes: no more is read than there is room for', async () => {
    await turn((stream) => {
      stream.respond({ ':status': 200 });
      pour(stream, () => 'x'.repeat(65_536));
    });
    await until(async () => (await evil()).problem?.includes('larger than') === true);
    await othersGoOn();
  });

  it('never says what it holds, and never takes what is sent', async () => {
    await turn(() => undefined);
    await othersGoOn();
    const leaving = new AbortController();
    const asked = client.call('cloneShow', { params: { clone: 'evil/x' } }, { signal: leaving.signal });
    void asked.catch(() => undefined);
    await othersGoOn(3);
    leaving.abort();
  });

  it('floods with events, empty ones and things without end', async () => {
    let number = 0;
    let kind = 0;
    await turn(
      honest((stream, headers) => {
        if (!isEvents(headers)) return;
        pour(stream, () => {
          number += 1;
          if (kind === 0) return '\n\n'.repeat(5000);
          const entity = cloneOf(kind === 1 ? 1 : number, { problem: 'x'.repeat(kind === 1 ? 10 : 200_000) });
          return `data: ${JSON.stringify({ seq: number, kind: 'clone', entity })}\n\n`;
        });
      }),
    );
    for (kind of [0, 1]) await othersGoOn();
    kind = 2;
    await until(async () => (await evil()).problem?.includes('tells of more than') === true);
    await othersGoOn();
    const { clones } = await client.call('overview', {});
    assert.ok(clones.length < 1000, `${clones.length} clones`);
  });

  it('says that everything is new again and again', async () => {
    let told = 0;
    await turn(
      honest((stream, headers) => {
        if (!isEvents(headers)) return;
        told += 1;
        stream.end('data: {"seq":1,"kind":"resync"}\n\n');
      }),
    );
    await othersGoOn(200);
    assert.ok(told < 20, `${told} times`);
  });

  it('ends each link as soon as it is there, and each stream', async () => {
    begin = (far) => far.goaway(constants.NGHTTP2_NO_ERROR);
    await turn(honest(() => undefined));
    await othersGoOn();
    begin = () => undefined;
    await turn(
      honest((stream, _, far) => {
        far.goaway(constants.NGHTTP2_NO_ERROR);
        stream.write(': still here\n\n');
      }),
    );
    await until(async () => (await evil()).state === 'unreachable');
    assert.match((await evil()).problem ?? '', /ends the link/);
    await othersGoOn();
    assert.ok(opened < 20, `${opened} links`);
  });

  it('sends headers without end', async () => {
    await turn((stream) => {
      const more = (): void => {
        if (stream.destroyed || stream.session?.destroyed === true) return;
        try {
          for (let round = 0; round < 50; round++)
            stream.additionalHeaders({ ':status': 103, link: 'x'.repeat(1000) });
        } catch {
          return; // best effort: the near end has left
        }
        setImmediate(more);
      };
      more();
    });
    await othersGoOn();
  });

  it('never answers who wants to be led to a clone, or tells of more connections than a clone has', async () => {
    const items = [...Array(1000).keys()].map((port) => ({
      ...{ name: 'db', engine: 'postgres', host: 'h', port, user: 'u', password: 'p', database: 'd' },
    }));
    const clone = cloneOf(1, { members: [member('db')] });
    let connections = items;
    await turn(
      honest(
        (stream, headers) => {
          if (headers[':method'] === 'CONNECT' || isEvents(headers)) return;
          sendJson(
            stream,
            headers[':path']?.endsWith('/connection') === true ? { items: connections } : clone,
          );
        },
        () => overviewOf({ clones: [clone] }),
      ),
    );
    await until(async () => (await evil()).state === 'ready');
    const ask = async () => client.call('cloneConnection', { params: { clone: 'evil/c1' } });
    await assert.rejects(ask(), (error) => isFailure(error, 'host_unreachable'));
    connections = items.slice(0, 1);
    const { port } = (await ask()).items[0] ?? assert.fail('no connection');
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    await othersGoOn();
    socket.destroy();
  });

  it('tells of things of other hosts, which stay theirs', async () => {
    const there = await client.call('cloneShow', { params: { clone: 'big/there' } });
    const here = await client.call('cloneShow', { params: { clone: 'here' } });
    const steal = ({ id }: Clone): object => cloneOf(1, { id, name: 'stolen' });
    const { job } = await client.call('cloneReset', { params: { clone: 'here' } });
    await turn(
      honest(
        (stream, headers) => {
          if (!isEvents(headers)) {
            // As if it had been asked to work on what is another's.
            sendJson(stream, {
              job: jobOf({ id: job.id, object: { kind: 'clone', id: there.id, name: 'c' } }),
            });
            return;
          }
          for (const clone of [there, here]) {
            stream.write(`data: ${JSON.stringify({ seq: 1, kind: 'clone', entity: steal(clone) })}\n\n`);
            stream.write(`data: ${JSON.stringify({ seq: 2, kind: 'clone.removed', id: clone.id })}\n\n`);
            stream.write(`data: ${JSON.stringify({ seq: 3, kind: 'clone', entity: steal(clone) })}\n\n`);
          }
          stream.write(`data: ${JSON.stringify({ seq: 4, kind: 'clone', entity: cloneOf(2) })}\n\n`);
        },
        () => overviewOf({ clones: [steal(there), steal(here), cloneOf(3)] }),
      ),
    );
    await until(async () =>
      (await client.call('cloneList', {})).items.some(({ name }) => name === ('c2' as typeof name)),
    );
    await client.call('cloneDestroy', { params: { clone: 'evil/c3' } });
    const { items } = await client.call('cloneList', {});
    assert.deepEqual(items.map(({ name }) => name as string).sort(), ['c2', 'c3', 'here', 'there']);
    assert.equal((await client.call('cloneShow', { params: { clone: there.id } })).environment, 'big/shop');
    await othersGoOn(3);
  });

  it("refuses in words that would be this engine's, or a terminal's", async () => {
    for (const code of ['unauthorized', 'shutting_down', 'protocol_mismatch', 'not_found']) {
      const { document } = fail('not_supported', { feature: '\u001b[2Jgone\u202e' });
      await turn(
        honest((stream, headers) => {
          if (!isEvents(headers)) sendJson(stream, { error: { ...document, code } }, 401);
        }),
      );
      await until(async () => (await evil()).state === 'ready');
      const refused = await client.call('cloneShow', { params: { clone: 'evil/x' } }).then(
        () => assert.fail('it was answered'),
        (error: unknown) => error,
      );
      assert.ok(isFailure(refused), String(refused));
      assert.doesNotMatch(JSON.stringify(refused.document), /\\u001b|\u202e/);
      const expected = ['unauthorized', 'shutting_down'].includes(code) ? 'host_unreachable' : code;
      assert.equal(refused.code, expected);
    }
  });

  it("has texts that break out in all of its fields: they steer nothing, and are nobody's names", async () => {
    const texts = corpus('/nowhere');
    const texty = (text: string, number: number): Record<string, object> => ({
      'host storage': {
        hosts: [
          {
            ...host,
            problem: text,
            storage: { driver: text, label: text, thin: true, path: text, totalBytes: 1, freeBytes: 1 },
          },
        ],
      },
      'host name': { hosts: [{ ...host, name: text, address: text, doing: text }] },
      'clone words': {
        clones: [
          cloneOf(10 + number, {
            createdBy: text,
            problem: text,
            branch: text,
            repository: text,
            stoppedBy: text,
            members: [{ ...member('db'), host: text, user: text, database: text, version: text }],
          }),
        ],
      },
      'clone name': { clones: [cloneOf(10 + number, { name: text })] },
      'clone environment': { clones: [cloneOf(10 + number, { environment: text })] },
      'member name': { clones: [cloneOf(10 + number, { members: [member(text)] })] },
      'job words': {
        jobs: [
          jobOf({
            id: idOf('job', 10 + number),
            type: text,
            title: text,
            createdBy: text,
            object: { kind: 'clone', id: text, name: text },
            error: { code: text, message: text, next: text, retryable: true, details: { [text]: [text] } },
            tasks: [
              { name: text, state: 'running', progress: 0, phase: text, startedAt: null, endedAt: null },
            ],
          }),
        ],
      },
      epoch: { epoch: text },
    });
    let overview: object = overviewOf();
    let told: ServerHttp2Stream | undefined;
    await turn(
      honest(
        (stream, headers) => {
          if (isEvents(headers)) told = stream;
        },
        () => overview,
      ),
    );
    await until(() => told !== undefined);
    let seq = 0;
    const say = (event: object): void =>
      void told?.write(`data: ${JSON.stringify({ seq: ++seq, ...event })}\n\n`);
    const kinds = { hosts: 'host', clones: 'clone', jobs: 'job' } as const;
    for (const [number, text] of texts.entries())
      for (const changes of Object.values(texty(text, number)))
        for (const [list, entities] of Object.entries(changes))
          if (list in kinds)
            for (const entity of entities as object[])
              say({ kind: kinds[list as keyof typeof kinds], entity });
    for (const text of texts) say({ kind: 'environment.removed', name: text });
    say({ kind: 'clone', entity: cloneOf(2) });
    await until(async () =>
      (await client.call('cloneList', {})).items.some(({ name }) => name === ('c2' as typeof name)),
    );
    const seen = await client.call('overview', {});
    assert.doesNotMatch(
      JSON.stringify(seen),
      /\\u00(?:0[0-8bcef]|1[0-9a-f]|7f|8|9)|[\u202a-\u202e\u2066-\u2069]/,
    );
    assert.deepEqual(seen.hosts.map(({ name }) => name as string).sort(), ['big', 'evil', 'local']);
    for (const { environment } of seen.clones) assert.match(environment, /^(?:shop$|big\/|evil\/)/);
    // The same in what it holds from the start.
    for (const changes of Object.values(texty(texts[3] ?? '', 0))) {
      overview = overviewOf(changes);
      say({ kind: 'resync' });
    }
    await othersGoOn(3);
  });
});
