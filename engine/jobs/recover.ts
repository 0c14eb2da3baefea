/** Finishes or undoes the jobs that an earlier engine left. */
import { fail, toFailure } from '../protocol/errors.ts';
import { waitAtMost } from '../ports/clock.ts';
import type { JobRecord } from '../state/store.ts';
import { backward } from './backward.ts';
import { end } from './end.ts';
import { afterEnd, execute } from './execute.ts';
import { createExecution, type Execution } from './execution.ts';
import { timeOf, type JobParts } from './parts.ts';
import type { JobKind } from './steps.ts';

/** Longer than the end of a job takes unless something hangs, or much is to be removed. */
const patienceMs = 20_000;

/**
 * Resolves when each has ended, or holds its lanes and goes on like a job of this engine, as its end takes long. Throws when an
 * end could not be written.
 */
export async function recoverJobs(parts: JobParts, kinds: readonly JobKind[]): Promise<void> {
  const { store, clock, log, lanes, running, history } = parts;
  const unwritten: unknown[] = [];
  const runs: Execution<unknown, unknown>[] = [];
  const left = store.jobs.unfinished();
  for (const record of left) if (record.begun) lanes.hold(record.id, record.lanes);
  for (const record of left) {
    const controller = new AbortController();
    running.launch(record, controller, async () => {
      // Not before it is known as running.
      await Promise.resolve();
      try {
        const run = readable(parts, record, kinds, controller);
        if (run !== undefined) runs.push(run);
        if (run === undefined) giveUp(parts, record);
        else await resume(parts, run);
      } catch (error) {
        unwritten.push(error);
        throw error;
      }
    });
  }
  const all = Promise.all(running.list().map(({ done }) => done));
  if (!(await waitAtMost(clock, patienceMs, all))) {
    for (const run of runs) run.isLeft = false;
    const jobs = running.list().map(({ record }) => record.id);
    log.warning('jobs of an earlier engine are still being ended', { jobs });
  }
  if (unwritten.length > 0) throw toFailure(unwritten[0]);
  history.prune();
}

async function resume(parts: JobParts, run: Execution<unknown, unknown>): Promise<void> {
  const { record } = run;
  parts.log.info('recovering a job', { job: record.id, type: record.type, committed: record.committed });
  const interrupted = { state: 'failed', failure: fail('interrupted', { job: record.id }) } as const;
  if (!record.begun) {
    await end(parts, run, interrupted);
    return;
  }
  if (record.committed) {
    await execute(parts, run);
    return;
  }
  try {
    const endedIn = record.tasks.find(({ state }) => state === 'running');
    if (endedIn !== undefined) run.endedIn = endedIn;
    await backward(parts, run);
    await end(parts, run, interrupted);
  } finally {
    parts.running.forget(record.id);
  }
  await afterEnd(parts, run);
}

/** Undefined for a journal that this version does not understand. */
function readable(
  parts: JobParts,
  record: JobRecord,
  kinds: readonly JobKind[],
  controller: AbortController,
): Execution<unknown, unknown> | undefined {
  const kind = kinds.find(({ type }) => type === record.type);
  if (kind === undefined) return undefined;
  try {
    const run = createExecution(parts, { record, kind, controller, secrets: new Map(), isLeft: true });
    return run.steps.length === record.tasks.length ? run : undefined;
  } catch (error) {
    parts.log.error('a job of the journal is not understood', {
      job: record.id,
      problem: toFailure(error).message,
    });
    return undefined;
  }
}

/** What such a job left is tagged as unfinished, and swept after the recovery of jobs. */
function giveUp({ running, journal, clock }: JobParts, record: JobRecord): void {
  const error = fail('internal', { problem: `its journal is not of this version (${record.type})` });
  running.forget(record.id);
  journal.save(record, { state: 'failed', endedAt: timeOf(clock), error: error.document });
}
