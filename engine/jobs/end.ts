/** Ends a job: says why in its lines and in the log, and writes the end until it stands. */
import type { JobState } from '../protocol/entities.ts';
import { fail, isFailure, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import type { JobRecord } from '../state/store.ts';
import { payAll, type Execution } from './execution.ts';
import { timeOf, type JobParts } from './parts.ts';
import type { StoreChange } from './steps.ts';

export interface Ending {
  state: JobState;
  failure?: ThinClonesError | undefined;
}

/** Between two tries to write the end of a job. */
const endIntervalMs = 1000;

/** How a job ends that this error stopped. */
export function endingBy<Input, Data>(
  error: unknown,
  { record, controller }: Pick<Execution<Input, Data>, 'record' | 'controller'>,
): Ending {
  const { signal } = controller;
  const isStopped = signal.aborted && !record.committed;
  if (!isStopped) return { state: 'failed', failure: toFailure(error) };
  if (isFailure(signal.reason, 'canceled'))
    return { state: 'cancelled', failure: fail('canceled', {}, { cause: error }) };
  return { state: 'failed', failure: fail('interrupted', { job: record.id }, { cause: error }) };
}

export async function end<Input, Data>(
  parts: JobParts,
  run: Execution<Input, Data>,
  { state, failure }: Ending,
): Promise<void> {
  const { record, kind, context, owed, endedIn } = run;
  const stepContext = context(endedIn, new AbortController().signal);
  if (failure !== undefined) {
    if (failure.code !== 'canceled') logFailure(parts, record, failure);
    stepContext.report.line(
      `${failure.message} ${failure.document.next}`,
      state === 'cancelled' ? 'warning' : 'error',
    );
  }
  const change =
    failure === undefined || !record.begun ? undefined : kind.failed?.(stepContext, failure.message);
  await writeEnd(parts, run, { state, failure }, payAll(change === undefined ? owed : [...owed, change]));
}

function logFailure({ log }: JobParts, record: JobRecord, failure: ThinClonesError): void {
  const origin = failure.cause instanceof Error ? failure.cause.stack : failure.stack;
  log.error('job failed', {
    job: record.id,
    type: record.type,
    code: failure.code,
    problem: failure.message,
    origin,
  });
}

async function writeEnd<Input, Data>(
  { clock, closing, history, journal, lanes, log, running }: JobParts,
  run: Execution<Input, Data>,
  { state, failure }: Ending,
  changes: StoreChange,
): Promise<void> {
  const { record } = run;
  for (;;) {
    // Whoever is told of the end may ask for what it held.
    lanes.release(record.id);
    try {
      journal.write(record, { state, endedAt: timeOf(clock), error: failure?.document ?? null }, changes);
      running.remove(record.id);
      journal.publish(record);
      lanes.advance();
      history.noteEnd(record.id);
      return;
    } catch (error) {
      if (record.begun) lanes.hold(record.id, record.lanes);
      if (closing.aborted || run.isLeft) throw error;
      log.error('the end of a job could not be written', {
        ...{ job: record.id, problem: toFailure(error).message },
      });
      // An end that nobody finds later is none: the job goes on until it stands, or the next engine ends it.
      await clock.sleep(endIntervalMs, closing).catch(() => undefined);
    }
  }
}
