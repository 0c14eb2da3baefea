/** Runs the steps of a job that have not succeeded yet, each journalled before and after. */
import { toFailure } from '../protocol/errors.ts';
import { keepData, saveOrOwe, type Execution } from './execution.ts';
import { timeOf, type JobParts } from './parts.ts';

export async function forward<Input, Data>(parts: JobParts, run: Execution<Input, Data>): Promise<void> {
  const { journal, clock, failpoint, explain } = parts;
  const { record, steps, context, controller } = run;
  for (const [index, step] of steps.entries()) {
    const task = record.tasks[index];
    if (task === undefined || task.state === 'succeeded') continue;
    if (!record.committed) controller.signal.throwIfAborted();
    Object.assign(task, { state: 'running', startedAt: timeOf(clock), endedAt: null });
    failpoint(`${record.type}/${index}/before`);
    const stepContext = context(task, record.committed ? new AbortController().signal : controller.signal);
    try {
      journal.save(record);
      const change = await step.run(stepContext);
      failpoint(`${record.type}/${index}/effect`);
      Object.assign(task, { state: 'succeeded', endedAt: timeOf(clock), progress: 1 });
      keepData(record, stepContext);
      journal.save(record, step.commits === true ? { committed: true } : {}, change);
      failpoint(`${record.type}/${index}/after`);
    } catch (error) {
      const failure = toFailure(explain(error));
      if (step.cleanup === true) {
        Object.assign(task, { state: 'skipped', endedAt: timeOf(clock) });
        stepContext.report.line(
          `${step.name} failed and will be tried again later: ${failure.message}`,
          'warning',
        );
        saveOrOwe(parts, run);
        continue;
      }
      keepData(record, stepContext);
      run.endedIn = task;
      // What was stopped from outside has not failed: it is undone.
      const isStopped = controller.signal.aborted && !record.committed;
      Object.assign(task, { endedAt: timeOf(clock), ...(isStopped ? {} : { state: 'failed' }) });
      throw failure;
    }
  }
}
