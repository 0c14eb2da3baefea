/** An engine in this process that answers the routes table from a script, on a unix socket in a temporary folder. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, writePosition, type RouteOutput } from '../../../engine/protocol/client.ts';
import {
  cloneSchema,
  connectionSchema,
  environmentSchema,
  jobLineSchema,
  jobSchema,
  snapshotSchema,
  type Checkout,
  type Clone,
  type EngineInfo,
  type Environment,
  type Job,
  type JobLine,
  type Snapshot,
} from '../../../engine/protocol/entities.ts';
import { fail, toFailure } from '../../../engine/protocol/errors.ts';
import type { EventBody, Overview } from '../../../engine/protocol/events.ts';
import type { EngineConnection } from '../../../engine/protocol/node/launch.ts';
import { createTransport } from '../../../engine/protocol/node/transport.ts';
import { routes, type RouteName } from '../../../engine/protocol/routes.ts';
import { eventsPath, positionHeader, protocolVersion } from '../../../engine/protocol/wire.ts';
import {
  checkoutId,
  fakeCheckout as freshCheckout,
  fakeEndpoint,
} from '../../support/fakeEngine/fakeCheckout.ts';

export interface Call {
  route: RouteName;
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: Record<string, unknown>;
}
type Answer<Name extends RouteName> = (call: Call) => RouteOutput<Name> | Promise<RouteOutput<Name>>;
export type Script = { [Name in RouteName]?: Answer<Name> };

export interface FakeEngine {
  calls: Call[];
  /** Overrides and adds answers. */
  script: Script;
  overview: Overview;
  lines: JobLine[];
  emit(event: EventBody): void;
  /** Ends all event streams, as a stopping engine does. */
  breakStreams(): void;
  /** false: event streams are refused from now on. */
  streams: boolean;
  /** Resolves when somebody listens to events. */
  listened(): Promise<void>;
  connect(): Promise<EngineConnection>;
  close(): Promise<void>;
}

export const at = '2026-11-21T10:00:00.000Z';
export const ids = {
  snapshot: 'snapshot-aaaaaaaaaaaaaaaa',
  clone: 'clone-bbbbbbbbbbbbbbbb',
  job: 'job-cccccccccccccccc',
  dataset: 'data-dddddddddddddddd',
  checkout: checkoutId,
} as const;

export const fakeEnvironment = (changes: object = {}): Environment =>
  environmentSchema.parse({
    name: 'shop',
    definition: {
      host: 'local',
      members: { orders: { engine: 'postgres', retrieval: 'logical', url: 'postgresql://reader@db/shop' } },
      clones: {},
    },
    createdAt: at,
    latestSnapshot: ids.snapshot,
    refreshJob: null,
    ...changes,
  });
export const fakeSnapshot = (changes: object = {}): Snapshot =>
  snapshotSchema.parse({
    id: ids.snapshot,
    name: 'nightly',
    environment: 'shop',
    state: 'ready',
    dataStateAt: at,
    createdAt: at,
    createdBy: 'anna',
    skewMs: 0,
    bytes: { unshared: 1_000, logical: 842_000_000 },
    members: [{ name: 'orders', engine: 'postgres', version: '18', database: 'shop', dataset: ids.dataset }],
    clones: [],
    origin: 'refresh',
    message: null,
    ...changes,
  });
const member = (name: string, port: number) => ({
  name,
  engine: 'postgres',
  host: '127.0.0.1',
  port,
  user: 'clone',
  database: 'shop',
  state: 'ready',
  dataset: ids.dataset,
  version: '18',
});
export const fakeClone = (changes: object = {}): Clone =>
  cloneSchema.parse({
    id: ids.clone,
    name: 'feature/a',
    environment: 'shop',
    snapshot: ids.snapshot,
    state: 'ready',
    createdAt: at,
    createdBy: 'anna',
    resetAt: null,
    protectedUntil: null,
    bytes: { unshared: 400_000, logical: 842_000_000 },
    members: [member('orders', 54_321)],
    branch: null,
    problem: null,
    ...changes,
  });
