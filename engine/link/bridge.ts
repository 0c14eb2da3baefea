/**
 * The far end of a link: HTTP/2 over one byte stream. Requests and the event stream go to the engine of this machine; CONNECT leads to a
 * server of one of its clones, and to nothing else.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from '../protocol/client.ts';
import { fail, isFailure, toFailure } from '../protocol/errors.ts';
import {
  clientHeader,
  idempotencyHeader,
  positionHeader,
  protocolHeader,
  timeHeader,
} from '../protocol/wire.ts';
import { leadInto } from './leadInto.ts';
import { startPulse } from './pulse.ts';
import { readTunnel } from './tunnelName.ts';

/** The engine of this machine, as its discovery file tells it. */
export interface FoundEngine {
  socket: string;
  token: string;
  client: Client;
}

export interface BridgeOptions {
  bytes: Duplex;
  /** The running engine, started when there is none. `anew`: what was told before does not answer any more. */
  engine: (anew: boolean) => Promise<FoundEngine>;
  /** Milliseconds since 1970; default: by the clock of this machine. */
  now?: () => number;
}

/** Bytes; the engine's own bound on a request. */
const mostRequestBytes = 1024 * 1024;
/** A machine that sleeps comes back; what it asked for meanwhile it asks again over a new link. */
const pulse = { everyMs: 15_000, patienceMs: 45_000 };
/** Bytes under way in one stream, and in all of them: a round trip of 100 ms still lets 100 MB/s through. */
export const windows = { stream: 8 * 2 ** 20, session: 32 * 2 ** 20 };

/** Serves until the stream ends. */
export async function serveBridge({ bytes, engine, now = Date.now }: BridgeOptions): Promise<void> {
  const session = performServerHandshake(bytes, { settings: { initialWindowSize: windows.stream } });
  session.setLocalWindowSize(windows.session);
  const beating = startPulse({ session, ...pulse, onDead: () => session.destroy() });
  session.on('stream', (stream, headers) => {
    // Whoever asked is gone: nobody is left to tell.
    stream.on('error', () => stream.destroy());
    const answering =
      headers[':method'] === 'CONNECT'
        ? openTunnel(stream, headers[':authority'] ?? '', engine)
        : forward(stream, headers, engine, now);
    answering.catch((error: unknown) => refuse(stream, error));
  });
  await ended(session);
  beating.stop();
}

const ended = (session: ServerHttp2Session): Promise<void> =>
  new Promise((resolve) => {
    // Followed by `close`, which is what counts.
    session.on('error', () => session.destroy());
    session.once('close', resolve);
  });

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.headersSent) {
    stream.destroy();
    return;
  }
  const failure = toFailure(error);
  stream.respond({ ':status': failure.status, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ error: failure.document }));
}

/** What a request carries besides its path. The token is this machine's affair, and a Host or an Origin is nobody's here. */
const carried = ['content-type', protocolHeader, clientHeader, idempotencyHeader] as const;

async function forward(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  engine: BridgeOptions['engine'],
  now: () => number,
): Promise<void> {
  const body = await readBody(stream);
  const ask = async ({ socket, token }: FoundEngine): Promise<IncomingMessage> => {
    const sent: Record<string, string> = { authorization: `Bearer ${token}`, host: 'localhost' };
    for (const name of carried) {
      const value = headers[name];
      if (typeof value === 'string') sent[name] = value;
    }
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: socket,
          method: headers[':method'],
          path: headers[':path'],
          headers: { ...sent, 'content-length': body.length },
          agent: false,
        },
        resolve,
      );
      stream.once('close', () => request.destroy());
      request.once('error', reject);
      request.end(body);
    });
  };
  let answer: Answer;
  try {
    answer = await readRefusal(await ask(await engine(false)));
    if (isUndone(answer)) answer = await readRefusal(await ask(await engine(true)));
  } catch (error) {
    // Its own sentence, which says which side is to be updated.
    if (isFailure(error, 'protocol_mismatch')) throw error;
    // Only what did not reach it is sent again: whether the rest was done, nobody knows here.
    if (!isNotListening(error))
      throw fail('engine_unreachable', { problem: textOf(error) }, { cause: error });
    answer = await readRefusal(await ask(await engine(true)));
  }
  const { message, refusal } = answer;
  if (stream.destroyed) {
    message.destroy();
    return;
  }
  const position = message.headers[positionHeader];
  stream.respond({
    ':status': message.statusCode ?? 502,
    'content-type': message.headers['content-type'] ?? 'application/json',
    [timeHeader]: String(now()),
    ...(typeof position === 'string' ? { [positionHeader]: position } : {}),
  });
  if (refusal === undefined) leadInto(message, stream);
  else stream.end(refusal);
}

