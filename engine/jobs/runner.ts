/** Accepts jobs, runs each while it holds its lanes, tells of them, and cancels them. */
import type { Job, JobLine } from '../protocol/entities.ts';
import { fail, type ThinClonesError } from '../protocol/errors.ts';
import { jobIdSchema, type EnvironmentName, type JobId, type MemberName } from '../protocol/ids.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Feed } from './feed.ts';
import type { Log } from '../ports/log.ts';
import type { IdempotencyKey, JobRecord, Lane, Store } from '../state/store.ts';
import { execute, executeInTurn } from './execute.ts';
import { createExecution } from './execution.ts';
import { createHistory } from './history.ts';
import { createJournal, jobEntity } from './journal.ts';
import { createLanes } from './lanes.ts';
import { timeOf, type Failpoint, type JobParts } from './parts.ts';
import { recoverJobs } from './recover.ts';
import { createReporters } from './reporter.ts';
import { createRunningJobs } from './running.ts';
import type { JobKind } from './steps.ts';

export interface RunnerDependencies {
  store: Store;
  clock: Clock;
  random: Random;
  feed: Feed;
  log: Log;
  failpoint: Failpoint;
  /** Finds better words for an error of a step, e.g. that the disk is full. */
  explain?: (error: unknown) => unknown;
  /** Throws `state_full` when there is no room for the journal of a new job; asked for all but removals, which make room. */
  demandRoom?: () => void;
}

export interface Submission<Input, Data> {
  kind: JobKind<Input, Data>;
  title: string;
  input: Input;
  data: Data;
  lanes: readonly Lane[];
  /** What makes two requests the same one: their words, not the ids that were drawn for them. */
  fingerprint: string;
  createdBy: string;
  environment: EnvironmentName | null;
  object: Job['object'];
  idempotencyKey?: IdempotencyKey | undefined;
  secrets?: ReadonlyMap<MemberName, string>;
  /** State changes that become visible together with the job; of one that waits, with its beginning, which they may refuse. */
  prepare?: () => void;
  /**
   * Waits as `queued` for its lanes instead of being refused as `busy`, in the order of asking. An engine that ends
   * before its turn ends it as `interrupted`; nothing was changed then.
   */
  waits?: boolean;
}

export interface Runner {
  /**
   * Starts a job, or returns the unfinished one of the same fingerprint (or any of the same idempotency key).
   * Throws `busy` when another job holds a lane or waits for it, unless the submission waits too.
   */
  submit<Input, Data>(submission: Submission<Input, Data>): Job;
  /**
   * The job, also an ended one, that the request with this idempotency key started or joined. Throws
   * `idempotency_key_reused` when the key belongs to another request.
   */
  repeated(key: IdempotencyKey): Job | undefined;
  /** A job that has not ended, if there is one. */
  working(): Job | undefined;
  /** The job that would stand in the way (of `except`, if that holds them too), for services that refuse early. */
  holder(lanes: readonly Lane[], except?: JobId): Job | undefined;
  get(id: JobId): Job | undefined;
  list(limit: number): Job[];
  lines(id: JobId, after: number): JobLine[];
  cancel(id: JobId): Job;
  /** Resolves when the job has ended. */
  ended(id: JobId): Promise<Job>;
  /** Finishes or undoes every job that an earlier engine left; call once, before the first `submit`. */
  recover(kinds: readonly JobKind[]): Promise<void>;
  /** Cancels what can be, waits for the rest and for what comes after its end, accepts nothing new. */
  close(): Promise<void>;
}

const linesAtOnce = 5000;

/** The refusal of a request because a job works on the object that it is for. */
export const busyWith = (
  holder: Job,
  { kind, name }: Pick<Job['object'], 'kind' | 'name'>,
): ThinClonesError => fail('busy', { kind, name, job: holder.id, doing: holder.title, by: holder.createdBy });

