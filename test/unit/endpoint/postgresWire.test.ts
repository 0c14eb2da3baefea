import assert from 'node:assert/strict';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { SessionStream } from '../../../engine/endpoint/wire.ts';
import {
  firstPacket,
  message,
  oneRow,
  readyForQuery,
  readyInFailedTransaction,
  readyInTransaction,
  startup,
} from '../../contract/endpoint/markServer.ts';

const key = Buffer.from('000004d2deadbeef', 'hex');

const pushed = (...chunks: readonly Buffer[]): SessionStream => {
  const stream = postgresWire.follow();
  for (const chunk of chunks) stream.push(chunk);
  return stream;
};

const query = message('Q', Buffer.from('SELECT\0'));
const sync = message('S', Buffer.alloc(0));

/** The fields of an ErrorResponse, by their letter. */
function fieldsOf(bytes: Buffer): Record<string, string> {
  assert.equal(bytes.toString('latin1', 0, 1), 'E');
  assert.equal(bytes.readInt32BE(1), bytes.length - 1);
  assert.equal(bytes.toString('latin1', bytes.length - 2), '\0\0');
  const fields = bytes.toString('utf8', 5, bytes.length - 2).split('\0');
  return Object.fromEntries(fields.map((field) => [field.slice(0, 1), field.slice(1)]));
}

describe("PostgreSQL's first packets", () => {
  it('is a start as soon as the startup message is complete, of any minor version', () => {
    const bytes = startup();
    for (let length = 0; length < bytes.length; length += 1) {
      assert.deepEqual(postgresWire.greet(bytes.subarray(0, length)), { kind: 'more' });
    }
    assert.deepEqual(postgresWire.greet(bytes), { kind: 'start', length: bytes.length });
    const more = Buffer.concat([bytes, Buffer.from('Q')]);
    assert.deepEqual(postgresWire.greet(more), { kind: 'start', length: bytes.length });
    for (const minor of [firstPacket(0x0003_0002, Buffer.from('user\0a\0\0')), firstPacket(0x0003_270f)]) {
      assert.deepEqual(postgresWire.greet(minor), { kind: 'start', length: minor.length });
    }
  });

  it('answers the question for GSSAPI encryption with no, whatever follows it', () => {
    const question = firstPacket(80_877_104);
    const answer = { kind: 'question', length: 8, answer: Buffer.from('N') };
    assert.deepEqual(postgresWire.greet(question), answer);
    assert.deepEqual(postgresWire.greet(Buffer.concat([question, startup()])), answer);
  });

  it('has both answers to the question for TLS, whatever follows it', () => {
    const { request } = postgresWire.security;
    assert.deepEqual(request, firstPacket(80_877_103));
    const answers = { kind: 'secure', length: 8, agree: Buffer.from('S'), decline: Buffer.from('N') };
    assert.deepEqual(postgresWire.greet(request), answers);
    assert.deepEqual(postgresWire.greet(Buffer.concat([request, startup()])), answers);
    assert.deepEqual(
      ['S', 'N', 'E', 'SS', ''].map((text) => postgresWire.security.agreed(Buffer.from(text))),
      [true, false, undefined, undefined, undefined],
    );
  });

  it('knows TLS from its first byte on, which nothing is said to before', () => {
    const hello = Buffer.from('16030100c8010000c40303', 'hex');
    for (const bytes of [hello, hello.subarray(0, 1)]) {
      assert.deepEqual(postgresWire.greet(bytes), {
        ...{ kind: 'secure', length: 0, agree: undefined, decline: undefined },
      });
    }
  });

  it('finds the key of a cancel request, and makes the same request of it again', () => {
    for (const bytes of [key, Buffer.concat([key, Buffer.alloc(28, 7)]), Buffer.alloc(260, 9)]) {
      const request = firstPacket(80_877_102, bytes);
      const greeting = postgresWire.greet(request);
      assert.deepEqual(greeting, { kind: 'cancel', key: bytes.toString('hex') });
      assert.deepEqual(postgresWire.cancel(bytes.toString('hex')), request);
    }
  });

  it('refuses protocol 2 in a message of its own', () => {
    const greeting = postgresWire.greet(firstPacket(0x0002_0000));
    assert.ok(greeting.kind === 'unsupported');
    assert.equal(fieldsOf(greeting.answer)['C'], '0A000');
  });

  for (const [name, bytes] of [
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a length below 8', Buffer.from('0000000700030000', 'hex')],
    ['a negative length', Buffer.from('ffffffff00030000', 'hex')],
    ['a length that no server takes', Buffer.from('0000271100030000', 'hex')],
    ['zeros', Buffer.alloc(64)],
  ] as const) {
    it(`takes ${name} for garbage`, () => {
      assert.deepEqual(postgresWire.greet(bytes), { kind: 'garbage' });
    });
  }
});