/** What the engine answers; `refusal` is its whole text where the engine itself may be another one by now. */
interface Answer {
  message: IncomingMessage;
  refusal: string | undefined;
}

async function readRefusal(message: IncomingMessage): Promise<Answer> {
  // Read here: at the top of a module that an engine has it would load HTTP/2 at each start.
  const { HTTP_STATUS_UNAUTHORIZED, HTTP_STATUS_SERVICE_UNAVAILABLE } = constants;
  const refusals: readonly number[] = [HTTP_STATUS_UNAUTHORIZED, HTTP_STATUS_SERVICE_UNAVAILABLE];
  if (!refusals.includes(message.statusCode ?? 0)) return { message, refusal: undefined };
  let refusal = '';
  for await (const piece of message.setEncoding('utf8') as AsyncIterable<string>) refusal += piece;
  return { message, refusal };
}

/** It had no effect: another engine listens where ours was, or this one is ending and lets nothing begin. */
const undone = ['unauthorized', 'shutting_down'] as const;
function isUndone({ refusal }: Answer): boolean {
  if (refusal === undefined) return false;
  const { error } = JSON.parse(refusal) as { error?: { code?: string } };
  return undone.some((code) => code === error?.code);
}

const isNotListening = (error: unknown): boolean =>
  ['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Not by iterating: that ends a stream whose answer is still to come. */
const readBody = (stream: ServerHttp2Stream): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    stream.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= mostRequestBytes) pieces.push(piece);
    });
    stream.once('end', () => {
      if (bytes <= mostRequestBytes) resolve(Buffer.concat(pieces));
      else
        reject(fail('invalid_request', { problems: [`the body is larger than ${mostRequestBytes} bytes`] }));
    });
    stream.once('close', () => reject(fail('canceled', {})));
  });

async function openTunnel(
  stream: ServerHttp2Stream,
  authority: string,
  engine: BridgeOptions['engine'],
): Promise<void> {
  const target = readTunnel(authority);
  if (target === undefined)
    throw fail('invalid_request', { problems: ['a tunnel leads to a member of a clone'] });
  const show = async (anew: boolean) =>
    (await engine(anew)).client.call('cloneShow', { params: { clone: target.clone } });
  const clone = await show(false).catch((error: unknown) => {
    if (![...undone, 'engine_unreachable' as const].some((each) => isFailure(error, each))) throw error;
    return show(true);
  });
  const member = clone.members.find(({ name }) => name === target.member);
  if (member === undefined)
    throw fail('not_found', {
      ...{ kind: 'member', name: target.member },
      known: clone.members.map(({ name }) => name),
    });
  // The port of one that does not run may be anybody's.
  if (member.state !== 'ready') throw fail('clone_not_ready', { clone: clone.name, state: member.state });
  const socket = await reach(member.port);
  stream.respond({ ':status': constants.HTTP_STATUS_OK });
  leadInto(stream, socket);
  leadInto(socket, stream);
}

const reach = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) =>
      reject(fail('port_unusable', { port, problem: error.message }, { cause: error })),
    );
  });
