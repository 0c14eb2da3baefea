/** The clones of another host, as checkouts of this machine use them: by its mirror, its engine and the ports that lead there. */
import type { Statement } from '../database/database.ts';
import type { OutOfReach } from '../domain/leading.ts';
import type { Log } from '../ports/log.ts';
import type { RouteInput } from '../protocol/client.ts';
import type { Job } from '../protocol/entities.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import { referenceSchema, type CloneId, type InstallationId } from '../protocol/ids.ts';
import { stateProblem } from '../services/clones/read.ts';
import type { HostClones } from '../services/checkouts/hostClones.ts';
import { outOfReach } from './outOfReach.ts';
import { hasPrefix, jobOf, nameThere, type HostView } from './qualified.ts';
import type { RemoteHost } from './remoteHost.ts';
import { endOfJob } from './endOfJob.ts';
import type { HasElsewhere } from './forgery.ts';
import type { HostMemory } from './rememberedClones.ts';
import type { SessionSoon } from './sessionSoon.ts';
import type { TunnelKey } from './tunnels.ts';

export interface ClonesThereOptions {
  host: RemoteHost;
  installation: InstallationId;
  /** What is there, without what is another's. */
  view: () => HostView;
  hasElsewhere: HasElsewhere;
  sessionSoon: SessionSoon;
  portFor: (key: TunnelKey) => Promise<number>;
  memory: HostMemory;
  log: Log;
}

const ref = (id: string) => referenceSchema.parse(id);

type JobRoute =
  'cloneCreate' | 'cloneStart' | 'cloneBind' | 'cloneCommit' | 'cloneDestroy' | 'snapshotDelete';

const never = new AbortController().signal;

export function createClonesThere(options: ClonesThereOptions): HostClones {
  const { host, installation, view, sessionSoon, portFor, memory } = options;
  const { name } = host.known;
  const passwords = createKnownPasswords(host);

  const away = (): OutOfReach | undefined => outOfReach(host.view().host);

  return {
    host: name,
    bindsAs: installation,
    outOfReach: away,
    awaken: async () => {
      // best effort: what is looked at next says why it is not reached
      await sessionSoon(host, never).catch(() => undefined);
    },
    environments: () => view().environments,
    latestSnapshot(environment) {
      const { environments, snapshots } = view();
      const latest = environments.find((each) => each.name === environment)?.latestSnapshot;
      return snapshots.find(({ id }) => id === latest);
    },
    clones: () => view().clones,
    clone: (id) => view().clones.find((each) => each.id === id),
    find(reference) {
      const { clones } = view();
      const wanted: string = hasPrefix(name, reference) ? nameThere(name, reference) : reference;
      const found = clones.find((each) => each.id === wanted || (each.name as string) === wanted);
      if (found !== undefined) return found;
      const known = clones.map((each) => `${name}/${each.name}`);
      throw fail('not_found', { kind: 'clone', name: reference, known });
    },
    nameOf: (clone) => `${name}/${clone.name}`,
    get copiesLive() {
      return view().host.storage?.live === true;
    },
    jobOn: ({ id }) =>
      view().jobs.find(
        ({ endedAt, object }) => endedAt === null && object.kind === 'clone' && object.id === id,
      ),
    job: (id) => view().jobs.find((each) => each.id === id),
    ended: (id) => endOfJob(host, view, id),
    ...requestsTo(options, passwords),
    passwordOf: ({ id }) => passwords.of(id),
    ...memory,
    reads: {
      // Whether its servers run is known there.
      problem: async (clone) => away()?.reason ?? stateProblem(clone),
      async read({ id }, member, statements, signal) {
        const input = { params: { clone: ref(id) }, body: { member, statements: statements.map(written) } };
        return (await host.call('cloneRead', input, { user: 'engine', signal })).items;
      },
    },
    async wayTo({ id, members }) {
      const ports = new Map(
        await Promise.all(
          members.map(
            async ({ name: member }) => [member, await portFor({ host: name, clone: id, member })] as const,
          ),
        ),
      );
      return { portOf: (member) => ports.get(member.name), far: { problem: away } };
    },
  };
}

type Requests = Pick<HostClones, 'create' | 'start' | 'bind' | 'keepState' | 'dropSnapshot' | 'destroy'>;

/** What its engine is asked for. */
function requestsTo(
  { host, installation, hasElsewhere, log }: ClonesThereOptions,
  passwords: KnownPasswords,
): Requests {
  const { name } = host.known;
  const ask = async <Name extends JobRoute>(
    route: Name,
    input: RouteInput<Name>,
    user: string,
  ): Promise<Job> => {
    const { job } = (await host.call(route, input, { user })) as { job: Job };
    // One of an id that is not its own would be taken for what runs here.
    if (hasElsewhere('jobs', job.id))
      throw fail('host_unreachable', { host: name, problem: 'it answers with the job of another host' });
    host.learn(job);
    return jobOf(name, job);
  };

  return {
    async create({ environment, snapshot, name: called, binding, password }, user) {
      const body = {
        environment: ref(nameThere(name, environment)),
        ...(snapshot === undefined ? {} : { snapshot: ref(snapshot) }),
        ...{ name: called, binding: { ...binding, installation }, password },
      };
      const job = await ask('cloneCreate', { body }, user);
      passwords.note(job.object.id, password);
      return job;
    },
    start: (clone, user) => ask('cloneStart', { params: { clone: ref(clone) } }, user),
    async bind(clone, to, password, user) {
      passwords.forget(clone);
      // What another machine bound is not taken from it.
      if (to !== null && to.installation !== installation)
        throw fail('clone_bound_elsewhere', { ...to, clone: `${name}/${clone}`, elsewhere: true });
      const binding = to === null ? null : { ...to, installation };
      return ask(
        'cloneBind',
        { params: { clone: ref(clone) }, body: { binding, ...(password !== undefined && { password }) } },
        user,
      );
    },
    keepState: (clone, message, user) =>
      ask('cloneCommit', { params: { clone: ref(clone) }, body: { message, origin: 'branch' } }, user),
    destroy: (clone, user) => ask('cloneDestroy', { params: { clone: ref(clone) } }, user),
    dropSnapshot(snapshot, user) {
      ask('snapshotDelete', { params: { snapshot: ref(snapshot) } }, user).catch((error: unknown) => {
        // best effort: it stays as a snapshot like any other, and people can delete it
        log.warning('a snapshot is left over', { host: name, snapshot, problem: toFailure(error).message });
      });
    },
  };
}

const written = ({ text, values }: Statement) => ({
  text,
  ...(values !== undefined && {
    values: values.map((value) => (typeof value === 'string' ? value : [...value])),
  }),
});

interface KnownPasswords {
  note(clone: string, password: string): void;
  forget(clone: CloneId): void;
  of(clone: CloneId): Promise<string | undefined>;
}

/** Which clones there are known to have which password: asked again after each time that the host was away. */
function createKnownPasswords(host: RemoteHost): KnownPasswords {
  const known = new Map<string, string>();
  host.subscribe(({ kind }) => {
    if (kind === 'resync') known.clear();
  });
  return {
    note: (clone, password) => void known.set(clone, password),
    forget: (clone) => void known.delete(clone),
    async of(clone) {
      const before = known.get(clone);
      if (before !== undefined) return before;
      const params = { clone: referenceSchema.parse(clone) };
      const { items } = await host.call('cloneConnection', { params }, { user: 'engine' });
      const [password, ...others] = new Set(items.map((each) => each.password));
      if (password === undefined || others.length > 0) return undefined;
      known.set(clone, password);
      return password;
    },
  };
}
