/**
 * Requests of a command that lives for a moment: each on a connection of its own, in HTTP/1.0, whose answer ends with the
 * connection. Node's own client takes longer to load and to make its first request than the engine takes to answer.
 */
import { connect, type Socket } from 'node:net';
import type { Transport, TransportAnswer, TransportRequest } from '../client.ts';
import { fail } from '../errors.ts';
import type { Address } from './transport.ts';

const unreachable = (problem: string, cause?: unknown) => fail('engine_unreachable', { problem }, { cause });

/** RFC 9112: what a line of the head may not have in it. */
const breaksLine = /[\r\n\0]/;

function headOf({ method, path, headers, body }: TransportRequest): string {
  const lines = [
    `${method} ${path} HTTP/1.0`,
    'host: localhost',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
  ];
  if (lines.some((line) => breaksLine.test(line)))
    throw new Error('a header of a request has a line break in it');
  return `${lines.join('\r\n')}\r\n\r\n`;
}

interface Head {
  status: number;
  headers: ReadonlyMap<string, string>;
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw unreachable('its answer is not HTTP');
  const headers = lines.map((line): [string, string] => {
    const at = line.indexOf(':');
    return [line.slice(0, Math.max(at, 0)).toLowerCase(), line.slice(at + 1).trim()];
  });
  return { status: Number(status), headers: new Map(headers) };
}

/** The pieces of an answer as they come, the head first. Errors: `engine_unreachable`, or why the signal aborted. */
async function* exchange(
  sockets: Set<Socket>,
  address: Address,
  request: TransportRequest,
): AsyncGenerator<Buffer, void, undefined> {
  const { signal, body } = request;
  signal?.throwIfAborted();
  const head = headOf(request);
  const socket = 'socketPath' in address ? connect(address.socketPath) : connect(address.port, address.host);
  sockets.add(socket);
  const abort = () => socket.destroy();
  signal?.addEventListener('abort', abort);
  socket.write(body === undefined ? head : head + body);
  try {
    for await (const piece of socket) yield piece as Buffer;
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(error instanceof Error ? error.message : String(error), error);
  } finally {
    signal?.removeEventListener('abort', abort);
    sockets.delete(socket);
    socket.destroy();
  }
  signal?.throwIfAborted();
}

async function readAnswer(pieces: AsyncIterable<Buffer>): Promise<TransportAnswer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  const whole = Buffer.concat(all);
  const end = whole.indexOf('\r\n\r\n');
  if (end < 0) throw unreachable('it ended the connection before it answered');
  const { status, headers } = parseHead(whole.toString('latin1', 0, end));
  const body = whole.subarray(end + 4);
  const length = headers.get('content-length');
  if (length !== undefined && Number(length) !== body.length)
    throw unreachable('it ended the connection in the middle of its answer');
  return { status, text: body.toString('utf8'), header: (name) => headers.get(name) };
}

async function* readStream(pieces: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const piece of pieces) {
    if (head === undefined) {
      yield decoder.decode(piece, { stream: true });
      continue;
    }
    head = Buffer.concat([head, piece]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const { status } = parseHead(head.toString('latin1', 0, end));
    if (status !== 200) throw unreachable(`the event stream answered ${status}`);
    const rest = head.subarray(end + 4);
    head = undefined;
    yield decoder.decode(rest, { stream: true });
  }
  if (head !== undefined) throw unreachable('it ended the connection before it answered');
}

export function createShortTransport(address: Address): Transport & { close(): void } {
  const sockets = new Set<Socket>();
  return {
    request: async (request) => readAnswer(exchange(sockets, address, request)),
    async *stream(request) {
      try {
        yield* readStream(exchange(sockets, address, request));
      } catch (error) {
        // The stream of somebody who went away ends.
        if (request.signal?.aborted !== true) throw error;
      }
    },
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
