/** Runs jobs: journals every step, undoes what failed or was canceled, and after a crash finishes or undoes the rest. */
import type { Reporter } from '../database/database.ts';
import type { Job, JobLine, JobState, Task } from '../protocol/entities.ts';
import { fail, isFailure, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import { jobIdSchema, type EnvironmentName, type JobId, type MemberName } from '../protocol/ids.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Feed } from './feed.ts';
import type { Log } from '../ports/log.ts';
import type { JobRecord, Lane, Store } from '../state/store.ts';
import { createLanes } from './lanes.ts';
import type { JobKind, Step, StepContext } from './steps.ts';

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
  idempotencyKey?: string | undefined;
  secrets?: ReadonlyMap<MemberName, string>;
  /** State changes that become visible together with the job. */
  prepare?: () => void;
}

export interface Runner {
  /**
   * Starts a job, or returns the unfinished one of the same fingerprint (or any of the same idempotency key).
   * Throws `busy` when another job holds a lane.
   */
  submit<Input, Data>(submission: Submission<Input, Data>): Job;
  /** The job, also an ended one, that a request with this idempotency key started. */
  repeated(key: string): Job | undefined;
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
  /** Cancels what can be, waits for the rest, accepts nothing new. */
  close(): Promise<void>;
}

const keptJobs = 500;
const progressIntervalMs = 100;
const linesAtOnce = 5000;

/** What people see of a job. */
export function jobEntity(record: JobRecord): Job {
  const {
    lanes: _lanes,
    fingerprint: _fingerprint,
    idempotencyKey: _key,
    input: _input,
    data: _data,
    committed,
    ...entity
  } = record;
  // The runner goes on changing its tasks; what was told must not change with them.
  const tasks = record.tasks.map((task) => ({ ...task }));
  const done = tasks.map((task) => (task.state === 'succeeded' ? 1 : (task.progress ?? 0)));
  const share = tasks.length === 0 ? 0 : done.reduce((sum, part) => sum + part, 0) / tasks.length;
  return {
    ...entity,
    tasks,
    progress: record.state === 'succeeded' ? 1 : Math.min(1, share),
    cancellable: record.endedAt === null && !committed,
  };
}

/** The refusal of a request because a job works on the object that it is for. */
export const busyWith = (
  holder: Job,
  { kind, name }: Pick<Job['object'], 'kind' | 'name'>,
): ThinClonesError => fail('busy', { kind, name, job: holder.id, doing: holder.title, by: holder.createdBy });

interface Running {
  record: JobRecord;
  controller: AbortController;
  done: Promise<Job>;
  lastPublished: number;
}

