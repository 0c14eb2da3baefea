/** Which engine answers a request: one table says which field of a route names the object, and who has that object answers. */
import { fail } from '../protocol/errors.ts';
import type { HostName } from '../protocol/ids.ts';
import type { RouteName } from '../protocol/routes.ts';
import type { Hub } from './hub.ts';
import { splitName } from './qualified.ts';
import type { RemoteHost } from './remoteHost.ts';

export type Part = 'params' | 'query' | 'body';
type Kind = 'host' | 'environment' | 'snapshot' | 'clone' | 'job';

/** A field that names an object. */
interface Named {
  kind: Kind;
  part: Part;
  field: string;
}

const params = (kind: Kind, field: string = kind): Named => ({ kind, part: 'params', field });

interface Rule {
  /** What decides who answers. */
  by: Named;
  /** What else names an object of the same host. */
  also?: Named;
}

const clone: Rule = { by: params('clone') };
const snapshot: Rule = { by: params('snapshot') };
const environment: Rule = { by: params('environment') };
const job: Rule = { by: params('job') };
const host: Rule = { by: params('host') };

/** `here`: this machine's own affair; `joined`: of all hosts, unless its filter names an environment. */
export const rules: Readonly<Record<RouteName, Rule | 'here' | 'joined'>> = {
  engineInfo: 'here',
  engineStop: 'here',
  engineRebuild: 'here',
  overview: 'joined',
  storageShow: 'here',
  storageMove: 'here',
  hostList: 'joined',
  hostShow: 'joined',
  hostDoctor: 'joined',
  hostCertificate: host,
  hostAdd: 'here',
  hostRemove: 'here',
  sshNameList: 'here',
  hostReconnect: 'here',
  hostAnswer: 'here',
  hostLog: 'here',
  hostPasswords: 'here',
  hostDeclinedList: 'here',
  hostDecline: 'here',
  environmentList: 'joined',
  environmentShow: environment,
  environmentApply: { by: params('environment', 'name') },
  environmentDelete: environment,
  environmentRefresh: environment,
  sourceTest: { by: { kind: 'host', part: 'body', field: 'host' } },
  snapshotList: 'joined',
  snapshotShow: snapshot,
  snapshotEdit: snapshot,
  snapshotDelete: snapshot,
  cloneList: 'joined',
  cloneShow: clone,
  cloneConnection: clone,
  cloneChanges: clone,
  cloneDefinitions: clone,
  cloneRead: clone,
  cloneCreate: {
    by: { kind: 'environment', part: 'body', field: 'environment' },
    also: { kind: 'snapshot', part: 'body', field: 'snapshot' },
  },
  cloneBind: clone,
  cloneCopy: clone,
  cloneReset: { ...clone, also: { kind: 'snapshot', part: 'body', field: 'snapshot' } },
  cloneStart: clone,
  cloneStop: clone,
  cloneDestroy: clone,
  cloneProtect: clone,
  cloneRename: clone,
  cloneCommit: clone,
  checkoutList: 'here',
  checkoutOpen: 'here',
  checkoutShow: 'here',
  checkoutForget: 'here',
  checkoutConnection: 'here',
  checkoutUse: 'here',
  checkoutUnbind: 'here',
  checkoutAnswer: 'here',
  checkoutPorts: 'here',
  checkoutEnvFile: 'here',
  checkoutVariable: 'here',
  checkoutMigrations: 'here',
  proposalList: 'here',
  jobList: 'joined',
  jobShow: job,
  jobLines: job,
  jobCancel: job,
};

/** What this machine's own engine calls its things. */
export interface OwnNames {
  clones(): readonly string[];
  snapshots(): readonly { name: string; environment: string }[];
}

export type Asked = Record<Part, Readonly<Record<string, unknown>>>;

export interface Routed {
  /** Undefined: this machine. */
  host: RemoteHost | undefined;
  /** With every object by its name there. */
  asked: Asked;
}

interface Place {
  host: RemoteHost | undefined;
  reference: string;
}

/** Errors: `ambiguous`, when a name is one on several hosts. */
export function routeRequest(hub: Hub, own: OwnNames, name: RouteName, asked: Asked): Routed {
  const rule = rules[name];
  if (rule === 'here' || rule === 'joined') return { host: undefined, asked };
  const reference = asked[rule.by.part][rule.by.field];
  if (typeof reference !== 'string') return { host: undefined, asked };
  const place = find(hub, own, rule.by.kind, reference);
  let routed = replaced(asked, rule.by, place.reference);
  const other = rule.also === undefined ? undefined : asked[rule.also.part][rule.also.field];
  if (rule.also !== undefined && place.host !== undefined && typeof other === 'string') {
    const within = splitName([place.host.known.name], other);
    if (within !== undefined) routed = replaced(routed, rule.also, within.name);
  }
  return { host: place.host, asked: routed };
}

const replaced = (asked: Asked, { part, field }: Named, value: string): Asked => ({
  ...asked,
  [part]: { ...asked[part], [field]: value },
});

function find(hub: Hub, own: OwnNames, kind: Kind, reference: string): Place {
  const here: Place = { host: undefined, reference };
  if (kind === 'host')
    return { host: hub.host(reference), reference: hub.host(reference) === undefined ? reference : 'local' };
  if (kind === 'job') return { host: hub.holderOf('jobs', reference), reference };
  if (kind !== 'environment') {
    const holder = hub.holderOf(kind === 'clone' ? 'clones' : 'snapshots', reference);
    if (holder !== undefined) return { host: holder, reference };
  }
  const split = splitByHost(hub, reference);
  if (split !== undefined) return { host: hub.host(split.host), reference: split.name };
  if (kind === 'environment') return here;
  return kind === 'clone' ? cloneByName(hub, own, reference) : snapshotByName(hub, own, reference);
}

/** Of `HOST/NAME`; undefined for what has no name of a host before it. */
export const splitByHost = (hub: Pick<Hub, 'hosts'>, reference: string): ReturnType<typeof splitName> =>
  splitName(
    hub.hosts().map(({ known }) => known.name),
    reference,
  );

const ownPrefix = 'local/';

function cloneByName(hub: Hub, own: OwnNames, reference: string): Place {
  const isHere = own.clones().includes(reference);
  const there = hub
    .hosts()
    .filter((host) => host.view().clones.some(({ name }) => name === (reference as typeof name)));
  return theOnly('clone', reference, isHere, there);
}

function snapshotByName(hub: Hub, own: OwnNames, reference: string): Place {
  const isNamed = ({ name, environment }: { name: string; environment: string }, prefix = ''): boolean =>
    name === reference ||
    environment === `${prefix}${reference}` ||
    `${environment}/${name}` === `${prefix}${reference}`;
  const isHere = own.snapshots().some((snapshot) => isNamed(snapshot));
  const there = hub
    .hosts()
    .filter((host) => host.view().snapshots.some((snapshot) => isNamed(snapshot, `${host.known.name}/`)));
  return theOnly('snapshot', reference, isHere, there);
}

/** A name that nobody has is this machine's to refuse. */
function theOnly(kind: string, reference: string, isHere: boolean, there: readonly RemoteHost[]): Place {
  if (!isHere && reference.startsWith(ownPrefix))
    return { host: undefined, reference: reference.slice(ownPrefix.length) };
  if (isHere && there.length === 0) return { host: undefined, reference };
  if (!isHere && there.length <= 1) return { host: there[0], reference };
  const matches = [...(isHere ? ['local' as HostName] : []), ...there.map(({ known }) => known.name)];
  throw fail('ambiguous', { kind, name: reference, matches: matches.map((each) => `${each}/${reference}`) });
}
