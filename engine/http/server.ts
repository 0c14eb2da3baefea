/** The engine's HTTP side, whatever carries its bytes: validates every request by the routes table and hands it to its handler. */
import { createHash } from 'node:crypto';
import type * as z from 'zod';
import { canonicalText } from '../domain/canonicalText.ts';
import { writePosition } from '../protocol/client.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import { routes, type RouteName, type Routes } from '../protocol/routes.ts';
import {
  clientHeader,
  eventsPath,
  idempotencyHeader,
  openapiPath,
  positionHeader,
} from '../protocol/wire.ts';
import type { Caller } from '../services/caller.ts';
import type { Feed } from '../jobs/feed.ts';
import type { Log } from '../ports/log.ts';
import { checkAccess } from './access.ts';
import type { App, AppAnswer, AppRequest } from './app.ts';
import { streamEvents } from './eventStream.ts';
import { findRoute } from './routing.ts';

export interface RouteRequest<Name extends RouteName> {
  params: z.output<Routes[Name]['params']>;
  query: z.output<Routes[Name]['query']>;
  body: z.output<Routes[Name]['body']>;
  caller: Caller;
  signal: AbortSignal;
}
/** Answers are validated too: a response that does not fit its schema is a defect of ours, seen at once. */
export type Handlers = {
  [Name in RouteName]: (
    request: RouteRequest<Name>,
  ) => Promise<z.input<Routes[Name]['response']>> | z.input<Routes[Name]['response']>;
};

/** Routes about which hosts there are: no single one of them answers. */
export const ofTheHub = [
  'hostAdd',
  'hostRemove',
  'hostReconnect',
  'hostAnswer',
  'hostLog',
  'hostPasswords',
  'hostDeclinedList',
  'hostDecline',
] as const;
export type OfTheHub = (typeof ofTheHub)[number];

/** Those of the routes whose names begin so. */
export type HandlersOf<Prefix extends string> = Pick<Handlers, Extract<RouteName, `${Prefix}${string}`>>;

export interface ServerOptions {
  handlers: Handlers;
  /** The feed of the state that is open now; another one after a rebuild. */
  feed: () => Promise<Feed>;
  log: Log;
  token: string;
  version: string;
  /** Aborts when the engine stops: open event streams end. */
  signal: AbortSignal;
}

/** Routes that a client of another protocol may call: how one engine is replaced by another. */
const acrossProtocols: ReadonlySet<string> = new Set([routes.engineInfo.path, routes.engineStop.path]);
const bodyBytes = 1024 * 1024;

type Headers = Record<string, string>;

const json = (status: number, document: unknown, headers: Headers): AppAnswer => ({
  status,
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify(document),
});

/**
 * The HTTP frameworks looked at are made of the classes of fetch(), which are undici in Node: with its HTTP/2 they take
 * 8 MB of an idle engine's memory and a fifth of the processor time of each start, for a table of routes that stands here anyway.
 */
export function createApp(options: ServerOptions): App {
  const { log, token } = options;
  return async (request) => {
    const headers: Headers = {};
    const { path, query } = splitTarget(request.target);
    try {
      const isAcross = acrossProtocols.has(path);
      const header = (name: string) =>
        isAcross && name.startsWith('thin-clones-protocol') ? undefined : request.header(name);
      checkAccess({ header, method: request.method }, token);
      return await answer(options, { ...request, path, query }, headers);
    } catch (error) {
      const failure = toFailure(error);
      if (failure.status >= 500 && failure.code === 'internal' && !request.signal.aborted) {
        const cause = failure.cause instanceof Error ? failure.cause.stack : undefined;
        log.error('request failed', { path, problem: failure.message, cause });
      }
      return json(failure.status, { error: failure.document }, headers);
    }
  };
}

interface ReadRequest extends AppRequest {
  path: string;
  query: URLSearchParams;
}

function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const at = target.indexOf('?');
  return at < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, at), query: new URLSearchParams(target.slice(at)) };
}

