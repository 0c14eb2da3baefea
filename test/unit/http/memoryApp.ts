/** The engine's HTTP side over an engine in memory, called in process or through a real socket. */
import type { App, AppAnswer } from '../../../engine/http/app.ts';
import { createJoinedHandlers } from '../../../engine/http/joinedHandlers.ts';
import { createHandlers } from '../../../engine/http/handlers.ts';
import { createApp } from '../../../engine/http/server.ts';
import type { Transport } from '../../../engine/protocol/client.ts';
import { routes, type RouteName } from '../../../engine/protocol/routes.ts';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { createOtherHosts } from '../../../engine/hub/otherHosts.ts';
import { installationIdSchema } from '../../../engine/protocol/ids.ts';
import type { Hub } from '../../../engine/hub/hub.ts';
import type { Link } from '../../../engine/link/link.ts';
import type { Clock } from '../../../engine/ports/clock.ts';
import { ownNames } from '../../../engine/startHub.ts';
import { openMemoryHub } from '../../support/memoryHub.ts';
import { openMemoryEngine, type MemoryEngine } from '../../support/memoryEngine.ts';

export const token = 'a-token-of-43-characters-as-the-engine-makes-';

export interface MemoryApp {
  app: App;
  engine: MemoryEngine;
  hub: Promise<Hub>;
  /** What the engine wrote into its log. */
  log: string[];
  stopped(): boolean;
  /** Nothing may be changed from now on. */
  block(problem: string | null): void;
  /** Ends open event streams. */
  end(): void;
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  transport: Transport;
}

export interface RequestOptions {
  headers?: Record<string, string | undefined>;
  body?: unknown;
}

export interface MemoryAppOptions {
  /** Two engines of one seed make the same ids. */
  seed?: number;
  /** Other hosts; default: none. */
  links?: Readonly<Record<string, Link>>;
  /** What an earlier hub kept of them. */
  kept?: Map<string, string>;
  /** Of what joins other hosts; default: real time. */
  clock?: Clock;
}