/** At a clone of its branch. */
export const fakeCheckout = (changes: object = {}): Checkout =>
  freshCheckout({
    path: '/repo',
    repository: '/repo/.git',
    state: 'ready',
    clone: ids.clone,
    endpoints: [fakeEndpoint(40_123)],
    variables: { DATABASE_URL: '{orders.url}' },
    switchedAt: at,
    switchMs: 12,
    ...changes,
  });
/** Not `ready`: nobody has said yet whether the branch gets a clone. */
export const askingCheckout = (changes: object = {}): Checkout =>
  fakeCheckout({
    state: 'asking',
    clone: null,
    reason: 'Branch feature/a has no clone yet.',
    next: 'Make one: thin-clones use',
    question: { branch: 'feature/a', key: 'feature/a', from: 'latest' },
    ...changes,
  });
export const fakeJob = (changes: object = {}): Job =>
  jobSchema.parse({
    id: ids.job,
    type: 'clone.create',
    title: 'Create clone feature/a',
    state: 'running',
    createdBy: 'anna',
    createdAt: at,
    startedAt: at,
    endedAt: null,
    progress: 0.5,
    error: null,
    tasks: [{ name: 'copy', state: 'running', progress: 0.5, startedAt: at, endedAt: null }],
    environment: 'shop',
    object: { kind: 'clone', id: ids.clone, name: 'feature/a' },
    cancellable: true,
    ...changes,
  });
export const fakeLine = (line: number, text: string, changes: object = {}): JobLine =>
  jobLineSchema.parse({ job: ids.job, line, at, task: 'copy', level: 'info', text, ...changes });
export const fakeConnection = (name = 'orders', port = 54_321) =>
  connectionSchema.parse({
    name,
    engine: 'postgres',
    host: '127.0.0.1',
    port,
    user: 'clone',
    password: "p w'd",
    database: 'shop',
  });
export const fakeInfo: EngineInfo = {
  name: 'thin-clones',
  version: '0.1.0',
  protocol: protocolVersion,
  pid: 4242,
  home: '/home/anna/.local/share/thin-clones',
  startedAt: at,
  uptimeMs: 90_000,
  state: 'ready',
  problem: null,
  storage: 'btrfs, thin',
};

function matchRoute(method: string, path: string): { route: RouteName; params: Record<string, string> } {
  for (const [name, route] of Object.entries(routes)) {
    const names = [...route.path.matchAll(/:([a-z]+)/g)].map(([, key]) => key ?? '');
    const pattern = new RegExp(`^${route.path.replace(/:[a-z]+/g, '([^/]+)')}$`);
    const match = route.method === method ? pattern.exec(path) : null;
    if (match === null) continue;
    const params = names.map((key, index) => [key, decodeURIComponent(match[index + 1] ?? '')] as const);
    return { route: name as RouteName, params: Object.fromEntries(params) };
  }
  throw fail('unknown_route', { path });
}

