/** What another host's engine answers, as its things are called here. */
import type { RouteOutput } from '../protocol/client.ts';
import type { Clone, Job } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import type { CloneId } from '../protocol/ids.ts';
import type { RouteName } from '../protocol/routes.ts';
import type { Hub } from './hub.ts';
import { cloneOf, environmentOf, jobOf, snapshotOf } from './qualified.ts';
import type { RemoteHost } from './remoteHost.ts';
import type { Asked } from './router.ts';

/** Of a clone, that is. */
const mostMembers = 100;

type Rewrite<Answer> = (
  answer: Answer,
  at: { hub: Hub; host: RemoteHost; asked: Asked },
) => Answer | Promise<Answer>;

const same = <Answer>(answer: Answer): Answer => answer;
const aJob: Rewrite<{ job: Job }> = ({ job }, { host }) => {
  host.learn(job);
  return { job: jobOf(host.known.name, job) };
};
const aClone: Rewrite<Clone> = (clone, { host }) => cloneOf(host.known.name, clone);

/** Of the routes that may be answered by another host. */
export const rewrites: { readonly [Name in RouteName]?: Rewrite<RouteOutput<Name>> } = {
  hostCertificate: same,
  environmentShow: (entity, { host }) => environmentOf(host.known.name, entity),
  environmentApply: ({ environment, outcome }, { host }) => ({
    environment: environmentOf(host.known.name, environment),
    outcome,
  }),
  environmentDelete: aJob,
  environmentRefresh: aJob,
  sourceTest: same,
  snapshotShow: (entity, { host }) => snapshotOf(host.known.name, entity),
  snapshotEdit: aJob,
  snapshotDelete: aJob,
  cloneShow: aClone,
  cloneConnection: async ({ items }, { hub, host, asked }) => {
    // By id, which stays when it is renamed: the port is the clone's.
    const { id, members } = await host.call(
      'cloneShow',
      { params: { clone: asked.params.clone as CloneId } },
      { user: 'engine' },
    );
    // A port for each is opened here.
    const known = items.filter(({ name }) => members.some((member) => member.name === name));
    if (known.length > mostMembers || new Set(known.map(({ name }) => name)).size < known.length)
      throw fail('host_unreachable', {
        ...{ host: host.known.name, problem: 'it tells of connections that no clone has' },
      });
    return { items: await hub.connections(host, id, known) };
  },
  cloneChanges: same,
  cloneDefinitions: same,
  cloneRead: same,
  cloneCreate: aJob,
  cloneBind: aJob,
  cloneCopy: aJob,
  cloneReset: aJob,
  cloneStart: aJob,
  cloneStop: aJob,
  cloneDestroy: aJob,
  cloneProtect: aClone,
  cloneRename: aJob,
  cloneCommit: aJob,
  jobShow: (entity, { host }) => jobOf(host.known.name, entity),
  jobLines: same,
  jobCancel: (entity, { host }) => jobOf(host.known.name, entity),
};
