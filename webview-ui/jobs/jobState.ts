/** What the page knows of its job, how a message changes it, and how it is said to people. */
import { durationText, percentText, tickingText } from '../shared/amounts.ts';
import type { ConnectionState, PageJob, PageTask, Problem, ToPage } from './messages.ts';

export interface JobState {
  readonly job: PageJob | null;
  /** Something can do it again. */
  readonly canRetry: boolean;
  readonly connection: ConnectionState;
  /** Why there is no connection. */
  readonly connectionProblem: Problem | null;
  /** Why the engine refused what the reader asked for. */
  readonly refusal: Problem | null;
  readonly gone: boolean;
}

export function initialState(last: PageJob | null): JobState {
  return {
    job: last,
    canRetry: false,
    connection: 'connecting',
    connectionProblem: null,
    refusal: null,
    gone: false,
  };
}

/** Lines are not part of the state: the log takes them. */
export function reduce(state: JobState, message: Exclude<ToPage, { kind: 'lines' }>): JobState {
  switch (message.kind) {
    case 'job': {
      const ended = message.job.endedAt !== null;
      return {
        ...state,
        job: message.job,
        canRetry: message.canRetry === true,
        gone: false,
        refusal: ended ? null : state.refusal,
      };
    }
    case 'connection':
      return { ...state, connection: message.state, connectionProblem: message.problem };
    case 'gone':
      return { ...state, gone: true };
    case 'refused':
      return { ...state, refusal: message.problem };
  }
}

export const jobStateTexts: Record<PageJob['state'], string> = {
  queued: 'Queued',
  running: 'Running',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Canceled',
};

export const taskStateTexts: Record<PageTask['state'], string> = {
  pending: 'not started',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  undone: 'undone',
  skipped: 'skipped',
};

/** Milliseconds from start to end, or until now; null before the start. */
export function spent(of: { startedAt: string | null; endedAt: string | null }, now: number): number | null {
  if (of.startedAt === null) return null;
  const end = of.endedAt === null ? now : Date.parse(of.endedAt);
  return Math.max(0, end - Date.parse(of.startedAt));
}

export function spentText(
  of: { startedAt: string | null; endedAt: string | null },
  now: number,
): string | null {
  const ms = spent(of, now);
  if (ms === null) return null;
  return of.endedAt === null ? tickingText(ms) : durationText(ms);
}

/** While the engine is away nothing is known to tick. */
export function isLive(state: JobState): boolean {
  return state.job?.endedAt === null && state.connection === 'connected' && !state.gone;
}

export function canCancel(state: JobState): boolean {
  return state.job?.cancellable === true && isLive(state);
}

export const canRetry = (state: JobState): boolean =>
  state.canRetry && state.connection === 'connected' && state.job !== null && state.job.endedAt !== null;

export interface Banner {
  readonly tone: 'info' | 'warning' | 'error';
  readonly message: string;
  readonly next: string;
  readonly connect: boolean;
}

/** What stands between the heading and the log, most important first. */
export function banners(state: JobState): Banner[] {
  const { job, connection, connectionProblem, refusal, gone } = state;
  const shown: Banner[] = [];
  if (connection === 'disconnected') {
    const seen = job === null ? '' : ' This is what was last seen.';
    const next =
      connectionProblem === null ? '' : `${connectionProblem.message} ${connectionProblem.next}`.trim();
    shown.push({
      tone: 'warning',
      message: `The engine is not reachable.${seen}`,
      next,
      connect: true,
    });
  }
  if (gone) {
    shown.push({
      tone: 'info',
      message: 'The engine no longer keeps this job.',
      next: job === null ? 'It keeps the newest 500.' : 'This is what was last seen.',
      connect: false,
    });
  }
  if (refusal !== null) shown.push({ tone: 'warning', ...refusal, connect: false });
  if (job?.error && job.state !== 'cancelled') {
    const { message, next } = job.error;
    shown.push({ tone: 'error', message, next, connect: false });
  }
  return shown;
}

/** What a screen reader is told: only what matters, so that it changes a few times in a job's life. */
export function announcement(state: JobState, now: number): string {
  const { job } = state;
  if (job === null) return '';
  const time = job.endedAt === null ? null : spentText(job, now);
  const running = job.tasks.find((task) => task.state === 'running');
  const status = jobStateTexts[job.state];
  if (job.state === 'running' && running !== undefined) return `${job.title}: ${status}, ${running.name}`;
  return `${job.title}: ${status}${time === null ? '' : ` after ${time}`}`;
}

/** The text beside a task: what it does and its share while it runs, and how long it took or takes. */
export function taskAmounts(task: PageTask, now: number, live: boolean): string[] {
  const amounts: string[] = [];
  if (task.state === 'running' && task.phase !== undefined) amounts.push(task.phase);
  if (task.state === 'running' && task.progress !== null) amounts.push(percentText(task.progress));
  const time = live || task.endedAt !== null ? spentText(task, now) : null;
  if (time !== null) amounts.push(time);
  return amounts;
}