export function createRunner(dependencies: RunnerDependencies): Runner {
  const { store, clock, random, feed, log, failpoint, explain = (error: unknown) => error } = dependencies;
  const lanes = createLanes();
  const running = new Map<JobId, Running>();
  let closing = false;

  const time = (): string => clock.now().toISOString();
  const publish = (record: JobRecord): void => {
    const run = running.get(record.id);
    if (run !== undefined) run.lastPublished = clock.monotonic();
    feed.publish({ kind: 'job', entity: jobEntity(record) });
  };
  const save = (record: JobRecord, change?: () => void): void => {
    store.transaction(() => {
      change?.();
      store.jobs.put(record);
    });
    publish(record);
  };

  const reporter = (record: JobRecord, task: Task | undefined): Reporter => {
    let line = store.jobs.lastLine(record.id);
    return {
      line(text, level = 'info') {
        line = Math.max(line, store.jobs.lastLine(record.id)) + 1;
        const entity: JobLine = { job: record.id, line, at: time(), task: task?.name ?? null, level, text };
        store.jobs.addLine(entity);
        feed.publish({ kind: 'jobLine', entity });
      },
      progress(fraction) {
        if (task === undefined || !Number.isFinite(fraction)) return;
        task.progress = Math.max(task.progress ?? 0, Math.min(1, Math.max(0, fraction)));
        const last = running.get(record.id)?.lastPublished ?? 0;
        if (clock.monotonic() - last >= progressIntervalMs) publish(record);
      },
    };
  };

  interface Execution<Input, Data> {
    record: JobRecord;
    kind: JobKind<Input, Data>;
    steps: readonly Step<Input, Data>[];
    context: (task: Task | undefined, signal: AbortSignal) => StepContext<Input, Data>;
    controller: AbortController;
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
      steps: kind.steps(input),
      context: (task, signal) => ({
        job: record.id,
        createdBy: record.createdBy,
        input,
        data,
        signal,
        secrets,
        report: reporter(record, task),
      }),
    };
  };

  const keepData = (record: JobRecord, context: { data: unknown }): void => {
    record.data = structuredClone(context.data) as Record<string, unknown>;
  };

  async function forward<Input, Data>({
    record,
    steps,
    context,
    controller,
  }: Execution<Input, Data>): Promise<void> {
    for (const [index, step] of steps.entries()) {
      const task = record.tasks[index];
      if (task === undefined || task.state === 'succeeded') continue;
      if (!record.committed) controller.signal.throwIfAborted();
      Object.assign(task, { state: 'running', startedAt: time(), endedAt: null });
      failpoint(`${record.type}/${index}/before`);
      save(record);
      const stepContext = context(task, record.committed ? new AbortController().signal : controller.signal);
      try {
        const change = await step.run(stepContext);
        failpoint(`${record.type}/${index}/effect`);
        Object.assign(task, { state: 'succeeded', endedAt: time(), progress: 1 });
        keepData(record, stepContext);
        if (step.commits === true) record.committed = true;
        save(record, change);
        failpoint(`${record.type}/${index}/after`);
      } catch (error) {
        const failure = toFailure(explain(error));
        if (step.cleanup === true) {
          Object.assign(task, { state: 'skipped', endedAt: time() });
          stepContext.report.line(
            `${step.name} failed and will be tried again later: ${failure.message}`,
            'warning',
          );
          save(record);
          continue;
        }
        keepData(record, stepContext);
        Object.assign(task, { state: 'failed', endedAt: time() });
        throw failure;
      }
    }
  }

  async function backward<Input, Data>({ record, steps, context }: Execution<Input, Data>): Promise<void> {
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
        save(record, change);
      } catch (error) {
        // What could not be taken back is still tagged as unfinished, and is swept at the next start.
        const problem = toFailure(error).message;
        stepContext.report.line(`Could not undo "${step.name}": ${problem}`, 'error');
        log.error('undo failed', { job: record.id, step: step.name, problem });
      }
    }
  }

  const end = <Input, Data>(
    { record, kind, context }: Execution<Input, Data>,
    state: JobState,
    failure: ThinClonesError | undefined,
  ): void => {
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
    Object.assign(record, { state, endedAt: time(), error: failure?.document ?? null });
    lanes.release(record.id);
    const change = failure === undefined ? undefined : kind.failed?.(stepContext, failure.message);
    save(record, change);
  };

  async function execute<Input, Data>(run: Execution<Input, Data>): Promise<void> {
    const { record, controller } = run;
    try {
      Object.assign(record, { state: 'running', startedAt: record.startedAt ?? time() });
      await forward(run);
      end(run, 'succeeded', undefined);
    } catch (error) {
      const stopped = controller.signal.aborted && !record.committed;
      const canceled = stopped && isFailure(controller.signal.reason, 'canceled');
      const failure = canceled
        ? fail('canceled', {}, { cause: error })
        : stopped
          ? fail('interrupted', { job: record.id }, { cause: error })
          : toFailure(error);
      if (!record.committed) await backward(run);
      end(run, canceled ? 'cancelled' : 'failed', failure);
    } finally {
      lanes.release(record.id);
      running.delete(record.id);
    }
    await afterEnd(run);
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

  /** What such a job left is tagged as unfinished, and swept after the recovery of jobs. */
  const giveUp = (record: JobRecord): void => {
    const error = fail('internal', { problem: `its journal is not of this version (${record.type})` });
    Object.assign(record, { state: 'failed', endedAt: time(), error: error.document });
    lanes.release(record.id);
    running.delete(record.id);
    save(record);
  };

  async function afterEnd<Input, Data>({ record, kind }: Execution<Input, Data>): Promise<void> {
    try {
      await kind.ended?.(kind.input.parse(record.input));
    } catch (error) {
      log.error('after a job', { job: record.id, problem: toFailure(error).message });
    }
  }

  const launch = (record: JobRecord, controller: AbortController, work: () => Promise<void>): void => {
    const done = work().then(
      () => jobEntity(record),
      (error: unknown) => {
        // Only a failing state store ends here: the journal keeps the job, and the next start recovers it.
        lanes.release(record.id);
        running.delete(record.id);
        log.error('job runner failed', { job: record.id, problem: toFailure(error).message });
        return jobEntity(record);
      },
    );
    running.set(record.id, { record, controller, done, lastPublished: 0 });
  };

  const known = (id: JobId): JobRecord | undefined => running.get(id)?.record ?? store.jobs.get(id);

  return {
    submit(submission) {
      if (closing) throw fail('shutting_down', {});
      const key = submission.idempotencyKey;
      const repeated = key === undefined ? undefined : this.repeated(key);
      if (repeated !== undefined) return repeated;
      // One that is past its commit or on its way back would not do what is asked now: that is a conflict.
      // A removal commits with its first step, before any effect, and is joined to its end.
      const commitsFirst = submission.kind.steps(submission.input)[0]?.commits === true;
      const same = [...running.values()].find(
        ({ record, controller }) =>
          record.fingerprint === submission.fingerprint &&
          !controller.signal.aborted &&
          (!record.committed || commitsFirst),
      );
      if (same !== undefined) return jobEntity(same.record);
      const holder = this.holder(submission.lanes);
      if (holder !== undefined) throw busyWith(holder, submission.object);
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
        idempotencyKey: key ?? null,
        input: submission.input as Record<string, unknown>,
        data: structuredClone(submission.data) as Record<string, unknown>,
        committed: false,
      };
      save(record, submission.prepare);
      lanes.hold(record.id, record.lanes);
      const controller = new AbortController();
      const run = execution(record, kind, controller, submission.secrets ?? new Map());
      launch(record, controller, () => execute(run));
      return jobEntity(record);
    },
    repeated(key) {
      const record = store.jobs.byIdempotencyKey(key);
      return record === undefined ? undefined : jobEntity(known(record.id) ?? record);
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
      const left = store.jobs.unfinished();
      for (const record of left) lanes.hold(record.id, record.lanes);
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
          if (record.committed) {
            await execute(run);
            return;
          }
          try {
            await backward(run);
            end(run, 'failed', fail('interrupted', { job: record.id }));
          } finally {
            lanes.release(record.id);
            running.delete(record.id);
          }
          await afterEnd(run);
        };
        launch(record, controller, resume);
      }
      await Promise.all([...running.values()].map(({ done }) => done));
      for (const id of store.transaction(() => store.jobs.prune(keptJobs)))
        feed.publish({ kind: 'job.removed', id });
    },
    async close() {
      closing = true;
      for (const { record, controller } of running.values()) {
        if (!record.committed) controller.abort(fail('shutting_down', {}));
      }
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}
