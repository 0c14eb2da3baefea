/** The near end of a link: requests, events and tunnels over one byte stream, and the word when it breaks. */
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { understandFailure } from '../protocol/answers.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../protocol/client.ts';
import { fail, ThinClonesError } from '../protocol/errors.ts';
import { windows } from './bridge.ts';
import { leadAhead } from './leadAhead.ts';
import { leadInto } from './leadInto.ts';
import type { Link, LinkStream, OpenOptions } from './link.ts';
import { createPace } from './pace.ts';
import { startPulse } from './pulse.ts';
import { writeTunnel, type TunnelTarget } from './tunnelName.ts';

export interface LinkSession extends Transport {
  /**
   * A stream to a member's server of a clone there. What comes from `from` is led into it from the beginning, along with the request: who
   * connects speaks first, and need not wait for the host twice; where it fails `from` has all of it still. Errors: what the bridge says (`not_found`, `clone_not_ready` ...),
   * `host_unreachable` when the link breaks meanwhile.
   */
  tunnel(target: TunnelTarget, from: Readable, signal?: AbortSignal): Promise<Duplex>;
  /** Milliseconds of the latest PING; undefined before its answer. */
  readonly roundTripMs: number | undefined;
  readonly isOpen: boolean;
  /** Resolves with the reason when the session has ended. */
  readonly ended: Promise<ThinClonesError>;
  close(): void;
}

export interface SessionOptions extends OpenOptions {
  /** What it is called here. */
  host: string;
  link: Link;
  limits?: Partial<SessionLimits>;
}

/** What a far end can make this one wait and keep: it may be broken, or hostile. */
export interface SessionLimits {
  /** Milliseconds from the open stream to the first answer: where Node starts slowly, the bridge does. */
  firstAnswerMs: number;
  /** Milliseconds between two PINGs. */
  pulseMs: number;
  /** Milliseconds that a PING may be without an answer. */
  patienceMs: number;
  /** Characters of one answer. */
  answerLength: number;
  /** Characters of one event. */
  eventLength: number;
}

export const usualLimits: SessionLimits = {
  firstAnswerMs: 60_000,
  pulseMs: 2000,
  patienceMs: 7000,
  answerLength: 32 * 2 ** 20,
  eventLength: 2 ** 19,
};

type Unreachable = (problem: string, cause?: unknown) => ThinClonesError;

/** Opens the link and waits until the bridge answers. Errors: those of `Link.open`, `host_unreachable`. */
export async function openSession(options: SessionOptions): Promise<LinkSession> {
  const { host, link, limits: given, ...opening } = options;
  const { signal } = opening;
  const limits = { ...usualLimits, ...given };
  const stream = await link.open(opening);
  const unreachable: Unreachable = (problem, cause) => fail('host_unreachable', { host, problem }, { cause });
  const session = connect('http://bridge', {
    createConnection: () => stream.bytes,
    settings: { enablePush: false, initialWindowSize: windows.stream },
  });
  const { ended, end } = endOf(session, stream, unreachable);
  try {
    await firstAnswer(session, { signal, limitMs: limits.firstAnswerMs, ended, unreachable });
  } catch (error) {
    end(unreachable('nobody waits for it any more'));
    throw error;
  }
  session.setLocalWindowSize(windows.session);
  const pulse = startPulse({
    session,
    everyMs: limits.pulseMs,
    patienceMs: limits.patienceMs,
    onDead: () => end(unreachable(`it has not answered for ${Math.round(limits.patienceMs / 1000)} s`)),
  });
  void ended.then(() => pulse.stop());
  return {
    ...streamsOf({ session, ended, unreachable, limits }),
    get roundTripMs() {
      return pulse.roundTripMs;
    },
    get isOpen() {
      return !session.closed && !session.destroyed;
    },
    ended,
    close: () => end(unreachable('the link was closed here')),
  };
}

