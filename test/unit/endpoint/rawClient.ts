/** A client of an endpoint whose every byte a test decides. */
import { connect, type Socket } from 'node:net';

export interface RawClient {
  socket: Socket;
  /** All that came so far. */
  received(): Buffer;
  /** Resolves when what came fits; rejects when the connection ends before. */
  until(fits: (received: Buffer) => boolean): Promise<void>;
  /** How the connection ended: 'closed', or the code of the error. */
  ended: Promise<string>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let received = Buffer.alloc(0);
  let how = 'closed';
  const waiting = new Set<() => void>();
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (const look of waiting) look();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => (how = error.code ?? error.message));
  const ended = new Promise<string>((resolve) => {
    socket.on('close', () => {
      resolve(how);
      for (const look of waiting) look();
    });
  });
  await new Promise((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', resolve);
  });
  return {
    socket,
    received: () => received,
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (fits(received)) resolve();
          else if (socket.closed) reject(new Error(`It ended (${how}) after ${received.toString('latin1')}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
}

/** The fields of the last message when that is an ErrorResponse, by letter; else empty. */
export function lastError(bytes: Buffer): Record<string, string> {
  let at = 0;
  let last = bytes.subarray(0, 0);
  while (at + 5 <= bytes.length) {
    const next = at + 1 + bytes.readInt32BE(at + 1);
    last = bytes.subarray(at, next);
    at = next;
  }
  if (at !== bytes.length || last[0] !== 'E'.charCodeAt(0)) return {};
  const fields = last.toString('utf8', 5, last.length - 2).split('\0');
  return Object.fromEntries(fields.map((field) => [field.slice(0, 1), field.slice(1)]));
}
