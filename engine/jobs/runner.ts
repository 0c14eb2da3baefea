/** Runs jobs: journals every step, undoes what failed or was canceled, and after a crash finishes or undoes the rest. */
import type { Job, JobLine, JobState, Task } from '../protocol/entities.ts';
import { fail, isFailure, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import { jobIdSchema, type EnvironmentName, type JobId, type MemberName } from '../protocol/ids.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Feed } from './feed.ts';
import type { Log } from '../ports/log.ts';
import type { IdempotencyKey, JobRecord, Lane, Store } from '../state/store.ts';
import { createJournal, jobEntity } from './journal.ts';
import { createLanes } from './lanes.ts';
import type { JobKind, Step, StepContext, StoreChange } from './steps.ts';

/** Called around every effect, so that tests can end the engine there. Does nothing in normal use. */
export type Failpoint = (name: string) => void;

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

const keptJobs = 500;
/** Those that ended last stay, however long ago they began: somebody may be about to ask how they ended. */
const sparedJobs = 50;
const linesAtOnce = 5000;
/** Between two tries to write the end of a job. */
const endIntervalMs = 1000;

/** The refusal of a request because a job works on the object that it is for. */
export const busyWith = (
  holder: Job,
  { kind, name }: Pick<Job['object'], 'kind' | 'name'>,
): ThinClonesError => fail('busy', { kind, name, job: holder.id, doing: holder.title, by: holder.createdBy });

const payAll = (owed: readonly StoreChange[]) => (): void => {
  for (const change of owed) change();
};

interface Running {
  record: JobRecord;
  controller: AbortController;
  done: Promise<Job>;
}

export function createRunner(dependencies: RunnerDependencies): Runner {
  const { store, clock, random, feed, log, failpoint, explain = (error: unknown) => error } = dependencies;
  const lanes = createLanes();
  const running = new Map<JobId, Running>();
  const journal = createJournal({ store, clock, feed, log });
  const closing = new AbortController();
  let isRecovering = false;
  /** Also what comes after the end of jobs: storage and state must not close under it. */
  const underway = new Set<Promise<Job>>();
  const lately: JobId[] = [];
  /** Why a job of an earlier engine could not be ended. */
  let unwritten: unknown;

  const time = (): string => clock.now().toISOString();

  const forget = ({ id }: JobRecord): void => {
    lanes.release(id);
    running.delete(id);
    lanes.advance();
  };

  interface Execution<Input, Data> {
    record: JobRecord;
    kind: JobKind<Input, Data>;
    steps: readonly Step<Input, Data>[];
    context: (task: Task | undefined, signal: AbortSignal) => StepContext<Input, Data>;
    controller: AbortController;
    /** Changes of what was undone that could not be written yet: they come with the next write. */
    owed: StoreChange[];
  }

  const execution = <Input, Data>(
    record: JobRecord,
    kind: JobKind<Input, Data>,
    controller: AbortController,
    secrets: ReadonlyMap<MemberName, string>,
  ): Execution<Input, Data> => {
    const input = kind.input.parse(record.input);
    const data = kind.data.parse(record.data);
    return {
      record,
      kind,
      controller,
      owed: [],
      steps: kind.steps(input),
      context: (task, signal) => ({
        job: record.id,
        createdBy: record.createdBy,
        input,
        data,
        signal,
        secrets,
        report: journal.reporter(record, task),
      }),
    };
  };

  const keepData = (record: JobRecord, context: { data: unknown }): void => {
    record.data = structuredClone(context.data) as Record<string, unknown>;
  };

  /** For what counts whether the journal knows it or not: the next write says all of it. */
  const saveOrOwe = <Input, Data>({ record, owed }: Execution<Input, Data>): void => {
    try {
      journal.save(record, {}, payAll(owed));
      owed.length = 0;
    } catch (error) {
      log.error('a job could not be journalled', { job: record.id, problem: toFailure(error).message });
    }
  };

  async function forward<Input, Data>(run: Execution<Input, Data>): Promise<void> {
    const { record, steps, context, controller } = run;
    for (const [index, step] of steps.entries()) {
      const task = record.tasks[index];
      if (task === undefined || task.state === 'succeeded') continue;
      if (!record.committed) controller.signal.throwIfAborted();
      Object.assign(task, { state: 'running', startedAt: time(), endedAt: null });
      failpoint(`${record.type}/${index}/before`);
      const stepContext = context(task, record.committed ? new AbortController().signal : controller.signal);
      try {
        journal.save(record);
        const change = await step.run(stepContext);
        failpoint(`${record.type}/${index}/effect`);
        Object.assign(task, { state: 'succeeded', endedAt: time(), progress: 1 });
        keepData(record, stepContext);
        journal.save(record, step.commits === true ? { committed: true } : {}, change);
        failpoint(`${record.type}/${index}/after`);
      } catch (error) {
        const failure = toFailure(explain(error));
        if (step.cleanup === true) {
          Object.assign(task, { state: 'skipped', endedAt: time() });
          stepContext.report.line(
            `${step.name} failed and will be tried again later: ${failure.message}`,
            'warning',
          );
          saveOrOwe(run);
          continue;
        }
        keepData(record, stepContext);
        Object.assign(task, { state: 'failed', endedAt: time() });
        throw failure;
      }
    }
  }

  async function backward<Input, Data>(run: Execution<Input, Data>): Promise<void> {
    const { record, steps, context, owed } = run;
    for (const [index, step] of [...steps.entries()].reverse()) {
      const task = record.tasks[index];
      // The first step's undo also takes back what `prepare` changed, so it runs even if the step never began.
      const untouched = task?.state === 'pending' && index > 0;
      if (task === undefined || untouched || task.state === 'undone') continue;
      const wasFailed = task.state === 'failed';
      const stepContext = context(task, new AbortController().signal);
      try {
        const change = await step.undo?.(stepContext);
        keepData(record, stepContext);
        task.state = wasFailed ? 'failed' : 'undone';
        task.endedAt ??= time();
        if (change !== undefined) owed.push(change);
      } catch (error) {
        // What could not be taken back is still tagged as unfinished, and is swept at the next start.
        const problem = toFailure(error).message;
        stepContext.report.line(`Could not undo "${step.name}": ${problem}`, 'error');
        log.error('undo failed', { job: record.id, step: step.name, problem });
        continue;
      }
      saveOrOwe(run);
    }
  }

  const end = async <Input, Data>(
    { record, kind, context, owed }: Execution<Input, Data>,
    state: JobState,
    failure: ThinClonesError | undefined,
  ): Promise<void> => {
    const stepContext = context(undefined, new AbortController().signal);
    if (failure !== undefined) {
      if (failure.code !== 'canceled') {
        const origin = failure.cause instanceof Error ? failure.cause.stack : failure.stack;
        log.error('job failed', {
          job: record.id,
          type: record.type,
          code: failure.code,
          problem: failure.message,
          origin,
        });
      }
      stepContext.report.line(
        `${failure.message} ${failure.document.next}`,
        state === 'cancelled' ? 'warning' : 'error',
      );
    }
    const change =
      failure === undefined || !record.begun ? undefined : kind.failed?.(stepContext, failure.message);
    const changes = payAll(change === undefined ? owed : [...owed, change]);
    for (;;) {
      // Whoever is told of the end may ask for what it held.
      lanes.release(record.id);
      try {
        journal.write(record, { state, endedAt: time(), error: failure?.document ?? null }, changes);
        running.delete(record.id);
        journal.publish(record);
        lanes.advance();
        lately.push(record.id);
        lately.splice(0, lately.length - sparedJobs);
        return;
      } catch (error) {
        if (record.begun) lanes.hold(record.id, record.lanes);
        if (closing.signal.aborted || isRecovering) throw error;
        log.error('the end of a job could not be written', {
          ...{ job: record.id, problem: toFailure(error).message },
        });
        // An end that nobody finds later is none: the job goes on until it stands, or the next engine ends it.
        await clock.sleep(endIntervalMs, closing.signal).catch(() => undefined);
      }
    }
  };

  async function execute<Input, Data>(run: Execution<Input, Data>): Promise<void> {
    const { record, controller } = run;
    let state: JobState = 'succeeded';
    let failure: ThinClonesError | undefined;
    try {
      try {
        Object.assign(record, { state: 'running', startedAt: record.startedAt ?? time() });
        await forward(run);
      } catch (error) {
        const stopped = controller.signal.aborted && !record.committed;
        const canceled = stopped && isFailure(controller.signal.reason, 'canceled');
        state = canceled ? 'cancelled' : 'failed';
        failure = canceled
          ? fail('canceled', {}, { cause: error })
          : stopped
            ? fail('interrupted', { job: record.id }, { cause: error })
            : toFailure(error);
        if (!record.committed) await backward(run);
      }
      await end(run, state, failure);
    } finally {
      forget(record);
    }
    await afterEnd(run);
  }

  /** One that waits: what is checked and changed at its beginning comes with its turn. */
  async function executeInTurn<Input, Data>(
    run: Execution<Input, Data>,
    prepare: StoreChange | undefined,
  ): Promise<void> {
    const { record, controller } = run;
    try {
      await lanes.wait(record.id, record.lanes, controller.signal);
      dependencies.demandRoom?.();
      journal.save(record, { begun: true }, prepare);
    } catch (error) {
      const isCanceled = controller.signal.aborted && isFailure(controller.signal.reason, 'canceled');
      const failure = isCanceled
        ? fail('canceled', {}, { cause: error })
        : controller.signal.aborted
          ? fail('interrupted', { job: record.id }, { cause: error })
          : toFailure(error);
      try {
        await end(run, isCanceled ? 'cancelled' : 'failed', failure);
      } finally {
        forget(record);
      }
      return;
    }
    await execute(run);
  }

  /** Undefined for a journal that this version does not understand. */
  const readable = (
    record: JobRecord,
    kind: JobKind,
    controller: AbortController,
  ): Execution<unknown, unknown> | undefined => {
    try {
      const run = execution(record, kind, controller, new Map());
      return run.steps.length === record.tasks.length ? run : undefined;
    } catch (error) {
      log.error('a job of the journal is not understood', {
        job: record.id,
        problem: toFailure(error).message,
      });
      return undefined;
    }
  };

  /** History is for people to look at, and must not grow for as long as an engine runs. */
  const prune = (): void => {
    try {
      const removed = store.transaction(() => store.jobs.prune(keptJobs, lately));
      for (const id of removed) feed.publish({ kind: 'job.removed', id });
    } catch (error) {
      // best effort: the next job that ends tries again
      log.warning('old jobs could not be forgotten', { problem: toFailure(error).message });
    }
  };

  /** What such a job left is tagged as unfinished, and swept after the recovery of jobs. */
  const giveUp = (record: JobRecord): void => {
    const error = fail('internal', { problem: `its journal is not of this version (${record.type})` });
    forget(record);
    journal.save(record, { state: 'failed', endedAt: time(), error: error.document });
  };

  async function afterEnd<Input, Data>({ record, kind }: Execution<Input, Data>): Promise<void> {
    try {
      await kind.ended?.(kind.input.parse(record.input));
    } catch (error) {
      log.error('after a job', { job: record.id, problem: toFailure(error).message });
    }
    if (!isRecovering) prune();
  }

  const launch = (record: JobRecord, controller: AbortController, work: () => Promise<void>): void => {
    const done = work().then(
      () => jobEntity(record),
      (error: unknown) => {
        // Only a failing state store ends here: the journal keeps the job, and the next start recovers it.
        forget(record);
        unwritten = error;
        log.error('job runner failed', { job: record.id, problem: toFailure(error).message });
        return jobEntity(record);
      },
    );
    running.set(record.id, { record, controller, done });
    underway.add(done);
    void done.then(() => underway.delete(done));
  };

  const known = (id: JobId): JobRecord | undefined => running.get(id)?.record ?? store.jobs.get(id);

  return {
    submit(submission) {
      if (closing.signal.aborted) throw fail('shutting_down', {});
      const key = submission.idempotencyKey;
      const repeated = key === undefined ? undefined : this.repeated(key);
      if (repeated !== undefined) return repeated;
      // One that is past its commit or on its way back would not do what is asked now: that is a conflict.
      // A removal commits with its first step, before any effect, and is joined to its end.
      const commitsFirst = submission.kind.steps(submission.input)[0]?.commits === true;
      const same = [...running.values()].find(
        ({ record, controller }) =>
          record.fingerprint === submission.fingerprint &&
          record.endedAt === null &&
          !controller.signal.aborted &&
          (!record.committed || commitsFirst),
      );
      if (same !== undefined) {
        // Its retry may come when the job has ended and another object has the name.
        if (key !== undefined) store.jobs.keepKey(key, same.record.id);
        return jobEntity(same.record);
      }
      if (!commitsFirst) dependencies.demandRoom?.();
      const first = lanes.ahead(submission.lanes);
      const holder = first === undefined ? undefined : this.get(first);
      const waits = holder !== undefined && submission.waits === true;
      if (holder !== undefined && !waits) throw busyWith(holder, submission.object);
      const { kind } = submission;
      const record: JobRecord = {
        id: jobIdSchema.parse(`job-${random.id()}`),
        type: kind.type,
        title: submission.title,
        state: 'queued',
        createdBy: submission.createdBy,
        createdAt: time(),
        startedAt: null,
        endedAt: null,
        error: null,
        tasks: kind
          .steps(submission.input)
          .map(({ name }) => ({ name, state: 'pending', progress: null, startedAt: null, endedAt: null })),
        environment: submission.environment,
        object: submission.object,
        lanes: [...submission.lanes],
        fingerprint: submission.fingerprint,
        idempotencyKey: key?.key ?? null,
        input: submission.input as Record<string, unknown>,
        data: structuredClone(submission.data) as Record<string, unknown>,
        committed: false,
        begun: !waits,
        revision: 0,
      };
      journal.save(record, {}, () => {
        if (!waits) submission.prepare?.();
        if (key !== undefined) store.jobs.keepKey(key, record.id);
      });
      if (!waits) lanes.hold(record.id, record.lanes);
      const controller = new AbortController();
      const run = execution(record, kind, controller, submission.secrets ?? new Map());
      launch(record, controller, () => (waits ? executeInTurn(run, submission.prepare) : execute(run)));
      return jobEntity(record);
    },
    repeated(key) {
      const found = store.jobs.byIdempotencyKey(key.key);
      if (found === undefined) return undefined;
      const { job, request } = found;
      if (request !== null && request !== key.request)
        throw fail('idempotency_key_reused', { key: key.key, doing: job.title });
      return jobEntity(known(job.id) ?? job);
    },
    working: () => {
      const [first] = running.values();
      return first === undefined ? undefined : jobEntity(first.record);
    },
    holder(wanted, except) {
      const id = lanes.conflict(wanted, except);
      const record = id === undefined ? undefined : known(id);
      return record === undefined ? undefined : jobEntity(record);
    },
    get(id) {
      const record = known(id);
      return record === undefined ? undefined : jobEntity(record);
    },
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
    async recover(kinds) {
      isRecovering = true;
      unwritten = undefined;
      const left = store.jobs.unfinished();
      for (const record of left) if (record.begun) lanes.hold(record.id, record.lanes);
      for (const record of left) {
        const controller = new AbortController();
        const resume = async (): Promise<void> => {
          // Not before it is known as running.
          await Promise.resolve();
          const kind = kinds.find(({ type }) => type === record.type);
          const run = kind === undefined ? undefined : readable(record, kind, controller);
          if (run === undefined || kind === undefined) {
            giveUp(record);
            return;
          }
          log.info('recovering a job', { job: record.id, type: record.type, committed: record.committed });
          if (!record.begun) {
            await end(run, 'failed', fail('interrupted', { job: record.id }));
            return;
          }
          if (record.committed) {
            await execute(run);
            return;
          }
          try {
            await backward(run);
            await end(run, 'failed', fail('interrupted', { job: record.id }));
          } finally {
            forget(record);
          }
          await afterEnd(run);
        };
        launch(record, controller, resume);
      }
      await Promise.all([...running.values()].map(({ done }) => done));
      isRecovering = false;
      if (unwritten !== undefined) throw toFailure(unwritten);
      prune();
    },
    async close() {
      closing.abort();
      for (const { record, controller } of running.values()) {
        if (!record.committed) controller.abort(fail('shutting_down', {}));
      }
      await Promise.all(underway);
    },
  };
}