export function createRunner(dependencies: RunnerDependencies): Runner {
  const { store } = dependencies;
  const closing = new AbortController();
  const parts = createParts(dependencies, closing.signal);
  const { lanes, running } = parts;

  const known = (id: JobId): JobRecord | undefined => running.get(id)?.record ?? store.jobs.get(id);
  const entityOf = (id: JobId | undefined): Job | undefined => {
    const record = id === undefined ? undefined : known(id);
    return record === undefined ? undefined : jobEntity(record);
  };

  const repeated: Runner['repeated'] = (key) => {
    const found = store.jobs.byIdempotencyKey(key.key);
    if (found === undefined) return undefined;
    const { job, request } = found;
    if (request !== null && request !== key.request)
      throw fail('idempotency_key_reused', { key: key.key, doing: job.title });
    return jobEntity(known(job.id) ?? job);
  };

  const submit: Runner['submit'] = (submission) => {
    if (closing.signal.aborted) throw fail('shutting_down', {});
    const key = submission.idempotencyKey;
    const asked = key === undefined ? undefined : repeated(key);
    if (asked !== undefined) return asked;
    const same = sameJob(parts, submission);
    if (same !== undefined) {
      // Its retry may come when the job has ended and another object has the name.
      if (key !== undefined) store.jobs.keepKey(key, same.id);
      return jobEntity(same);
    }
    if (!commitsFirst(submission)) parts.demandRoom();
    const holder = entityOf(lanes.ahead(submission.lanes));
    const waits = holder !== undefined && submission.waits === true;
    if (holder !== undefined && !waits) throw busyWith(holder, submission.object);
    return begin(parts, dependencies.random, submission, waits);
  };

  return {
    submit,
    repeated,
    working: () => entityOf(running.list()[0]?.record.id),
    holder: (wanted, except) => entityOf(lanes.conflict(wanted, except)),
    get: entityOf,
    list: (limit) =>
      store.jobs.list(limit).map((record) => jobEntity(running.get(record.id)?.record ?? record)),
    lines: (id, after) => store.jobs.lines(id, after, linesAtOnce),
    cancel(id) {
      const record = known(id);
      if (record === undefined) throw fail('not_found', { kind: 'job', name: id });
      const run = running.get(id);
      if (run === undefined || record.endedAt !== null) {
        throw fail('not_cancellable', { job: id, reason: 'it has ended' });
      }
      if (record.committed)
        throw fail('not_cancellable', { job: id, reason: 'its result is already in place' });
      run.controller.abort(fail('canceled', {}));
      return jobEntity(record);
    },
    async ended(id) {
      const run = running.get(id);
      if (run !== undefined) return run.done;
      const record = store.jobs.get(id);
      if (record === undefined) throw fail('not_found', { kind: 'job', name: id });
      return jobEntity(record);
    },
    recover: (kinds) => recoverJobs(parts, kinds),
    async close() {
      closing.abort();
      for (const { record, controller } of running.list()) {
        if (!record.committed) controller.abort(fail('shutting_down', {}));
      }
      await running.settled();
    },
  };
}

function createParts(
  { store, clock, feed, log, failpoint, explain, demandRoom }: RunnerDependencies,
  closing: AbortSignal,
): JobParts {
  const lanes = createLanes();
  const journal = createJournal({ store, clock, feed, log });
  return {
    ...{ store, clock, log, failpoint, lanes, journal, closing },
    explain: explain ?? ((error) => error),
    demandRoom: demandRoom ?? (() => undefined),
    reporters: createReporters({ store, clock, feed, log, journal }),
    history: createHistory({ store, feed, log }),
    running: createRunningJobs({ lanes, log }),
  };
}

/** A removal commits with its first step, before any effect. */
const commitsFirst = <Input, Data>({ kind, input }: Submission<Input, Data>): boolean =>
  kind.steps(input)[0]?.commits === true;

/**
 * One that is at work on what is asked. Past its commit or on its way back it would not do what is asked now: that is a
 * conflict; a removal is joined to its end.
 */
function sameJob<Input, Data>(
  { running }: JobParts,
  submission: Submission<Input, Data>,
): JobRecord | undefined {
  const isJoined = commitsFirst(submission);
  return running
    .list()
    .find(
      ({ record, controller }) =>
        record.fingerprint === submission.fingerprint &&
        record.endedAt === null &&
        !controller.signal.aborted &&
        (!record.committed || isJoined),
    )?.record;
}

function begin<Input, Data>(
  parts: JobParts,
  random: Random,
  submission: Submission<Input, Data>,
  waits: boolean,
): Job {
  const { store, journal, lanes, running } = parts;
  const { kind, idempotencyKey: key, prepare, secrets = new Map() } = submission;
  const record = newRecord(submission, {
    id: jobIdSchema.parse(`job-${random.id()}`),
    createdAt: timeOf(parts.clock),
    begun: !waits,
  });
  journal.save(record, {}, () => {
    if (!waits) prepare?.();
    if (key !== undefined) store.jobs.keepKey(key, record.id);
  });
  if (!waits) lanes.hold(record.id, record.lanes);
  const controller = new AbortController();
  const run = createExecution(parts, { record, kind, controller, secrets, isLeft: false });
  running.launch(record, controller, () =>
    waits ? executeInTurn(parts, run, prepare) : execute(parts, run),
  );
  return jobEntity(record);
}

function newRecord<Input, Data>(
  submission: Submission<Input, Data>,
  drawn: Pick<JobRecord, 'id' | 'createdAt' | 'begun'>,
): JobRecord {
  const { kind, title, createdBy, environment, object, lanes, fingerprint } = submission;
  const steps = kind.steps(submission.input);
  return {
    ...drawn,
    type: kind.type,
    title,
    state: 'queued',
    createdBy,
    startedAt: null,
    endedAt: null,
    error: null,
    tasks: steps.map(({ name }) => ({
      ...{ name, state: 'pending', progress: null, startedAt: null, endedAt: null },
    })),
    weights: steps.map(({ weight = 1 }) => weight),
    environment,
    object,
    lanes: [...lanes],
    fingerprint,
    idempotencyKey: submission.idempotencyKey?.key ?? null,
    input: submission.input as Record<string, unknown>,
    data: structuredClone(submission.data) as Record<string, unknown>,
    committed: false,
    revision: 0,
  };
}