/** `headers` are sent with a refusal too. */
async function answer(options: ServerOptions, request: ReadRequest, headers: Headers): Promise<AppAnswer> {
  const { handlers, feed, version, signal } = options;
  // As GET; whoever carries the bytes leaves the body out.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const { path, query } = request;
  if (method === 'GET' && path === openapiPath) {
    // For people who look around: most engines are never asked for it.
    const { openapiDocument } = await import('../protocol/openapi.ts');
    return json(200, openapiDocument(version), headers);
  }
  if (method === 'GET' && path === eventsPath) {
    const from = { epoch: query.get('epoch') ?? '', seq: Number(query.get('after') ?? 0) };
    const current = await feed();
    return {
      status: 200,
      headers: { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
      body: (write) => streamEvents(current, from, write, AbortSignal.any([signal, request.signal])),
    };
  }
  const found = findRoute(method, path);
  if (found === undefined) throw fail('unknown_route', { path });
  const { name } = found;
  const route = routes[name];
  const handler: (request: never) => unknown = handlers[name];
  const parsed = {
    params: route.params.safeParse(found.params),
    query: route.query.safeParse(firstOfEach(query)),
    // Also where none is known: whoever sends one means something by it.
    body: route.body.safeParse(method === 'GET' ? {} : await readJson(request)),
  };
  const problems = Object.values(parsed).flatMap(({ error }) =>
    (error?.issues ?? []).map(({ path: field, message }) =>
      [field.join('.'), message].filter(Boolean).join(': '),
    ),
  );
  if (problems.length > 0 || !parsed.params.success || !parsed.query.success || !parsed.body.success) {
    throw fail('invalid_request', { problems });
  }
  // Where it is before the change, or the look: whoever asked follows what comes without asking first where the stream is.
  if (!acrossProtocols.has(path)) {
    const at = await feed().catch(() => undefined); // best effort: an engine that can't run says so below
    if (at !== undefined) headers[positionHeader] = writePosition({ epoch: at.epoch, seq: at.seq() });
  }
  const caller = readCaller(request, () => requestText(name, parsed.params.data, parsed.body.data));
  const answered = await handler({
    params: parsed.params.data,
    query: parsed.query.data,
    body: parsed.body.data,
    caller,
    signal: request.signal,
  } as never);
  return json(200, route.response.parse(answered), headers);
}

function firstOfEach(query: URLSearchParams): Record<string, string> {
  const first = new Map<string, string>();
  for (const [name, value] of query) if (!first.has(name)) first.set(name, value);
  return Object.fromEntries(first);
}

const longestKey = 200;

const secretFields: readonly string[] = ['password', 'passwords', 'reply'];

/** What makes two requests the same: all that they ask for. A password is no part of it, and is kept nowhere. */
function requestText(name: RouteName, params: unknown, body: object | undefined): string {
  const asked = Object.entries(body ?? {}).filter(([field]) => !secretFields.includes(field));
  return createHash('sha256')
    .update(canonicalText([name, params, Object.fromEntries(asked)]))
    .digest('hex');
}

function readCaller(asked: AppRequest, request: () => string): Caller {
  const key = asked.header(idempotencyHeader);
  // Cut short, two keys could become one.
  if (key !== undefined && (key === '' || key.length > longestKey))
    throw fail('invalid_request', { problems: [`${idempotencyHeader}: 1 to ${longestKey} characters`] });
  const name = asked.header(clientHeader) ?? 'unknown';
  try {
    const user = decodeURIComponent(name).slice(0, 100);
    return { user, idempotencyKey: key === undefined ? undefined : { key, request: request() } };
  } catch (error) {
    throw fail('invalid_request', { problems: [`${clientHeader} is not percent-encoded`] }, { cause: error });
  }
}

async function readJson(request: AppRequest): Promise<unknown> {
  const text = await request.text(bodyBytes);
  if (text === undefined)
    throw fail('invalid_request', { problems: [`the body is larger than ${bodyBytes} bytes`] });
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail('invalid_request', { problems: ['the body is not JSON'] }, { cause: error });
  }
}
