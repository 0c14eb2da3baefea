/** How things of other hosts are called here: `HOST/NAME` for environments, whose names need not differ between hosts; ids stay. */
import type { Clone, Environment, Host, Job, Snapshot } from '../protocol/entities.ts';
import type { EventBody, Overview } from '../protocol/events.ts';
import { environmentNameSchema, type EnvironmentName, type HostName } from '../protocol/ids.ts';

/** What a host holds, as it is called here. */
export type HostView = Pick<Overview, 'environments' | 'snapshots' | 'clones' | 'jobs'> & { host: Host };

export const qualify = (host: HostName, name: string): EnvironmentName =>
  environmentNameSchema.parse(`${host}/${name}`);

/** The host of a name of another host's environment, and its name there; undefined for one of this machine. */
export function splitName(
  hosts: Iterable<HostName>,
  reference: string,
): { host: HostName; name: string } | undefined {
  for (const host of hosts) {
    if (hasPrefix(host, reference)) return { host, name: nameThere(host, reference) };
  }
  return undefined;
}

export const hasPrefix = (host: HostName, name: string): boolean => name.startsWith(`${host}/`);

/** What something of this host is called there. */
export const nameThere = (host: HostName, name: string): string => name.slice(host.length + 1);

/** What it tells of itself; how it stands with the way there is known here. */
export const hostOf = (host: HostName, entity: Host): Host => ({
  ...entity,
  ...{ name: host, kind: 'ssh', state: entity.state === 'ready' ? 'ready' : 'unusable' },
  ...{ doing: null, unreachableSince: null, next: null, question: null, checks: [], takesPasswords: false },
});

export const environmentOf = (host: HostName, entity: Environment): Environment => ({
  ...entity,
  name: qualify(host, entity.name),
  definition: { ...entity.definition, host },
});

export const snapshotOf = (host: HostName, entity: Snapshot): Snapshot => ({
  ...entity,
  environment: qualify(host, entity.environment),
});

/** Its ports are that host's own: here it is reached by others. */
export const cloneOf = (host: HostName, entity: Clone): Clone => ({
  ...entity,
  environment: qualify(host, entity.environment),
  members: entity.members.map((member) => ({ ...member, host })),
});

export const jobOf = (host: HostName, entity: Job): Job => ({
  ...entity,
  environment: entity.environment === null ? null : qualify(host, entity.environment),
  object:
    entity.object.kind === 'environment'
      ? { kind: 'environment', id: qualify(host, entity.object.id), name: qualify(host, entity.object.name) }
      : entity.object,
});

export const viewOf = (host: HostName, overview: Overview): HostView | undefined => {
  const [own] = overview.hosts;
  return own === undefined
    ? undefined
    : {
        host: hostOf(host, own),
        environments: overview.environments.map((entity) => environmentOf(host, entity)),
        snapshots: overview.snapshots.map((entity) => snapshotOf(host, entity)),
        clones: overview.clones.map((entity) => cloneOf(host, entity)),
        jobs: overview.jobs.map((entity) => jobOf(host, entity)),
      };
};

/** Undefined for what is that host's own affair: its checkouts, its hosts. */
export function eventOf(host: HostName, event: EventBody): EventBody | undefined {
  switch (event.kind) {
    case 'host':
      // A host that has hosts of its own tells them to whoever works there.
      return event.entity.kind === 'local' ? { kind: 'host', entity: hostOf(host, event.entity) } : undefined;
    case 'environment':
      return { kind: 'environment', entity: environmentOf(host, event.entity) };
    case 'environment.removed':
      return { kind: 'environment.removed', name: qualify(host, event.name) };
    case 'snapshot':
      return { kind: 'snapshot', entity: snapshotOf(host, event.entity) };
    case 'clone':
      return { kind: 'clone', entity: cloneOf(host, event.entity) };
    case 'job':
      return { kind: 'job', entity: jobOf(host, event.entity) };
    case 'snapshot.removed':
    case 'clone.removed':
    case 'job.removed':
    case 'jobLine':
      return event;
    case 'checkout':
    case 'checkout.removed':
    case 'resync':
      return undefined;
  }
}
