/** Takes a job from its beginning, or from its turn, to its end. */
import { toFailure } from '../protocol/errors.ts';
import { backward } from './backward.ts';
import { end, endingBy, type Ending } from './end.ts';
import type { Execution } from './execution.ts';
import { forward } from './forward.ts';
import { timeOf, type JobParts } from './parts.ts';
import type { StoreChange } from './steps.ts';

export async function execute<Input, Data>(parts: JobParts, run: Execution<Input, Data>): Promise<void> {
  const { record } = run;
  let ending: Ending = { state: 'succeeded' };
  try {
    try {
      Object.assign(record, { state: 'running', startedAt: record.startedAt ?? timeOf(parts.clock) });
      await forward(parts, run);
    } catch (error) {
      ending = endingBy(error, run);
      if (!record.committed) await backward(parts, run);
    }
    await end(parts, run, ending);
  } finally {
    parts.running.forget(record.id);
  }
  await afterEnd(parts, run);
}

/** One that waits: what is checked and changed at its beginning comes with its turn. */
export async function executeInTurn<Input, Data>(
  parts: JobParts,
  run: Execution<Input, Data>,
  prepare: StoreChange | undefined,
): Promise<void> {
  const { record, controller } = run;
  try {
    await parts.lanes.wait(record.id, record.lanes, controller.signal);
    parts.demandRoom();
    parts.journal.save(record, { begun: true }, prepare);
  } catch (error) {
    try {
      await end(parts, run, endingBy(error, run));
    } finally {
      parts.running.forget(record.id);
    }
    return;
  }
  await execute(parts, run);
}

export async function afterEnd<Input, Data>(
  { history, log, failpoint }: JobParts,
  { record, kind, isLeft }: Execution<Input, Data>,
): Promise<void> {
  failpoint(`${record.type}/ended`);
  try {
    await kind.ended?.(kind.input.parse(record.input));
  } catch (error) {
    log.error('after a job', { job: record.id, problem: toFailure(error).message });
  }
  // Not for each of many at a start.
  if (!isLeft) history.prune();
}
