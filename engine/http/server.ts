/** The engine's HTTP side: validates every request by the routes table and hands it to its handler. */
import { createHash } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import type * as z from 'zod';
import { canonicalText } from '../domain/canonicalText.ts';
import { writePosition } from '../protocol/client.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import type { Event } from '../protocol/events.ts';
import { openapiDocument } from '../protocol/openapi.ts';
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
const keepAliveMs = 15_000;
const mostWaiting = 20_000;

export function createApp({ handlers, feed, log, token, version, signal }: ServerOptions): Hono {
  const app = new Hono();
  const answerFailure = (context: Context, error: unknown): Response => {
    const failure = toFailure(error);
    if (failure.status >= 500 && failure.code === 'internal') {
      const cause = failure.cause instanceof Error ? failure.cause.stack : undefined;
      log.error('request failed', { path: context.req.path, problem: failure.message, cause });
    }
    return context.json({ error: failure.document }, failure.status as 400);
  };
  app.onError((error, context) => answerFailure(context, error));
  app.notFound((context) => answerFailure(context, fail('unknown_route', { path: context.req.path })));
  app.use(async (context, next) => {
    const across = acrossProtocols.has(context.req.path);
    const header = (name: string) =>
      across && name.startsWith('thin-clones-protocol') ? undefined : context.req.header(name);
    checkAccess({ header, method: context.req.method }, token);
    await next();
  });
  app.use(
    bodyLimit({
      maxSize: bodyBytes,
      onError: () => {
        throw fail('invalid_request', { problems: [`the body is larger than ${bodyBytes} bytes`] });
      },
    }),
  );

  for (const name of Object.keys(routes) as RouteName[]) {
    const route = routes[name];
    const handler: (request: never) => unknown = handlers[name];
    app.on(route.method, route.path, async (context) => {
      const parsed = {
        params: route.params.safeParse(context.req.param()),
        query: route.query.safeParse(context.req.query()),
        // Also where none is known: whoever sends one means something by it.
        body: route.body.safeParse(route.method === 'GET' ? {} : await readJson(context)),
      };
      const problems = Object.values(parsed).flatMap(({ error }) =>
        (error?.issues ?? []).map(({ path, message }) =>
          [path.join('.'), message].filter(Boolean).join(': '),
        ),
      );
      if (problems.length > 0 || !parsed.params.success || !parsed.query.success || !parsed.body.success) {
        throw fail('invalid_request', { problems });
      }
      // Where it is before the change, or the look: whoever asked follows what comes without asking first where the stream is.
      if (!acrossProtocols.has(route.path)) {
        const at = await feed().catch(() => undefined); // best effort: an engine that can't run says so below
        if (at !== undefined)
          context.header(positionHeader, writePosition({ epoch: at.epoch, seq: at.seq() }));
      }
      const caller = readCaller(context, () => requestText(name, parsed.params.data, parsed.body.data));
      const answer = await handler({
        params: parsed.params.data,
        query: parsed.query.data,
        body: parsed.body.data,
        caller,
        signal: context.req.raw.signal,
      } as never);
      return context.json(route.response.parse(answer) as object);
    });
  }

  app.get(openapiPath, (context) => context.json(openapiDocument(version)));
  app.get(eventsPath, (context) => {
    const from = { epoch: context.req.query('epoch') ?? '', seq: Number(context.req.query('after') ?? 0) };
    return streamSSE(context, async (stream) => {
      const current = await feed();
      const ending = AbortSignal.any([signal, current.ended]);
      const waiting: Event[] = [];
      let wake = (): void => undefined;
      const client = { tooSlow: false };
      const unsubscribe = current.subscribe(from, (event) => {
        // A client that does not read must not fill the engine's memory: it comes back and reads the overview.
        if (waiting.length >= mostWaiting) client.tooSlow = true;
        else waiting.push(event);
        wake();
      });
      const timer = setInterval(() => wake(), keepAliveMs);
      const onEnd = (): void => wake();
      ending.addEventListener('abort', onEnd);
      stream.onAbort(onEnd);
      try {
        await stream.write(': ready\n\n');
        while (!stream.aborted && !client.tooSlow) {
          const batch = waiting.splice(0);
          const text = batch.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
          await stream.write(text === '' ? ': still here\n\n' : text);
          if (waiting.length > 0) continue;
          // What came before the end is told.
          if (ending.aborted) break;
          await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        clearInterval(timer);
        ending.removeEventListener('abort', onEnd);
        unsubscribe();
      }
    });
  });
  return app;
}

const longestKey = 200;

/** What makes two requests the same: all that they ask for. A password is no part of it, and is kept nowhere. */
function requestText(name: RouteName, params: unknown, body: object | undefined): string {
  const asked = Object.entries(body ?? {}).filter(([field]) => !['password', 'passwords'].includes(field));
  return createHash('sha256')
    .update(canonicalText([name, params, Object.fromEntries(asked)]))
    .digest('hex');
}

function readCaller(context: Context, request: () => string): Caller {
  const key = context.req.header(idempotencyHeader);
  // Cut short, two keys could become one.
  if (key !== undefined && (key === '' || key.length > longestKey))
    throw fail('invalid_request', { problems: [`${idempotencyHeader}: 1 to ${longestKey} characters`] });
  const name = context.req.header(clientHeader) ?? 'unknown';
  try {
    const user = decodeURIComponent(name).slice(0, 100);
    return { user, idempotencyKey: key === undefined ? undefined : { key, request: request() } };
  } catch (error) {
    throw fail('invalid_request', { problems: [`${clientHeader} is not percent-encoded`] }, { cause: error });
  }
}

async function readJson(context: Context): Promise<unknown> {
  const text = await context.req.text();
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail('invalid_request', { problems: ['the body is not JSON'] }, { cause: error });
  }
}

