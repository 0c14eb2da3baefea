/** One other host: follows what its engine holds, keeps that for a time without it, and hands requests to it. */
import type { LinkSession } from '../link/session.ts';
import type { Link } from '../link/link.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { KeptText } from '../process/keptText.ts';
import type { RouteInput, RouteOutput } from '../protocol/client.ts';
import { hostSchema, type DoctorCheck, type HostLogLine, type Job } from '../protocol/entities.ts';
import { isFailure, toFailure } from '../protocol/errors.ts';
import type { EventBody } from '../protocol/events.ts';
import type { RouteName } from '../protocol/routes.ts';
import { createClockThere, type ClockThere } from './clockThere.ts';
import { createConnection, type HostConnection } from './connection.ts';
import { followHost } from './followHost.ts';
import type { HasElsewhere } from './forgery.ts';
import { createHostClient } from './hostClient.ts';
import { createViewKeeper, readKeptView } from './keptView.ts';
import type { KnownHost } from './knownHosts.ts';
import { createListeners } from './listeners.ts';
import { createMirror, type HeldKind } from './mirror.ts';
import type { People, Person } from './people.ts';
import { jobOf, type HostView } from './qualified.ts';

export interface RemoteHost {
  readonly known: KnownHost;
  /** What is known of it changes: it is the new one. */
  know(changes: Pick<KnownHost, 'takesPasswords'>): KnownHost;
  /** As it is now, or as it was when it was last heard of. */
  view(): HostView;
  holds(kind: HeldKind, id: string): boolean;
  /** What an answer says is there: its event may come later than who asks for it next, or not before the link is back. */
  learn(job: Job): void;
  /** The open link; waits for an attempt that is made at once when there is none. Errors: those of the link. */
  session(signal?: AbortSignal): Promise<LinkSession>;
  /** As `session`, for a person, who is told what is found on the way. Errors: `host_unanswered` too. */
  reach: People['reach'];
  logIn: People['logIn'];
  /** What is found on the way there, looked at anew, and what its engine finds. Errors: `canceled`. */
  examine(signal: AbortSignal, person: Person): Promise<DoctorCheck[]>;
  /** What was found too. */
  addCheck(check: DoctorCheck): void;
  /** Errors: `host_question_over`. */
  answer(question: string, reply: string | null): void;
  log(): readonly HostLogLine[];
  /** Asks its engine; what was cut off is asked again over the next link, with the same key. */
  call<Name extends RouteName>(
    name: Name,
    input: RouteInput<Name>,
    options: CallOptions,
  ): Promise<RouteOutput<Name>>;
  /** Hears what it tells, as it is called here. */
  subscribe(listener: (event: EventBody) => void): () => void;
  /** Aborts when it is joined no longer. */
  readonly closed: AbortSignal;
  /** What time it is there. */
  readonly clock: ClockThere;
  /** Ends the link; resolves when what is known of the host is kept. */
  close(): Promise<void>;
}

