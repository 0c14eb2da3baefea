/** The typed client: calls any route of the table over a transport, validates what comes back, follows the events. */
import type * as z from 'zod';
import { requestOf, understandAnswer, understandEvent, understandFailure } from './answers.ts';
import { fail, ThinClonesError } from './errors.ts';
import type { Event } from './events.ts';
import type { RouteName, Routes } from './routes.ts';
import {
  clientHeader,
  eventsPath,
  idempotencyHeader,
  positionHeader,
  protocolHeader,
  protocolVersion,
} from './wire.ts';

export interface TransportRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  signal: AbortSignal | undefined;
}

export interface TransportAnswer {
  status: number;
  text: string;
  header(name: string): string | undefined;
}

/** How bytes reach an engine. Rejects with `engine_unreachable` when they can't. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportAnswer>;
  /** Text as it comes; ends when the engine closes the stream. */
  stream(request: TransportRequest): AsyncIterable<string>;
}

type Part = 'params' | 'query' | 'body';
type PartInput<Name extends RouteName, Key extends Part> = z.input<Routes[Name][Key]>;
/** `none`: the route has no such part; `optional`: every field of it may be left out. */
type PartUse<Name extends RouteName, Key extends Part> = [keyof Routes[Name][Key]['shape']] extends [never]
  ? 'none'
  : Partial<PartInput<Name, Key>> extends PartInput<Name, Key>
    ? 'optional'
    : 'required';
export type RouteInput<Name extends RouteName> = {
  [Key in Part as PartUse<Name, Key> extends 'required' ? Key : never]: PartInput<Name, Key>;
} & {
  [Key in Part as PartUse<Name, Key> extends 'optional' ? Key : never]?: PartInput<Name, Key>;
};
export type RouteOutput<Name extends RouteName> = z.output<Routes[Name]['response']>;

export interface CallOptions {
  signal?: AbortSignal | undefined;
  idempotencyKey?: string;
  /** Called, before a change is answered, with where the events begin that it makes. */
  onPosition?: (position: Position) => void;
}

/** A place in the event stream. */
export interface Position {
  epoch: string;
  seq: number;
}

export const writePosition = ({ epoch, seq }: Position): string => `${epoch}:${seq}`;
function parsePosition(text: string): Position {
  const at = text.lastIndexOf(':');
  return { epoch: text.slice(0, Math.max(at, 0)), seq: Number(text.slice(at + 1)) };
}

export interface Client {
  call<Name extends RouteName>(
    name: Name,
    input: RouteInput<Name>,
    options?: CallOptions,
  ): Promise<RouteOutput<Name>>;
  /** Events after `seq` of an epoch, until the signal aborts or the engine goes away. */
  events(from: Position, signal?: AbortSignal): AsyncIterable<Event>;
}

export interface ClientOptions {
  transport: Transport;
  /** Who asks, for `createdBy`. */
  user: string;
  token?: string;
}

interface LooseInput {
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: Record<string, unknown>;
}

/** The path with its parameters percent-encoded and the query appended. */
export function fillPath(path: string, input: LooseInput): string {
  const filled = path.replace(/:([a-z]+)/g, (_, key: string) =>
    encodeURIComponent(String(input.params?.[key])),
  );
  const query = Object.entries(input.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`);
  return query.length === 0 ? filled : `${filled}?${query.join('&')}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail('engine_unreachable', { problem: 'its answer is not JSON' }, { cause: error });
  }
}

/** Splits server-sent events into the text of their `data:` lines. */
export async function* readEventStream(chunks: AsyncIterable<string>): AsyncIterable<string> {
  let rest = '';
  for await (const chunk of chunks) {
    rest += chunk;
    let end: number;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      const data = rest
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart())
        .join('\n');
      rest = rest.slice(end + 2);
      if (data !== '') yield data;
    }
  }
}

export function createClient({ transport, user, token }: ClientOptions): Client {
  const headers: Record<string, string> = {
    [protocolHeader]: String(protocolVersion),
    [clientHeader]: encodeURIComponent(user),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return {
    async call(name, input, options = {}) {
      const { method, path, hasBody } = requestOf(name);
      const loose = input as LooseInput;
      const answer = await transport.request({
        method,
        path: fillPath(path, loose),
        headers: {
          ...headers,
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
          ...(options.idempotencyKey === undefined ? {} : { [idempotencyHeader]: options.idempotencyKey }),
        },
        body: hasBody ? JSON.stringify(loose.body ?? {}) : undefined,
        signal: options.signal,
      });
      const document = parseJson(answer.text);
      if (answer.status >= 400) {
        const failure = await understandFailure(document);
        if (!failure.ok) {
          throw fail('engine_unreachable', { problem: `it answered ${answer.status} without a reason` });
        }
        throw new ThinClonesError(failure.value.error, answer.status);
      }
      const understood = await understandAnswer(name, document);
      if (!understood.ok) {
        const problem = `its answer to ${name} is not understood: ${understood.problem}`;
        throw fail('engine_unreachable', { problem });
      }
      const position = answer.header(positionHeader);
      if (position !== undefined) options.onPosition?.(parsePosition(position));
      return understood.value;
    },
    async *events(from, signal) {
      const path = `${eventsPath}?epoch=${encodeURIComponent(from.epoch)}&after=${from.seq}`;
      const chunks = transport.stream({ method: 'GET', path, headers, body: undefined, signal });
      for await (const data of readEventStream(chunks)) {
        const event = await understandEvent(parseJson(data));
        // An event kind that a newer engine added is not an error for an older client.
        if (event.ok) yield event.value;
      }
    },
  };
}
