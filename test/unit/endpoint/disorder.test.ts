import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import { cloneId, none, waiting } from '../../contract/endpoint/endpoint.contract.ts';
import {
  firstPacket,
  message,
  oneRow,
  startMarkServer,
  startup,
} from '../../contract/endpoint/markServer.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';
import { rawClient, type RawClient } from './rawClient.ts';

const LIVES = 500;
/** So many queries at least are answered by the right server, however many lives that takes. */
const ANSWERS = 150;
const AT_ONCE = 20;
const marks = ['main', 'feature'] as const;

/** The messages of a server's stream, and the bytes of one that did not come to its end. */
function messagesOf(bytes: Buffer): { types: string; rest: Buffer } {
  let types = '';
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) break;
    types += String.fromCharCode(bytes[at] ?? 0);
    at = end;
  }
  return { types, rest: bytes.subarray(at) };
}

describe('an endpoint among clients and servers that leave at any moment', () => {
  it('neither fails nor mixes anything up nor keeps anything', async () => {
    const seed = chooseSeed();
    const random = seeded(seed);
    const under = (limit: number): number => Math.floor(random() * limit);
    const turns = async (most: number): Promise<void> => {
      for (let left = under(most + 1); left > 0; left -= 1)
        await new Promise((resolve) => setImmediate(resolve));
    };
    const say = `with THIN_CLONES_SEED=${seed}`;

    const misbehave =
      (mark: string) =>
      (_query: string, socket: Socket): Buffer | undefined => {
        const answer = oneRow(mark);
        switch (under(12)) {
          case 0:
            socket.resetAndDestroy();
            return undefined;
          case 1:
            socket.end(answer.subarray(0, under(answer.length)));
            return undefined;
          case 2:
            return Buffer.concat([message('D', Buffer.alloc(under(300_000), 7)), answer]);
          case 3:
            socket.write(answer.subarray(0, 20));
            setImmediate(() => socket.write(answer.subarray(20)));
            return undefined;
          default:
            return answer;
        }
      };
    const servers = await Promise.all(
      marks.map((mark) => startMarkServer(mark, { speaks: 'postgres', answer: misbehave(mark) })),
    );
    const targets: EndpointTarget[] = servers.map(({ port, mark }, at) => ({
      kind: 'clone',
      clone: cloneId('ab'.charAt(at)),
      name: mark,
      port,
    }));
    let current: EndpointTarget = none;
    const endpoint = await createTcpEndpoints({
      wires: { postgres: postgresWire },
      limits: { greetingMs: 200, answerMs: 200, lingerMs: 20 },
    }).open({ port: 0, engine: 'postgres', title: 'orders', target: current });
    const lead = (): void => {
      current = [...targets, ...targets, waiting, none][under(6)] ?? none;
      endpoint.lead(current, 'Switched.');
    };

    let answered = 0;
    /** Sends a query and, unless the connection ends first, checks who answered. */
    const ask = async (client: RawClient): Promise<boolean> => {
      const before = client.received().length;
      const sentTo = current;
      client.socket.write(message('Q', Buffer.from('SELECT mark\0')));
      if (under(12) === 0) lead();
      const done = await client
        .until((received) => messagesOf(received.subarray(before)).types.endsWith('Z'))
        .then(() => true)
        .catch(() => false); // best effort: it was ended, which is an answer too
      const found = marks.filter((mark) => client.received().includes(`${mark}C`, before));
      for (const mark of found) {
        answered += 1;
        assert.equal(sentTo.kind === 'clone' ? sentTo.name : sentTo.kind, mark, say);
      }
      return done;
    };
    const live = async (): Promise<void> => {
      const client = await rawClient(endpoint.port);
      const bytes = under(20) === 0 ? Buffer.from('GET / HTTP/1.1\r\n\r\n') : startup();
      const cut = under(bytes.length);
      client.socket.write(bytes.subarray(0, cut));
      await turns(3);
      if (under(10) !== 0) client.socket.write(bytes.subarray(cut));
      await turns(8);
      const isIn = await client
        .until((received) => messagesOf(received).types.endsWith('Z'))
        .then(() => true)
        .catch(() => false); // best effort: as above
      for (let left = under(6); isIn && left > 0; left -= 1) if (!(await ask(client))) break;
      if (isIn && under(5) === 0) {
        const key = client.received().subarray(14, 22);
        const canceling = await rawClient(endpoint.port);
        canceling.socket.write(firstPacket(80_877_102, key));
        if (under(2) === 0) canceling.socket.resetAndDestroy();
        await canceling.ended;
      }
      await turns(4);
      const { types, rest } = messagesOf(client.received());
      const told = /C57P0[13]/.exec(client.received().toString('latin1')) !== null;
      assert.equal(types.includes('E'), told, `${types} ${say}`);
      assert.ok(!told || (types.indexOf('E') === types.length - 1 && rest.length === 0), `${types} ${say}`);
      const leave = under(3);
      if (leave === 0) client.socket.resetAndDestroy();
      else if (leave === 1) client.socket.end();
      else client.socket.destroy();
      client.socket.destroySoon();
      await client.ended;
    };

    let lives = 0;
    const crowd = async (): Promise<void> => {
      while (lives < LIVES || answered < ANSWERS) {
        lives += 1;
        if (under(10) === 0) lead();
        await live();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, crowd));
    while (endpoint.connections() > 0) await turns(1);
    await endpoint.close();
    for (const server of servers) {
      while (server.sockets.size > 0) await turns(1);
      await server.close();
    }
  });
});
