/** The handlers of this machine's engine, with those of other hosts behind them: a request is answered by whoever has its object. */
import { rewrites } from '../hub/answers.ts';
import type { Hub } from '../hub/hub.ts';
import { refusePasswords } from '../hub/passwordConsent.ts';
import { routeRequest, splitByHost, type Asked, type OwnNames } from '../hub/router.ts';
import { splitName } from '../hub/qualified.ts';
import type { RouteInput, RouteOutput } from '../protocol/client.ts';
import { fail } from '../protocol/errors.ts';
import { hostNameSchema, type HostName } from '../protocol/ids.ts';
import { routes, type RouteName } from '../protocol/routes.ts';
import type { OwnHandlers } from './handlers.ts';
import type { Handlers, OfTheHub, RouteRequest } from './server.ts';

export interface JoinedHandlersOptions {
  own: OwnHandlers;
  hub: () => Promise<Hub>;
  names: OwnNames;
}

export function createJoinedHandlers({ own, hub, names }: JoinedHandlersOptions): Handlers {
  /** As `own`, unless another host has the object. */
  const routed = <Name extends keyof OwnHandlers>(name: Name): OwnHandlers[Name] => {
    const mine: (request: never) => unknown = own[name];
    const answer = async (request: RouteRequest<Name>): Promise<unknown> => {
      const joined = await hub();
      const { host, asked } = routeRequest(joined, names, name, {
        ...{ params: request.params, query: request.query, body: request.body },
      });
      if (host === undefined) return mine({ ...request, ...asked } as never);
      refusePasswords(host, name, asked);
      const { user, idempotencyKey } = request.caller;
      const found = await host.call(name, inputOf(name, asked), {
        ...{ user, idempotencyKey: idempotencyKey?.key, signal: request.signal },
      });
      const rewrite = rewrites[name];
      if (rewrite === undefined) throw fail('not_supported', { feature: `${name} of another host` });
      return rewrite(found, { hub: joined, host, asked });
    };
    return answer as OwnHandlers[Name];
  };
  const all = Object.fromEntries(
    (Object.keys(own) as (keyof OwnHandlers)[]).map((name) => [name, routed(name)]),
  ) as unknown as OwnHandlers;

  return {
    ...all,
    ...joinedLists(own, hub),
    hostDoctor: async (request) => {
      const host = (await hub()).host(request.params.host);
      if (host === undefined) return own.hostDoctor(request);
      const answers = request.query.questions === 'yes';
      return { items: await host.examine(request.signal, { answers }) };
    },
    environmentApply: async (request) => all.environmentApply(onItsHost(await hub(), request)),
    ...hubHandlers(hub),
  };
}

/** What is of the hosts together, and of the way to them. */
const hubHandlers = (hub: () => Promise<Hub>): Pick<Handlers, OfTheHub> => ({
  hostAdd: async ({ body: { questions, ...host }, signal }) => {
    if (host.path !== undefined && host.dataset !== undefined)
      throw fail('invalid_request', { problems: ['path, dataset: only one of the two'] });
    return (await hub()).add({ ...host, kind: 'ssh' }, { signal, questions });
  },
  hostRemove: async ({ params, query, signal }) => {
    const joined = await hub();
    const name = params.host as string as HostName;
    if (query.uninstall === 'yes')
      return {
        forgotten: true,
        left: [...(await joined.uninstall(name, { signal, questions: query.questions === 'yes' }))],
      };
    await joined.remove(name);
    return { forgotten: true };
  },
  hostPasswords: async ({ params, body: { allow } }) => (await hub()).allowPasswords(params.host, allow),
  hostDeclinedList: async () => ({ items: [...(await hub()).declined.list()] }),
  hostDecline: async ({ body }) => {
    const { declined } = await hub();
    await declined.decline(body);
    return { items: [...declined.list()] };
  },
  hostReconnect: async ({ params, body: { questions }, signal }) =>
    (await hub()).reconnect(params.host, { signal, questions }),
  hostAnswer: async ({ params, body: { question, reply } }) => {
    const host = (await hub()).known(params.host);
    host.answer(question, reply);
    return host.view().host;
  },
  hostLog: async ({ params }) => ({ items: [...(await hub()).known(params.host).log()] }),
});

const inputOf = <Name extends RouteName>(name: Name, asked: Asked): RouteInput<Name> =>
  Object.fromEntries(
    (['params', 'query', 'body'] as const).flatMap((part) =>
      Object.keys(routes[name][part].shape).length === 0 ? [] : [[part, asked[part]]],
    ),
  ) as RouteInput<Name>;

const local = hostNameSchema.parse('local');

/** An environment that says in its definition where it lives needs no `HOST/` before its name; there it is a local one. */
function onItsHost(hub: Hub, request: RouteRequest<'environmentApply'>): RouteRequest<'environmentApply'> {
  const { host } = request.body.definition;
  // One that nobody added is refused by this machine.
  if (hub.host(host) === undefined) return request;
  const isQualified = splitName([host], request.params.name) !== undefined;
  const name = isQualified ? request.params.name : `${host}/${request.params.name}`;
  return {
    ...request,
    params: { name: name as typeof request.params.name },
    body: { ...request.body, definition: { ...request.body.definition, host: local } },
  };
}

/** What all hosts have, this machine's first. */
function joinedLists(
  own: OwnHandlers,
  hub: () => Promise<Hub>,
): Pick<
  Handlers,
  'overview' | 'hostList' | 'hostShow' | 'environmentList' | 'snapshotList' | 'cloneList' | 'jobList'
> {
  const elsewhere = async () => (await hub()).held();
  /** Whether a list is asked for of an environment of another host. */
  const isElsewhere = async (environment: string | undefined): Promise<boolean> =>
    environment !== undefined && splitByHost(await hub(), environment) !== undefined;
  return {
    overview: async (request) => (await hub()).join((await own.overview(request)) as RouteOutput<'overview'>),
    hostList: async (request) => ({
      items: [...(await own.hostList(request)).items, ...(await elsewhere()).hosts],
    }),
    // As it is known here, also while nobody reaches it.
    hostShow: async (request) =>
      (await hub()).host(request.params.host)?.view().host ?? own.hostShow(request),
    environmentList: async (request) => ({
      items: [...(await own.environmentList(request)).items, ...(await elsewhere()).environments],
    }),
    async snapshotList(request) {
      const { environment } = request.query;
      const there = (await elsewhere()).snapshots.filter(
        (each) => environment === undefined || each.environment === (environment as string),
      );
      return (await isElsewhere(environment))
        ? { items: there }
        : { items: [...(await own.snapshotList(request)).items, ...there] };
    },
    async cloneList(request) {
      const { environment } = request.query;
      const there = (await elsewhere()).clones.filter(
        (each) => environment === undefined || each.environment === (environment as string),
      );
      return (await isElsewhere(environment))
        ? { items: there }
        : { items: [...(await own.cloneList(request)).items, ...there] };
    },
    async jobList(request) {
      const items = [...(await own.jobList(request)).items, ...(await elsewhere()).jobs];
      // Newest first, of all of them.
      items.sort((one, other) => other.createdAt.localeCompare(one.createdAt));
      return { items: items.slice(0, request.query.limit ?? 100) };
    },
  };
}
