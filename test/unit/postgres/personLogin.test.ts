import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { askName, knock } from '../../../engine/database/postgres/login.ts';
import { scramSecret, startScram } from '../../../engine/database/postgres/scram.ts';

/** Of RFC 7677, section 3: the user "user" with the password "pencil". */
const example = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const secretOf = (salt: Buffer, iterations: number) => scramSecret('pencil', salt, iterations);

describe('a login by SCRAM', () => {
  const begun = async () => {
    const exchange = startScram(example.nonce, { user: 'user' });
    assert.equal(exchange.first, `n,,n=user,r=${example.nonce}`);
    return { exchange, answer: await exchange.answer(example.serverFirst, secretOf) };
  };

  it('says what the standard says', async () => {
    const { exchange, answer } = await begun();
    assert.equal(answer, example.clientFinal);
    exchange.finish(example.serverFinal);
  });

  it('believes no server that does not know the password', async () => {
    const { exchange } = await begun();
    const pattern = /does not know the password/;
    assert.throws(() => exchange.finish(`v=${Buffer.alloc(32).toString('base64')}`), pattern);
    assert.throws(() => exchange.finish('e=other-error'), pattern);
    assert.throws(() => startScram().finish(example.serverFinal), pattern);
  });

  it('answers no other nonce than its own, and no demand for endless work', async () => {
    for (const first of [
      example.serverFirst.replace('r=rOpr', 'r=other'),
      `r=${example.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      example.serverFirst.replace('i=4096', 'i=2000000000'),
      'e=invalid-encoding',
    ])
      await assert.rejects(
        startScram(example.nonce).answer(first, secretOf),
        /does not answer as SCRAM-SHA-256 says/,
        first,
      );
  });
});

/** A message of the server. */
function said(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const WELCOME = Buffer.concat([
  said('R', int32(0)),
  said('S', 'server_version\0' + '18.4\0'),
  said('N', 'SWARNING\0Mthe collation has changed\0\0'),
  said('Z', 'I'),
]);

describe("a person's session in a server that misbehaves", () => {
  let server: Server;
  let port: number;
  /** What it does when the start packet and each later message came. */
  let react: (socket: Socket, heard: Buffer, turn: number) => void;
  before(async () => {
    server = createServer((socket) => {
      let turn = 0;
      socket.on('error', () => undefined);
      socket.on('data', (heard) => react(socket, heard, turn++));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  after(async () => {
    server.close();
    await once(server, 'close');
  });

  const login = { user: 'ann', password: 'secret', database: 'shop' };
  const ask = (patienceMs = 60_000, signal?: AbortSignal) =>
    askName(knock(port), login, { patienceMs, signal });

  it('reads an answer whose bytes come one by one', async () => {
    const answer = [said('T', Buffer.alloc(2)), said('D', Buffer.from([0, 1, 0, 0, 0, 4]), 'name')];
    react = (socket, heard, turn) => {
      if (turn === 0) {
        assert.equal(
          heard.toString('utf8', 8),
          'user\0ann\0database\0shop\0application_name\0thin-clones\0\0',
        );
        for (const byte of WELCOME) socket.write(Buffer.from([byte]));
      }
      if (turn === 1) socket.write(Buffer.concat([...answer, said('C', 'SHOW\0'), said('Z', 'I')]));
    };
    assert.equal(await ask(), 'name');
  });

  it('gives a password in clear text to a server that was told to ask for it', async () => {
    const heardAll: string[] = [];
    react = (socket, heard, turn) => {
      heardAll.push(heard.toString('latin1'));
      if (turn === 0) socket.write(said('R', int32(3)));
      if (turn === 1) socket.write(WELCOME);
      if (turn === 2)
        socket.write(Buffer.concat([said('D', Buffer.from([0, 1, 0, 0, 0, 1]), 'x'), said('Z', 'I')]));
    };
    assert.equal(await ask(), 'x');
    assert.equal(heardAll[1], 'p\0\0\0\u000bsecret\0');
  });

  it('hears what the server says is wrong, with its code', async () => {
    react = (socket) => socket.end(said('E', 'SFATAL\0C3D000\0Mdatabase "shop" does not exist\0\0'));
    await assert.rejects(ask(), { code: '3D000', message: 'database "shop" does not exist' });
    react = (socket, _heard, turn) =>
      socket.write(turn === 0 ? WELCOME : said('E', 'SERROR\0C57014\0Mcanceled\0\0'));
    await assert.rejects(ask(), { code: '57014' });
  });

  it('takes no end, no other protocol and no unknown demand for a session', async () => {
    react = (socket) => socket.end();
    await assert.rejects(ask(), /ended the connection without a word/);
    react = (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    await assert.rejects(ask(), /ended the connection without a word/);
    react = (socket) => socket.end(Buffer.from([82, 0, 0, 0, 0]));
    await assert.rejects(ask(), /does not speak the protocol/);
    react = (socket) => socket.write(said('R', int32(7)));
    await assert.rejects(ask(), /a way to log in \(7\) that is not known/);
  });

  it('ends when its time is over, and with its signal', async () => {
    react = () => undefined;
    await assert.rejects(ask(20), /did not answer within 0.02 s/);
    const stop = new Error('stopped by the test');
    const ending = new AbortController();
    react = () => ending.abort(stop);
    await assert.rejects(ask(60_000, ending.signal), stop);
    await assert.rejects(ask(60_000, AbortSignal.abort(stop)), stop);
  });

  it('hears that nobody is there', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port: gone } = other.address() as AddressInfo;
    other.close();
    await once(other, 'close');
    const socket = knock(gone);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await assert.rejects(askName(socket, login, { patienceMs: 60_000 }), { code: 'ECONNREFUSED' });
  });
});