export interface Listening {
  tcpPort: number | null;
  /** Listens at the socket's path once more, after the socket file was removed; open connections stay. */
  reopenSocket(): Promise<void>;
  close(): Promise<void>;
}

/** Listens on a unix socket of mode 0600 (or a named pipe), and on loopback TCP when a port is given (0: any). */
export async function listen(
  app: Hono,
  address: { socket: string; tcpPort: number | null; onTcpProblem?: (error: unknown) => void },
): Promise<Listening> {
  const servers: Server[] = [];
  const open = async (target: { path: string } | { host: string; port: number }): Promise<Server> => {
    const answer = getRequestListener(app.fetch);
    const server = createServer(
      { keepAliveTimeout: 30_000 },
      (request, response) => void answer(request, response),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // A socket file is made inside of this call, and nobody else may connect before its mode is set.
      const umask = process.platform === 'win32' ? undefined : process.umask(0o177);
      try {
        server.listen(target, resolve);
      } finally {
        if (umask !== undefined) process.umask(umask);
      }
    });
    servers.push(server);
    return server;
  };
  const openSocket = async (): Promise<void> => {
    const pipe = address.socket.startsWith('\\\\');
    // Only the holder of the engine's lock comes here: a socket that is left is of an engine that is gone.
    if (!pipe) await rm(address.socket, { force: true });
    await open({ path: address.socket });
    if (!pipe) await chmod(address.socket, 0o600);
  };
  await openSocket();
  let tcp: Server | undefined;
  try {
    if (address.tcpPort !== null) tcp = await open({ host: '127.0.0.1', port: address.tcpPort });
  } catch (error) {
    // The socket is what clients use; a port that is taken must not keep them from their clones.
    if (address.onTcpProblem === undefined) throw error;
    address.onTcpProblem(error);
  }
  const bound = tcp?.address();
  return {
    tcpPort: typeof bound === 'object' && bound !== null ? bound.port : null,
    // The server without a name stays: closing it would remove the name of the new one.
    reopenSocket: openSocket,
    async close() {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeIdleConnections();
              // Open streams have ended by the signal; what still hangs is cut.
              setTimeout(() => server.closeAllConnections(), 200).unref();
            }),
        ),
      );
    },
  };
}
