/** One run of a job: its steps over what the journal says, and what of it the journal does not know yet. */
import { toFailure } from '../protocol/errors.ts';
import type { Task } from '../protocol/entities.ts';
import type { MemberName } from '../protocol/ids.ts';
import type { JobRecord } from '../state/store.ts';
import type { JobParts } from './parts.ts';
import type { JobKind, Step, StepContext, StoreChange } from './steps.ts';

export interface Execution<Input, Data> {
  record: JobRecord;
  kind: JobKind<Input, Data>;
  steps: readonly Step<Input, Data>[];
  context: (task: Task | undefined, signal: AbortSignal) => StepContext<Input, Data>;
  controller: AbortController;
  /** The task in which the work ended early: why is told there. */
  endedIn?: Task;
  /** Changes of what was undone that could not be written yet: they come with the next write. */
  owed: StoreChange[];
  /** An earlier engine began it, and the start of this one waits for its end. */
  isLeft: boolean;
}

export interface ExecutionOptions<Input, Data> {
  record: JobRecord;
  kind: JobKind<Input, Data>;
  controller: AbortController;
  secrets: ReadonlyMap<MemberName, string>;
  isLeft: boolean;
}

/** Throws when the journal is not of this version. */
export function createExecution<Input, Data>(
  { reporters }: Pick<JobParts, 'reporters'>,
  { record, kind, controller, secrets, isLeft }: ExecutionOptions<Input, Data>,
): Execution<Input, Data> {
  const input = kind.input.parse(record.input);
  const data = kind.data.parse(record.data);
  return {
    record,
    kind,
    controller,
    isLeft,
    owed: [],
    steps: kind.steps(input),
    context: (task, signal) => ({
      job: record.id,
      createdBy: record.createdBy,
      input,
      data,
      signal,
      secrets,
      report: reporters(record, task),
    }),
  };
}

export const keepData = (record: JobRecord, context: { data: unknown }): void => {
  record.data = structuredClone(context.data) as Record<string, unknown>;
};

export const payAll = (owed: readonly StoreChange[]) => (): void => {
  for (const change of owed) change();
};

/** For what counts whether the journal knows it or not: the next write says all of it. */
export function saveOrOwe<Input, Data>(
  { journal, log }: Pick<JobParts, 'journal' | 'log'>,
  { record, owed }: Execution<Input, Data>,
): void {
  try {
    journal.save(record, {}, payAll(owed));
    owed.length = 0;
  } catch (error) {
    log.error('a job could not be journalled', { job: record.id, problem: toFailure(error).message });
  }
}
