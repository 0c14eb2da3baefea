/** Undoes the steps of a job that began, the last one first. */
import { toFailure } from '../protocol/errors.ts';
import { keepData, saveOrOwe, type Execution } from './execution.ts';
import { timeOf, type JobParts } from './parts.ts';

export async function backward<Input, Data>(parts: JobParts, run: Execution<Input, Data>): Promise<void> {
  const { clock, log } = parts;
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
      task.endedAt ??= timeOf(clock);
      if (change !== undefined) owed.push(change);
    } catch (error) {
      // What could not be taken back is still tagged as unfinished, and is swept at the next start.
      const problem = toFailure(error).message;
      if (task.state === 'running') task.state = 'failed';
      stepContext.report.line(`Could not undo "${step.name}": ${problem}`, 'error');
      log.error('undo failed', { job: record.id, step: step.name, problem });
      continue;
    }
    saveOrOwe(parts, run);
  }
}
