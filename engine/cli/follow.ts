/** Waits for a job: its lines and progress by the event stream, by asking again when the stream breaks. */
import type { CallOptions, Position } from '../protocol/client.ts';
import type { Job, JobLine } from '../protocol/entities.ts';
import { errorTable, fail, isFailure, ThinClonesError, toFailure } from '../protocol/errors.ts';
import type { Session } from './session.ts';

const endStates = ['succeeded', 'failed', 'cancelled'];
export const hasEnded = (job: Job): boolean => endStates.includes(job.state);

/** jobLines answers with at most this many at once. */
const linesAtOnce = 5000;
const pauseMs = 250;
/** An engine that is away for longer than this many pauses is not coming back by itself. */
const mostFailures = 40;

export interface JobObserver {
  line(line: JobLine): void;
  job(job: Job): void;
}

/**
 * The job when it has ended. Errors: those of the engine; `engine_unreachable` when it stays away for 10 s. An engine
 * that ended meanwhile is started again: it finishes or undoes the job. `start`: where its events begin, if that is known.
 */
export async function followJob(
  session: Session,
  id: string,
  observer: JobObserver,
  signal: AbortSignal,
  start?: Position,
): Promise<Job> {
  let from = start;
  let lastLine = 0;
  const takeLine = (line: JobLine) => {
    if (line.line <= lastLine) return;
    lastLine = line.line;
    observer.line(line);
  };
  const takeLines = async () => {
    const client = await session.client();
    let count: number;
    do {
      const input = { params: { job: id }, query: { after: lastLine } };
      const { items } = await client.call('jobLines', input, { signal });
      items.forEach(takeLine);
      count = items.length;
    } while (count >= linesAtOnce);
  };
  /** Undefined when the stream ended before the job. */
  const followOnce = async (): Promise<Job | undefined> => {
    const client = await session.client();
    let position = from;
    // From before the job on, everything is in the stream: unless a request joined a job that had begun before.
    let hasAll = position !== undefined;
    let isFirst = true;
    from = undefined;
    if (position === undefined) {
      // The place in the stream first: what happens after this is in the stream, what was before in the answers below.
      const { epoch, seq, jobs } = await client.call('overview', {}, { signal });
      position = { epoch, seq };
      const job =
        jobs.find((each) => each.id === id) ??
        (await client.call('jobShow', { params: { job: id } }, { signal }));
      await takeLines();
      observer.job(job);
      if (hasEnded(job)) return job;
    }
    const stream = new AbortController();
    const events = client.events(position, AbortSignal.any([signal, stream.signal]));
    try {
      for await (const event of events) {
        if (event.kind === 'resync') return undefined;
        if (event.kind === 'jobLine' && event.entity.job === id) {
          if (event.entity.line > lastLine + 1) await takeLines();
          takeLine(event.entity);
        }
        if (event.kind === 'job' && event.entity.id === id) {
          observer.job(event.entity);
          hasAll &&= !isFirst || event.entity.state === 'queued';
          isFirst = false;
          if (!hasEnded(event.entity)) continue;
          if (!hasAll) await takeLines();
          return event.entity;
        }
      }
    } finally {
      stream.abort();
    }
    return undefined;
  };
  for (let failures = 0; ;) {
    try {
      const job = await followOnce();
      if (job !== undefined) return job;
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      const away = isFailure(error, 'engine_unreachable') || isFailure(error, 'shutting_down');
      if (!away || ++failures > mostFailures) throw error;
      session.disconnect();
    }
    signal.throwIfAborted();
    await session.surroundings.pause(pauseMs, signal);
  }
}

/** Asks for a change that is a job, and follows it from its very beginning to its end. */
export async function runJob(
  session: Session,
  ask: (options: CallOptions) => Promise<{ job: Job }>,
  options: Omit<WaitOptions, 'from'> = {},
): Promise<Job> {
  let from: Position | undefined;
  const { job } = await ask({ signal: session.signal, onPosition: (position) => (from = position) });
  return await waitForJob(session, job, { ...options, from });
}

/** What a job that did not succeed is reported as: its own error, with its id among the details. */
function jobFailure(job: Job): ThinClonesError {
  const failed = job.error;
  if (failed === null) {
    return job.state === 'cancelled'
      ? fail('canceled', {})
      : fail('internal', { problem: `job ${job.id} failed without a reason` });
  }
  const known = (errorTable as Record<string, { status: number } | undefined>)[failed.code];
  const status = known?.status ?? 500;
  return new ThinClonesError({ ...failed, details: { ...failed.details, job: job.id } }, status);
}

export interface WaitOptions {
  /** false: only a terminal's status line tells how it stands. */
  lines?: boolean;
  /** false: Ctrl-C leaves the job at once, since others may wait for it too. */
  cancels?: boolean;
  /** Where the events of the job begin, when that is known: then nothing is asked but the stream. */
  from?: Position | undefined;
}

/** Follows a job on stderr to its end. Ctrl-C cancels it, a second one leaves it. Errors: the job's own, `job_left`. */
export async function waitForJob(
  session: Session,
  started: Job,
  { lines = true, cancels = true, from }: WaitOptions = {},
): Promise<Job> {
  const { output } = session;
  const observer: JobObserver = lines
    ? output.progress
    : { job: (job) => output.progress.job(job), line: () => undefined };
  const leave = new AbortController();
  let canceling = false;
  const cancel = async () => {
    const client = await session.client();
    await client.call('jobCancel', { params: { job: started.id } }, { signal: leave.signal });
  };
  const interrupt = () => {
    if (canceling || !cancels) {
      leave.abort(fail('job_left', { job: started.id }));
      return;
    }
    canceling = true;
    output.note('Canceling; Ctrl-C again leaves the job running.');
    cancel().catch((error: unknown) => {
      if (!leave.signal.aborted) output.note(toFailure(error).message);
    });
  };
  output.progress.job(started);
  try {
    const ended = await session.handlingInterrupts(interrupt, async () =>
      hasEnded(started) ? started : await followJob(session, started.id, observer, leave.signal, from),
    );
    if (ended.state !== 'succeeded') throw jobFailure(ended);
    return ended;
  } catch (error) {
    leave.signal.throwIfAborted();
    throw error;
  } finally {
    output.progress.end();
  }
}