export async function startFakeEngine(script: Script = {}): Promise<FakeEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'thin-clones-fake-'));
  const socket = join(folder, 'e.sock');
  const listeners = new Set<ServerResponse>();
  let heard: (() => void)[] = [];
  let seq = 7;
  const usual: Script = {
    engineInfo: () => fakeInfo,
    engineStop: () => ({ stopping: true }),
    overview: () => engine.overview,
    environmentList: () => ({ items: engine.overview.environments }),
    environmentShow: ({ params }) => {
      const found = engine.overview.environments.find(({ name }) => name === params.environment);
      if (found === undefined)
        throw fail('not_found', { kind: 'environment', name: params.environment ?? '', known: [] });
      return found;
    },
    snapshotList: () => ({ items: engine.overview.snapshots }),
    snapshotShow: () => engine.overview.snapshots[0] ?? fakeSnapshot(),
    cloneList: () => ({ items: engine.overview.clones }),
    cloneShow: ({ params }) => {
      const found = engine.overview.clones.find(
        ({ id, name }) => id === params.clone || name === params.clone,
      );
      if (found === undefined) throw fail('not_found', { kind: 'clone', name: params.clone ?? '' });
      return found;
    },
    cloneConnection: () => ({ items: [fakeConnection()] }),
    checkoutList: () => ({ items: engine.overview.checkouts }),
    checkoutOpen: () => engine.overview.checkouts[0] ?? fakeCheckout(),
    checkoutShow: () => engine.overview.checkouts[0] ?? fakeCheckout(),
    checkoutConnection: () => ({ items: [fakeConnection('orders', 40_123)] }),
    checkoutUse: () => {
      engine.overview.checkouts = [fakeCheckout()];
      return { checkout: fakeCheckout(), job: null };
    },
    jobList: () => ({ items: engine.overview.jobs }),
    jobShow: ({ params }) => {
      const found = engine.overview.jobs.find(({ id }) => id === params.job);
      if (found === undefined) throw fail('not_found', { kind: 'job', name: params.job ?? '' });
      return found;
    },
    jobLines: ({ query }) => ({
      items: engine.lines.filter(({ line }) => line > ((query.after as number | undefined) ?? 0)),
    }),
  };

  /** Everything that was told, for those who begin to listen later. */
  const history: { seq: number; text: string }[] = [];
  const tell = (event: EventBody): void => {
    seq++;
    const text = `data: ${JSON.stringify({ ...event, seq })}\n\n`;
    history.push({ seq, text });
    for (const response of listeners) response.write(text);
  };
  /** What became of the checkouts since somebody looked, as a script has it. */
  const tellCheckouts = async (): Promise<void> => {
    const shown = new Set(
      engine.calls.filter(({ route }) => route === 'checkoutShow').map(({ params }) => params.checkout ?? ''),
    );
    for (const checkout of shown) {
      const show = engine.script.checkoutShow ?? usual.checkoutShow;
      const entity = await show?.({ route: 'checkoutShow', params: { checkout }, query: {}, body: {} });
      if (entity !== undefined) tell({ kind: 'checkout', entity });
    }
  };

  async function answer(request: IncomingMessage): Promise<unknown> {
    const url = new URL(request.url ?? '/', 'http://engine');
    const { route: name, params } = matchRoute(request.method ?? 'GET', url.pathname);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const route = routes[name];
    // A request that the real engine would refuse must not pass here.
    const call: Call = {
      route: name,
      params: route.params.parse(params) as Record<string, string>,
      query: route.query.parse(Object.fromEntries(url.searchParams)),
      body: route.body.parse(text === '' ? {} : JSON.parse(text)),
    };
    engine.calls.push(call);
    const handler = (engine.script[name] ?? usual[name]) as ((call: Call) => unknown) | undefined;
    if (handler === undefined) throw fail('unknown_route', { path: url.pathname });
    return route.response.parse(await handler(call));
  }

  const server = createServer((request, response) => {
    if (request.url?.startsWith(eventsPath) === true) {
      if (!engine.streams) {
        response.writeHead(500).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      const after = Number(new URL(request.url, 'http://engine').searchParams.get('after'));
      for (const each of history) if (each.seq > after) response.write(each.text);
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
      void tellCheckouts();
      for (const resolve of heard) resolve();
      heard = [];
      return;
    }
    response.setHeader(positionHeader, writePosition({ epoch: engine.overview.epoch, seq }));
    void answer(request).then(
      (document) => response.end(JSON.stringify(document)),
      (error: unknown) => {
        const failure = toFailure(error);
        response.writeHead(failure.status).end(JSON.stringify({ error: failure.document }));
      },
    );
  });
  server.listen(socket);
  await once(server, 'listening');

  const engine: FakeEngine = {
    calls: [],
    script,
    overview: {
      epoch: 'e1',
      seq,
      hosts: [],
      environments: [],
      snapshots: [],
      clones: [],
      checkouts: [],
      jobs: [],
    },
    lines: [],
    streams: true,
    emit: tell,
    breakStreams() {
      for (const response of listeners) response.destroy();
    },
    listened: () =>
      listeners.size > 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            heard.push(resolve);
          }),
    async connect() {
      const transport = createTransport({ socketPath: socket });
      return {
        client: createClient({ transport, user: 'anna' }),
        info: fakeInfo,
        discovery: {
          format: 1,
          pid: fakeInfo.pid,
          version: fakeInfo.version,
          protocol: fakeInfo.protocol,
          build: 'development',
          startedAt: at,
          socket,
          token: 'fake',
          tcpPort: null,
        },
        close: () => transport.close(),
      };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
  return engine;
}