/** Requests and tunnels of a session. */
function streamsOf({
  session,
  ended,
  unreachable,
  limits,
}: {
  session: ClientHttp2Session;
  ended: Promise<ThinClonesError>;
  unreachable: Unreachable;
  limits: Pick<SessionLimits, 'answerLength' | 'eventLength'>;
}): Pick<LinkSession, 'request' | 'stream' | 'tunnel'> {
  /** Why a stream broke: nearly always because the session did, which says it better. */
  const explain = async (error: unknown): Promise<ThinClonesError> => {
    if (error instanceof ThinClonesError) return error;
    if (session.closed || session.destroyed) return ended;
    return unreachable(error instanceof Error ? error.message : String(error), error);
  };
  const open = async (
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<ClientHttp2Stream> => {
    if (session.closed) throw await ended;
    return session.request(headers, signal === undefined ? {} : { signal });
  };
  const ask = async ({
    method,
    path,
    headers,
    body,
    signal,
  }: TransportRequest): Promise<ClientHttp2Stream> => {
    const asked = await open({ ':method': method, ':path': path, ...headers }, signal);
    asked.end(body);
    return asked;
  };

  return {
    async request(request) {
      try {
        return await answerOf(await ask(request), limits);
      } catch (error) {
        if (request.signal?.aborted === true) throw error;
        throw await explain(error);
      }
    },
    async *stream(request) {
      try {
        const asked = await ask(request);
        const status = Number((await headersOf(asked))[':status']);
        if (status !== 200) throw unreachable(`its event stream answered ${status}`);
        const pace = createPace();
        for await (const text of textOf(asked, limits.eventLength, (piece) => !piece.includes('\n\n'))) {
          const begin = performance.now();
          yield text;
          await pace.after(begin);
        }
      } catch (error) {
        if (request.signal?.aborted === true) return;
        throw await explain(error);
      }
    },
    async tunnel(target, from, signal) {
      try {
        const asked = await open({ ':method': 'CONNECT', ':authority': writeTunnel(target) }, signal);
        const ahead = leadAhead(from, asked);
        const answer = headersOf(asked);
        answer.catch(() => ahead.takeBack());
        const status = Number((await answer)[':status']);
        if (status === 200) {
          ahead.goOn();
          return asked;
        }
        ahead.takeBack();
        throw await refusalOf(await wholeText(asked, limits.answerLength), status, unreachable);
      } catch (error) {
        if (signal?.aborted === true) throw error;
        throw await explain(error);
      }
    },
  };
}

async function answerOf(
  asked: ClientHttp2Stream,
  { answerLength }: Pick<SessionLimits, 'answerLength'>,
): Promise<TransportAnswer> {
  const headers = await headersOf(asked);
  return {
    status: Number(headers[':status']),
    text: await wholeText(asked, answerLength),
    header(name) {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    },
  };
}

/** One end for all: whatever ends first (the session, the stream, or we) ends the others, and says why. */
function endOf(
  session: ClientHttp2Session,
  stream: LinkStream,
  unreachable: Unreachable,
): { ended: Promise<ThinClonesError>; end: (reason: ThinClonesError) => void } {
  const { promise: ended, resolve } = Promise.withResolvers<ThinClonesError>();
  const end = (reason: ThinClonesError): void => {
    resolve(reason);
    session.destroy();
    stream.close();
  };
  // A session that could not understand the stream has ended it, and says why in this turn.
  void stream.ended.then((reason) => setImmediate(() => end(reason)));
  session.once('error', (error: Error) => {
    // A stream that breaks is told by what carried it.
    if ('code' in error && error.code === 'ERR_HTTP2_ERROR')
      end(unreachable(`it speaks something else: ${error.message}`, error));
  });
  // It would go on until its last stream ends, which may be never, and take no new ones meanwhile.
  session.once('goaway', () => end(unreachable('it ends the link')));
  session.once('close', () => {
    // What carried the bytes knows the reason better, a moment later.
    void Promise.race([stream.ended, aMoment()]).then((reason) =>
      end(reason ?? unreachable('the link broke')),
    );
  });
  return { ended, end };
}

const aMoment = (): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), 500).unref();
  });

async function firstAnswer(
  session: ClientHttp2Session,
  options: {
    signal: AbortSignal;
    limitMs: number;
    ended: Promise<ThinClonesError>;
    unreachable: Unreachable;
  },
): Promise<void> {
  const { signal, limitMs, ended, unreachable } = options;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => reject(unreachable(`it did not answer in ${limitMs / 1000} s`)), limitMs);
  const onAbort = (): void => reject(fail('canceled', {}, { cause: signal.reason }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  void ended.then(reject);
  session.ping((error) => {
    // A session that ends instead is told above.
    if (error === null) resolve(undefined);
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

const headersOf = (stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> =>
  new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve(headers));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('it broke in the middle of a request')));
  });

async function wholeText(stream: ClientHttp2Stream, most: number): Promise<string> {
  let text = '';
  for await (const piece of textOf(stream, most, () => true)) text += piece;
  return text;
}

/**
 * The text of a stream; throws where more characters than this come without what `isOpen` waits for. Through a stream between: to
 * iterate over one of Node's HTTP/2 itself ends in a premature close.
 */
async function* textOf(
  stream: ClientHttp2Stream,
  most: number,
  isOpen: (text: string) => boolean,
): AsyncIterable<string> {
  const text = new PassThrough({ encoding: 'utf8' });
  leadInto(stream, text);
  let length = 0;
  for await (const piece of text as AsyncIterable<string>) {
    length = isOpen(piece) ? length + piece.length : 0;
    if (length > most) throw new Error(`its answer is larger than ${most} bytes`);
    yield piece;
  }
}

async function refusalOf(text: string, status: number, unreachable: Unreachable): Promise<ThinClonesError> {
  const failure = await understandFailure(parseJson(text));
  return failure.ok
    ? new ThinClonesError(failure.value.error, status)
    : unreachable(`it answered ${status} without a reason`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // best effort: what is not JSON is told as no reason
  }
}