export async function openMemoryApp({
  seed = 1,
  links = {},
  kept = new Map(),
  clock,
}: MemoryAppOptions = {}): Promise<MemoryApp> {
  const started = Promise.withResolvers<Hub>();
  const installation = `inst-${'a'.repeat(15)}${String.fromCharCode(96 + seed)}`;
  const engine = await openMemoryEngine({
    ...{ seed, installation },
    otherHosts: createOtherHosts(started.promise, installationIdSchema.parse(installation)),
  });
  const log: string[] = [];
  const write = (text: string, fields: object = {}): void => {
    log.push(`${text} ${JSON.stringify(fields)}`);
  };
  const loggers = { debug: write, info: write, warning: write, error: write };
  const stopping = new AbortController();
  const state: { blocked: string | null; stopped: boolean } = { blocked: null, stopped: false };
  const { context, services } = engine.life();
  const life = { present: () => ({ context, services, blocked: state.blocked }) };
  const hub = openMemoryHub({ links, life, kept, log: loggers, ...(clock !== undefined && { clock }) });
  started.resolve(hub);
  const own = createHandlers({
    info: () => ({
      name: 'thin-clones',
      version: '1.2.3',
      protocol: protocolVersion,
      pid: 1,
      home: '/home',
      startedAt: '2026-11-20T03:00:00.000Z',
      uptimeMs: 5,
      state: state.blocked === null ? 'ready' : 'blocked',
      problem: state.blocked,
      storage: 'memory',
    }),
    host: () => context.machine,
    running: async () => ({ context, services, blocked: state.blocked }),
    examine: [async () => [{ name: 'storage', status: 'ok', message: 'fine', fix: null }]],
    clock: { sleep: () => new Promise(() => undefined) },
    stop: async () => {
      state.stopped = true;
    },
    sshNames: async () => [{ name: 'big', hostName: '10.0.0.7', user: null, port: null }],
    planSetUp: async () => ({
      ...{ state: 'thin', problem: null, fix: null, image: null, mountPoint: null },
      ...{ bytes: null, sizeBytes: null, setUp: null, removal: null },
    }),
    rebuild: async () => ({ snapshots: 0, clones: 0, keptAs: null }),
  });
  const app = createApp({
    handlers: createJoinedHandlers({ own, hub: () => hub, names: ownNames(life) }),
    feed: async () => context.feed,
    log: loggers,
    token,
    version: '1.2.3',
    signal: stopping.signal,
  });
  const request: MemoryApp['request'] = async (method, path, { headers = {}, body } = {}) => {
    const all: NonNullable<RequestOptions['headers']> = {
      host: 'localhost',
      authorization: `Bearer ${token}`,
      ...headers,
    };
    const sent = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const type: [string, string][] =
      body === undefined || 'content-type' in headers ? [] : [['content-type', 'application/json']];
    const given = new Map([...sent, ...type].map(([name, value]) => [name.toLowerCase(), value]));
    const leaving = new AbortController();
    const answer = await app({
      method,
      target: path,
      header: (name) => given.get(name),
      text: async (mostBytes) => (Buffer.byteLength(text) > mostBytes ? undefined : text),
      signal: leaving.signal,
    });
    return responseOf(answer, () => leaving.abort());
  };
  return {
    app,
    engine,
    hub,
    log,
    stopped: () => state.stopped,
    block: (problem) => (state.blocked = problem),
    end: () => stopping.abort(),
    request,
    transport: {
      async request({ method, path, headers, body }) {
        const answer = await request(method, path, { headers, ...(body === undefined ? {} : { body }) });
        return {
          status: answer.status,
          text: await answer.text(),
          header: (name) => answer.headers.get(name) ?? undefined,
        };
      },
      async *stream({ path, headers }) {
        const answer = await request('GET', path, { headers });
        const decoder = new TextDecoder();
        for await (const chunk of answer.body ?? []) yield decoder.decode(chunk as Uint8Array);
      },
    },
  };
}

function responseOf({ status, headers, body }: AppAnswer, leave: () => void): Response {
  if (typeof body === 'string') return new Response(body, { status, headers });
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      // Not waited for: what is written can be read meanwhile.
      void body(async (text) => controller.enqueue(encoder.encode(text))).then(() => controller.close());
    },
    cancel: leave,
  });
  return new Response(stream, { status, headers });
}

/** A request that fits each route: its parameters name what is not there. */
export function exampleOf(name: RouteName): { method: string; path: string; body: unknown } {
  const route = routes[name];
  const path = route.path.replace(/:[a-z]+/g, 'nowhere');
  const member = { engine: 'postgres', retrieval: 'logical', url: 'postgresql://reader@127.0.0.1:1/app' };
  const bodies: Partial<Record<RouteName, unknown>> = {
    environmentApply: { definition: { members: { orders: member } } },
    sourceTest: { member },
    hostAdd: { name: 'big', address: 'ssh://me@big' },
    hostPasswords: { allow: true },
    hostDecline: { name: 'big', address: 'ssh://me@big' },
    hostAnswer: { question: 'q', reply: null },
    cloneCreate: { environment: 'nowhere' },
    cloneProtect: { minutes: 5 },
    cloneCommit: { message: 'm' },
    cloneRename: { name: 'another' },
    storageMove: { kind: 'clone', object: 'nowhere' },
    cloneBind: { binding: null },
    cloneRead: { member: 'orders', statements: [{ text: 'SELECT 1' }] },
    checkoutOpen: { folder: '/work/shop' },
    checkoutAnswer: { branch: 'main', answer: 'none' },
    checkoutEnvFile: { file: null },
    checkoutVariable: { name: 'RAILS_ENV', value: 'test', answer: 'allow' },
    environmentRefresh: {},
    cloneReset: {},
  };
  return { method: route.method, path, body: bodies[name] };
}