export interface CallOptions {
  user: string;
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface RemoteHostOptions {
  known: KnownHost;
  link: Link;
  clock: Clock;
  random: Random;
  log: Log;
  kept: KeptText;
  /** What another one has is never this one's. */
  hasElsewhere: HasElsewhere;
  /** Events as they are called here; `resync` when everything may be different. */
  publish: (event: EventBody) => void;
}

/** A request that is cut off is asked so many times in all. */
const attempts = 4;
/** Ids that answers told of: their events are never further behind. */
const mostLearned = 1000;

export async function createRemoteHost(options: RemoteHostOptions): Promise<RemoteHost> {
  const { link, clock, random, log, kept, hasElsewhere } = options;
  let { known } = options;
  const { name } = known;
  const ending = new AbortController();
  const mirror = createMirror((await readKeptView(kept)) ?? emptyView(known));
  const { tell: publish, subscribe } = createListeners((event) => options.publish(event));
  const learned = new Set<string>();
  const clockThere = createClockThere(clock);
  const keeper = createViewKeeper({ view: () => mirror.view(), kept, clock, log, signal: ending.signal });

  const follow = (session: LinkSession, ready: () => void, signal: AbortSignal): Promise<void> =>
    followHost({
      ...{ name, session, clock, clockThere, mirror, hasElsewhere, signal },
      replaced() {
        keeper.changed();
        ready();
        publish({ kind: 'resync' });
      },
      applied(event) {
        if ('id' in event) learned.delete(event.id);
        keeper.changed();
        publish(event.kind === 'host' ? { kind: 'host', entity: view().host } : event);
      },
    });
  const view = (): HostView => {
    const held = mirror.view();
    const { address } = link;
    return {
      ...held,
      host: {
        ...held.host,
        ...connection.way(),
        ...{ address, roundTripMs: connection.roundTripMs(), question: connection.questions.current() },
        ...{ checks: [...connection.checks.list()], takesPasswords: known.takesPasswords === true },
      },
    };
  };
  const connection = createConnection({
    ...{ host: name, link, clock, random, log, work: follow },
    onChange: () => publish({ kind: 'host', entity: view().host }),
  });

  return {
    get known() {
      return known;
    },
    know: (changes) => (known = { ...known, ...changes }),
    view,
    holds: (kind, id) => mirror.holds(kind, id) || learned.has(id),
    learn(job) {
      const { id, object } = job;
      if (
        hasElsewhere('jobs', id) ||
        hasElsewhere('clones', object.id) ||
        hasElsewhere('snapshots', object.id)
      )
        return;
      learned.add(id).add(object.id);
      for (const oldest of learned) if (learned.size > mostLearned) learned.delete(oldest);
      // One that was told of already has gone on since.
      if (mirror.holds('jobs', id)) return;
      const event: EventBody = { kind: 'job', entity: jobOf(name, job) };
      mirror.apply(event);
      publish(event);
    },
    session: (signal) => connection.session(signal),
    reach: (signal, person) => connection.reach(signal, person),
    logIn: (signal, person, work) => connection.logIn(signal, person, work),
    addCheck: (check) => connection.checks.add(check),
    examine: (signal, person) => examine({ host: name, clock: clockThere }, connection, signal, person),
    answer: (question, reply) => connection.questions.answer(question, reply),
    log: () => connection.log(),
    async call(route, input, { user, signal, idempotencyKey = random.id() }) {
      for (let left = attempts; ;) {
        const transport = await connection.session(signal);
        try {
          const client = createHostClient({ host: name, clock: clockThere }, transport, user);
          return await client.call(route, input, { signal, idempotencyKey });
        } catch (error) {
          left -= 1;
          // Whether it was done is known there, by its key.
          if (!isFailure(error, 'host_unreachable') || left === 0) throw error;
        }
      }
    },
    subscribe,
    clock: clockThere,
    closed: ending.signal,
    async close() {
      ending.abort();
      await connection.close();
      await keeper.quiet();
    },
  };
}

/** What a host is called here, and its clock. */
type Named = Parameters<typeof createHostClient>[0];

async function examine(
  there: Named,
  connection: HostConnection,
  signal: AbortSignal,
  person: Person,
): Promise<DoctorCheck[]> {
  if (connection.way() === undefined) await connection.examine(signal, person);
  // Why it can't be reached is what is found.
  else await connection.reach(signal, person).catch(rethrowCanceled);
  const found = connection.way() === undefined ? await examineThere(there, connection, signal) : [];
  return [...connection.checks.list(), ...found];
}

/** What its engine finds. */
async function examineThere(
  there: Named,
  connection: HostConnection,
  signal: AbortSignal,
): Promise<readonly DoctorCheck[]> {
  try {
    const transport = await connection.session(signal);
    const client = createHostClient(there, transport, 'engine');
    return (await client.call('hostDoctor', { params: { host: 'local' } }, { signal })).items;
  } catch (error) {
    rethrowCanceled(error);
    connection.checks.failed(toFailure(error));
    return [];
  }
}

function rethrowCanceled(error: unknown): undefined {
  if (isFailure(error, 'canceled')) throw error;
  return undefined;
}

const emptyView = ({ name, kind }: KnownHost): HostView => ({
  host: hostSchema.parse({ name, kind, state: 'unreachable', storage: null, problem: null }),
  environments: [],
  snapshots: [],
  clones: [],
  jobs: [],
});
