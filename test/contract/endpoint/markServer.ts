/** A small server of a clone that answers every query with a mark: in PostgreSQL's protocol, or a mark for each byte. */
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface MarkServer {
  port: number;
  mark: string;
  /** Sockets of clients that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** How many queries (or bytes) it was asked so far. */
  asked(): number;
  /** The keys of the cancel requests that came. */
  readonly cancels: readonly string[];
  close(): Promise<void>;
}

export interface MarkServerOptions {
  /** `silent`: takes connections and never says anything. */
  speaks: 'postgres' | 'bytes' | 'silent';
  /** The answer to a query; default: one row with the mark, and to BEGIN and COMMIT as a server has them. */
  answer?: (query: string, socket: Socket) => Buffer | Promise<Buffer> | undefined;
  /** Whether a startup message is let in; who is not is asked for a password, and that is all. Default: everybody. */
  login?: (startup: Buffer) => boolean;
  port?: number;
}

export const message = (type: string, payload: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(payload.length + 4, 1);
  return Buffer.concat([head, payload]);
};

/** A first packet: a startup message when `parameters` are given. */
export const firstPacket = (code: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + payload.length, 0);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, payload]);
};
export const startup = (): Buffer => firstPacket(196_608, Buffer.from('user\0someone\0database\0shop\0\0'));

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
export const readyForQuery = message('Z', Buffer.from('I'));
export const readyInTransaction = message('Z', Buffer.from('T'));
export const readyInFailedTransaction = message('Z', Buffer.from('E'));
const commandComplete = (tag: string): Buffer => message('C', Buffer.from(`${tag}\0`));

/** One row of one text column, complete with what follows it. */
export function oneRow(text: string, ready = readyForQuery): Buffer {
  const value = Buffer.from(text);
  return Buffer.concat([
    message(
      'T',
      Buffer.concat([
        int16(1),
        Buffer.from('mark\0'),
        int32(0),
        int16(0),
        int32(25),
        int16(-1),
        int32(-1),
        int16(0),
      ]),
    ),
    message('D', Buffer.concat([int16(1), int32(value.length), value])),
    commandComplete('SELECT 1'),
    ready,
  ]);
}

/** Answers with a mark, and keeps transactions. */
function markAnswers(mark: string): NonNullable<MarkServerOptions['answer']> {
  const inTransaction = new WeakSet<Socket>();
  return (query, socket) => {
    if (query === 'BEGIN') inTransaction.add(socket);
    else if (query === 'COMMIT') inTransaction.delete(socket);
    const ready = inTransaction.has(socket) ? readyInTransaction : readyForQuery;
    if (query === 'BEGIN' || query === 'COMMIT') return Buffer.concat([commandComplete(query), ready]);
    return oneRow(mark, ready);
  };
}

let lastPid = 100;

export async function startMarkServer(mark: string, options: MarkServerOptions): Promise<MarkServer> {
  const sockets = new Set<Socket>();
  const cancels: string[] = [];
  let asked = 0;
  const answer = options.answer ?? markAnswers(mark);

  const serve = (socket: Socket): void => {
    let bytes = Buffer.alloc(0);
    let started = false;
    // As a server does: whoever says nothing more gets all answers, and then the end.
    let owed = 0;
    let ended = false;
    socket.on('end', () => {
      ended = true;
      if (owed === 0) socket.end();
    });
    const answerLater = async (said: Promise<Buffer>): Promise<void> => {
      owed += 1;
      socket.write(await said);
      owed -= 1;
      if (ended && owed === 0) socket.end();
    };
    socket.on('data', (chunk: Buffer) => {
      if (options.speaks === 'silent') return;
      if (options.speaks === 'bytes') {
        asked += chunk.length;
        socket.write(mark.repeat(chunk.length));
        return;
      }
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (bytes.length < head + 4) return;
        const length = head + bytes.readInt32BE(head);
        if (bytes.length < length) return;
        const packet = bytes.subarray(0, length);
        bytes = bytes.subarray(length);
        if (started) {
          if (packet[0] !== 'Q'.charCodeAt(0)) continue;
          asked += 1;
          const said = answer(packet.toString('utf8', 5, length - 1), socket);
          if (said instanceof Promise) void answerLater(said);
          else if (said !== undefined) socket.write(said);
        } else if (packet.readInt32BE(4) === 80_877_102) {
          cancels.push(packet.toString('hex', 8));
          socket.end();
        } else {
          started = true;
          if (options.login?.(packet) === false) {
            socket.write(message('R', int32(3)));
            continue;
          }
          lastPid += 1;
          socket.write(
            Buffer.concat([
              message('R', int32(0)),
              message('K', Buffer.concat([int32(lastPid), int32(lastPid * 7)])),
              readyForQuery,
            ]),
          );
        }
      }
    });
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    mark,
    sockets,
    cancels,
    asked: () => asked,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