describe("PostgreSQL's server stream", () => {
  const opening = Buffer.concat([message('R', Buffer.alloc(4)), message('K', key), readyForQuery]);
  const all = Buffer.concat([opening, oneRow('main'), message('A', Buffer.alloc(300))]);
  const boundaries = new Set<number>();
  for (let at = 0; at < all.length; at += 1 + all.readInt32BE(at + 1)) boundaries.add(at);
  boundaries.add(all.length);

  it('knows after every byte whether a message has ended there', () => {
    const stream = postgresWire.follow();
    for (let at = 0; at < all.length; at += 1) {
      assert.equal(stream.whole(), boundaries.has(at), `at byte ${at}`);
      stream.push(all.subarray(at, at + 1));
    }
    assert.equal(stream.whole(), true);
  });

  it('knows it wherever the stream is cut into two chunks', () => {
    for (let at = 0; at <= all.length; at += 1) {
      const stream = pushed(all.subarray(0, at));
      assert.equal(stream.whole(), boundaries.has(at), `at byte ${at}`);
      stream.push(all.subarray(at));
      assert.equal(stream.whole(), true);
      assert.equal(stream.key(), key.toString('hex'));
    }
  });

  it('tells the key, of 4 to 256 bytes, once it is complete', () => {
    for (const secret of [4, 32, 256]) {
      const bytes = message('K', Buffer.alloc(4 + secret, 3));
      assert.equal(pushed(bytes.subarray(0, -1)).key(), undefined);
      assert.equal(pushed(bytes).key(), '03'.repeat(4 + secret));
    }
    assert.equal(pushed(message('K', Buffer.alloc(4 + 257))).key(), undefined);
  });

  it('keeps the first key: what a server sends later under that letter is none', () => {
    assert.equal(pushed(opening, message('K', Buffer.alloc(8, 1))).key(), key.toString('hex'));
  });

  it('is idle from the end of an answer to the next question', () => {
    const stream = pushed(opening);
    assert.equal(stream.idle(), true);
    stream.asked(query);
    assert.equal(stream.idle(), false);
    stream.push(oneRow('main').subarray(0, -readyForQuery.length));
    assert.equal(stream.idle(), false);
    stream.push(readyForQuery);
    assert.equal(stream.idle(), true);
  });

  it('is in a transaction from a question on, and after its answer as the server says, wherever that is cut', () => {
    for (const [ready, expected] of [
      [readyForQuery, false],
      [readyInTransaction, true],
      [readyInFailedTransaction, true],
    ] as const) {
      const answer = oneRow('main', ready);
      for (let at = 0; at <= answer.length; at += 1) {
        const stream = pushed(opening);
        assert.equal(stream.inTransaction(), false);
        stream.asked(query);
        assert.equal(stream.inTransaction(), true);
        stream.push(answer.subarray(0, at));
        if (at < answer.length) assert.equal(stream.inTransaction(), true, `at byte ${at}`);
        stream.push(answer.subarray(at));
        assert.equal(stream.inTransaction(), expected, `cut at byte ${at}`);
      }
    }
    assert.equal(pushed(opening, readyInTransaction, readyForQuery).inTransaction(), false);
  });

  it('is idle when all is answered that was asked ahead, wherever that is cut', () => {
    const execute = Buffer.concat(['P', 'B', 'E'].map((type) => message(type, Buffer.alloc(9))));
    const asked = Buffer.concat([query, execute, sync, message('F', Buffer.alloc(12))]);
    for (let at = 0; at <= asked.length; at += 1) {
      const stream = pushed(opening);
      stream.asked(asked.subarray(0, at));
      stream.asked(asked.subarray(at));
      stream.push(readyForQuery);
      stream.push(readyForQuery);
      assert.deepEqual([stream.idle(), stream.inTransaction()], [false, true], `cut at byte ${at}`);
      stream.push(readyForQuery);
      assert.deepEqual([stream.idle(), stream.inTransaction()], [true, false], `cut at byte ${at}`);
    }
  });

  it('is idle after rows that a client has copied in, whatever it said before it saw that they are taken', () => {
    const rows = [message('d', Buffer.alloc(100)), message('d', Buffer.alloc(100))];
    const way = (command: readonly Buffer[], ...end: readonly Buffer[]): SessionStream => {
      const stream = pushed(opening);
      for (const part of [...command, ...rows, ...end]) stream.asked(part);
      assert.equal(stream.idle(), false);
      stream.push(readyForQuery);
      return stream;
    };
    const [done, failed] = [message('c', Buffer.alloc(0)), message('f', Buffer.from('no\0'))];
    const execute = [
      message('P', Buffer.alloc(9)),
      message('B', Buffer.alloc(9)),
      message('E', Buffer.alloc(9)),
    ];
    for (const end of [done, failed]) {
      assert.equal(way([query], end).idle(), true);
      assert.equal(way([...execute, sync], end, sync).idle(), true);
      assert.equal(way([...execute, message('H', Buffer.alloc(0))], end, sync).idle(), true);
    }
  });

  it('counts what a client asks before it is logged in', () => {
    const stream = postgresWire.follow();
    stream.asked(query);
    stream.push(opening);
    assert.deepEqual([stream.loggedIn(), stream.idle()], [true, false]);
    stream.push(readyForQuery);
    assert.equal(stream.idle(), true);
  });

  it('is in none before its client is logged in', () => {
    const stream = pushed(message('R', Buffer.alloc(4)));
    stream.asked(query);
    assert.equal(stream.inTransaction(), false);
  });

  it('never takes a stream for whole again that was not this protocol', () => {
    const stream = pushed(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
    assert.equal(stream.whole(), false);
    const negative = pushed(Buffer.from('5a00000003', 'hex'));
    negative.push(readyForQuery);
    assert.equal(negative.whole(), false);
  });

  it('follows 100,000 small messages in one pass', () => {
    const rows = Buffer.alloc(30 * 100_000, message('D', Buffer.alloc(25)));
    const stream = postgresWire.follow();
    for (let at = 0; at < rows.length; at += 65_536) stream.push(rows.subarray(at, at + 65_536));
    assert.equal(stream.whole(), true);
  });
});

describe("PostgreSQL's fatal errors", () => {
  it('refuses as a server that can not be connected to now, with the reason and a hint', () => {
    assert.deepEqual(fieldsOf(postgresWire.refusal('No branch.', 'Check one out — ok?')), {
      S: 'FATAL',
      V: 'FATAL',
      C: '57P03',
      M: 'No branch.',
      H: 'Check one out — ok?',
    });
  });

  it('parts as a server that an administrator shuts down', () => {
    assert.deepEqual(fieldsOf(postgresWire.parting('Switched.')), {
      S: 'FATAL',
      V: 'FATAL',
      C: '57P01',
      M: 'Switched.',
    });
  });

  it('keeps the message in its field whatever it holds', () => {
    assert.equal(fieldsOf(postgresWire.parting('a\0Hb'))['M'], 'a Hb');
  });
});
